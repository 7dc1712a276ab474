package trust

import (
	"slices"
	"sync"
	"time"

	"hostler/agent/wire"
	"hostler/db"
)

const (
	// A process of an agent that another one has followed is over. A message of it may have been on its way meanwhile; what
	// comes back more often than once within that time is not over.
	returnsMost   = 1
	returnsWithin = 10 * time.Minute

	livesKept = 8       // processes remembered of one host: that many copies of it are told apart
	hostsKept = 100_000 // whose processes are remembered
)

// twins finds copies of a host that share all that a host is known by, its machine id included: by the words that the
// processes of agents choose for themselves.
type twins struct {
	mu    sync.Mutex
	hosts map[string]*lives // by serial number
}

// lives are the processes that have reported as one host, in the order in which they came.
type lives struct {
	seen     []life
	latest   string
	returned time.Time // when one came back after another
}

type life struct {
	instance string
	returns  int
}

// note takes a heartbeat of a process to the record, and says whether it is a copy's: one of several processes that report
// in turn, and not the first of these.
func (t *twins) note(sn, instance string, now time.Time) (twin bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.hosts[sn]
	if l == nil {
		if len(t.hosts) >= hostsKept {
			clear(t.hosts)
		}
		l = &lives{}
		t.hosts[sn] = l
	}
	return l.note(instance, now)
}

func (l *lives) note(instance string, now time.Time) (twin bool) {
	if now.Sub(l.returned) > returnsWithin {
		for i := range l.seen {
			l.seen[i].returns = 0
		}
	}
	i := slices.IndexFunc(l.seen, func(one life) bool { return one.instance == instance })
	switch {
	case i < 0 && len(l.seen) == livesKept:
		i = livesKept - 1
		l.seen = append(slices.Delete(l.seen, 0, 1), life{instance: instance})
	case i < 0:
		i = len(l.seen)
		l.seen = append(l.seen, life{instance: instance})
	case instance != l.latest:
		l.seen[i].returns++
		l.returned = now
	}
	l.latest = instance
	alive := func(one life) bool { return one.returns > returnsMost }
	return alive(l.seen[i]) && slices.ContainsFunc(l.seen[:i], alive)
}

// CheckInstance refuses, by a *wire.Error, an agent that reports in turn with another one of the same certificate, and came
// after it: a copy whose machine id is the same as well. It then asks for a certificate of its own, as CheckMachine's does. Agents
// that do not say which process they are cannot be told apart.
func (c *CA) CheckInstance(cert *db.Certificate, instance string) error {
	if instance == "" || !c.twins.note(cert.AgentSN, instance, c.now()) {
		return nil
	}
	return &wire.Error{
		Code: codeMachineChanged, Message: "another agent reports with this certificate as well: one of the two hosts is a copy of the other",
		Hint: "the agent asks for a certificate of its own; see the page Trust, Waiting; give the copy a machine id of its own",
	}
}
