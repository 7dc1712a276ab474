package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"hostler/db"
	"hostler/server/bootstrap/hostlist"
	"hostler/server/operation"
)

// CheckKindName is the name of the kind of operation that tries what a bootstrap does first, and changes nothing on a
// host: reach it, log in, look at its system, become root, reach the server from there.
const CheckKindName = "check"

// CheckParallel is how many hosts of a check are worked on at a time: each waits for the network most of the time.
const CheckParallel = 200

// Found is what a check found of a host; the task remembers it.
type Found struct {
	Key   db.SSHHostKey `json:"key"`             // that the host showed
	Known bool          `json:"known,omitempty"` // and that was trusted already
	// Jump is the key that the jump host showed, if there is one, and whether it was trusted already.
	Jump      *db.SSHHostKey `json:"jump,omitempty"`
	JumpKnown bool           `json:"jump_known,omitempty"`
	Clock     int            `json:"clock,omitempty"` // seconds that the host's clock is ahead of the server's
}

// CheckSpec describes an operation that checks hosts with credentials that were checked.
func CheckSpec(cluster, createdBy string, hosts []hostlist.Host, c *Credentials) operation.Spec {
	s := Spec(cluster, createdBy, hosts, c)
	s.Kind, s.Parallel, s.Title = CheckKindName, CheckParallel, fmt.Sprintf("Check %d hosts", len(hosts))
	if len(hosts) == 1 {
		s.Title = "Check " + hosts[0].Name
	}
	return s
}

// CheckKind is what the operation engine runs for a check. The phases are those that a bootstrap begins
// with, of which the last two look at the host together.
func (b *Bootstrap) CheckKind() operation.Kind {
	k := operation.Kind{Name: CheckKindName, NeedsSecrets: true, Linger: true, End: end}
	k.Begin = func(t *operation.Task) {
		t.Local = &run{Bootstrap: b, task: t, started: db.Now(), found: &Found{}}
	}
	for _, p := range []Phase{connectPhase, lookPhase, judgePhase} {
		k.Steps = append(k.Steps, b.step(p, true))
	}
	return k
}

// FoundOf is what a check's task found; the zero Found when it did not get to the host.
func FoundOf(t *db.Task) (f Found) {
	if len(t.Memory) > 0 {
		_ = json.Unmarshal(t.Memory, &f) // what cannot be read was written by another version, and is looked for again
	}
	return f
}

// ParamsOf are the parameters of a host's task.
func ParamsOf(t *db.Task) (p TaskParams, err error) {
	if len(t.Params) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(t.Params, &p); err != nil {
		return p, fmt.Errorf("cannot read the parameters of %s: %w", t.Name, err)
	}
	return p, nil
}

// Checked are the hosts of a check as they were reached, for bootstrapping them. Those that somebody took out are not
// among them.
func Checked(tasks []db.Task) ([]hostlist.Host, error) {
	var hosts []hostlist.Host
	for _, t := range tasks {
		if t.State == db.Skipped {
			continue
		}
		h := hostlist.Host{Name: t.Name}
		p, err := ParamsOf(&t)
		if err != nil {
			return nil, err
		}
		h.Settings = hostlist.Settings{User: p.User, Port: p.Port, Address: p.Address, Credentials: p.Credentials, Labels: p.Labels}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// TrustFound trusts the keys that a check found, those of jump hosts too, and says how many were new.
func TrustFound(ctx context.Context, d *db.DB, tasks []db.Task) (n int, err error) {
	keys, err := HostKeys(tasks, nil)
	if err != nil {
		return 0, err
	}
	for i := range keys {
		if keys[i].Known {
			continue
		}
		if err := d.TrustSSHHostKey(ctx, &keys[i].Row); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// noteKey remembers the key that a host showed to a check.
func (r *run) noteKey() error {
	if r.found == nil {
		return nil
	}
	r.found.Key, r.found.Known = r.conn.key, r.conn.known
	if r.found.Known {
		r.task.Logf("the host key is the known one, %s", r.conn.key.Fingerprint)
	} else {
		r.task.Logf("the host key is not known yet: %s %s", r.conn.key.Algorithm, r.conn.key.Fingerprint)
	}
	return r.task.Remember(r.found)
}

// clockShown is from how many seconds on a difference of clocks is worth a word: a login takes about one.
const clockShown = 2

// noteClock remembers how far off the host's clock is, and adds it to the note.
func (r *run) noteClock(note string) string {
	at, err := strconv.ParseInt(r.system["time"], 10, 64)
	if err != nil {
		return note
	}
	r.found.Clock = int(at - time.Now().Unix())
	if err := r.task.Remember(r.found); err != nil {
		return note
	}
	if max(r.found.Clock, -r.found.Clock) >= clockShown {
		note += fmt.Sprintf(" · clock %+d s", r.found.Clock)
	}
	return note
}
