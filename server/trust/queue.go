package trust

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"hostler/agent/wire"
	"hostler/db"
)

// Bounds of the queue.
const (
	MaxWaiting    = 20_000           // agents that wait at a time
	maxQueueFacts = 16 << 10         // bytes of what a host that nobody knows tells of itself
	seenEvery     = 30 * time.Second // an agent that asks again is noted once in this time
	signTogether  = 500              // requests that are signed in one transaction
)

// Waiting is the refusal of an agent that has to wait for a person.
type Waiting struct {
	New     bool // it has just come
	Request *db.EnrolRequest
	Refused *wire.Error // why the token that it brought does not admit it; nil when it brought none
}

// Error is what the agent is told.
func (w *Waiting) Error() string { return w.Unwrap().Error() }

// Unwrap gives what the agent is told.
func (w *Waiting) Unwrap() error {
	if w.Refused != nil {
		return w.Refused
	}
	return &wire.Error{
		Code: "approval_pending", Message: "the host waits for somebody to approve it",
		Hint: "compare its fingerprint on the page Trust, or with \"hostler certs waiting\", and sign it there",
	}
}

// wait puts an agent without a token into the queue, unless a rule or the program takes it out again at once.
func (c *CA) wait(ctx context.Context, r wire.EnrollRequest, public *ecdsa.PublicKey, by claim, from netip.Addr) (wire.EnrollReply, error) {
	turn := func() (wire.EnrollReply, error) {
		c.admitting.Lock()
		defer c.admitting.Unlock()
		return c.queue(ctx, r, public, by, from)
	}
	reply, err := turn()
	var waiting *Waiting
	if !errors.As(err, &waiting) || !waiting.New {
		return reply, err
	}
	if waiting.Request.Conflict == "" {
		signed, failed := c.autosign(ctx, waiting.Request, from)
		if failed != nil {
			return wire.EnrollReply{}, failed
		}
		if signed {
			return turn()
		}
	}
	return reply, c.orTurnedAway(ctx, waiting)
}

// queue answers an agent without a token: with its certificate when somebody has signed that, and otherwise with a
// refusal. c.admitting is held.
func (c *CA) queue(ctx context.Context, r wire.EnrollRequest, public *ecdsa.PublicKey, by claim, from netip.Addr) (wire.EnrollReply, error) {
	q, err := c.db.EnrolRequestByKey(ctx, by.keyHash)
	unknown := errors.Is(err, db.ErrNotFound)
	if err != nil && !unknown {
		return wire.EnrollReply{}, err
	}
	if unknown || q.State == db.EnrolSigned {
		if q.Serial != "" {
			usable, err := c.usable(ctx, q, by.hostname)
			if err != nil {
				return wire.EnrollReply{}, err
			}
			if usable {
				return wire.EnrollReply{AgentSN: q.AgentSN, Certificate: q.Certificate, CA: string(c.Bundle())}, nil
			}
		}
		if reply, done, err := c.recover(ctx, public, by, addressText(from)); done || err != nil {
			return reply, err
		}
	}
	if unknown {
		return wire.EnrollReply{}, c.enqueue(ctx, r, by, from, nil, "")
	}
	switch q.State {
	case db.EnrolSigned: // for a certificate that is of no more use
	case db.EnrolRefused:
		if err := c.seen(ctx, q); err != nil { // or it would be forgotten that it was refused
			return wire.EnrollReply{}, err
		}
		return wire.EnrollReply{}, &wire.Error{
			Code: "enrol_refused", Message: "somebody has refused this host", Hint: "run \"hostler-agent reset\" to ask anew with another key",
		}
	case db.EnrolWaiting:
		if now := c.now(); q.Hostname == by.hostname && now.Sub(q.SeenAt) < seenEvery {
			return wire.EnrollReply{}, &Waiting{Request: q}
		}
	}
	return wire.EnrollReply{}, c.requeue(ctx, q, r, by, from)
}

// seen notes that the agent of a request has asked.
func (c *CA) seen(ctx context.Context, q *db.EnrolRequest) error {
	if now := c.now(); now.Sub(q.SeenAt) >= seenEvery {
		return c.db.SeeEnrolRequest(ctx, q.ID, now)
	}
	return nil
}

// usable says whether the certificate that a request got is still good for the host that asks with the same key.
func (c *CA) usable(ctx context.Context, q *db.EnrolRequest, hostname string) (bool, error) {
	got, err := c.db.Certificate(ctx, q.Serial)
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	return err == nil && got.State(c.now()) == db.CertificateValid && got.Hostname == hostname, err
}

// enqueue takes a host into the queue and returns the *Waiting that tells it so. token and refusal are what it came with, if it did.
func (c *CA) enqueue(ctx context.Context, r wire.EnrollRequest, by claim, from netip.Addr, token *int64, refusal string) error {
	waiting, err := c.db.CountWaiting(ctx)
	if err != nil {
		return err
	}
	if waiting >= MaxWaiting {
		return &wire.Error{
			Code: "queue_full", Message: fmt.Sprintf("%d hosts wait for approval already", waiting),
			Hint: "sign or refuse those, or bring the host in with a token",
		}
	}
	now := c.now()
	q := &db.EnrolRequest{KeyHash: by.keyHash, CreatedAt: now, TokenID: token, Refusal: refusal}
	if err := c.describe(ctx, q, r, by, from); err != nil {
		return err
	}
	if err := c.db.CreateEnrolRequest(ctx, q); err != nil {
		return err
	}
	return &Waiting{New: true, Request: q}
}

// requeue notes that a host in the queue has asked again, perhaps because its certificate is of no more use. Under another
// name it is another request, with a number of its own: whoever looked at the former must not sign this one.
func (c *CA) requeue(ctx context.Context, q *db.EnrolRequest, r wire.EnrollRequest, by claim, from netip.Addr) error {
	renamed, again := q.Hostname != by.hostname, q.State != db.EnrolWaiting
	former := q.ID
	if err := c.describe(ctx, q, r, by, from); err != nil {
		return err
	}
	q.DecidedAt, q.DecidedBy, q.Serial, q.Certificate = nil, "", "", ""
	if !renamed {
		if err := c.db.UpdateEnrolRequest(ctx, q); err != nil {
			return err
		}
		return &Waiting{New: again, Request: q}
	}
	q.ID, q.CreatedAt = 0, c.now()
	if err := c.db.ReplaceEnrolRequest(ctx, former, q); err != nil {
		return err
	}
	return &Waiting{New: true, Request: q}
}

// describe notes what is known of a host that waits.
func (c *CA) describe(ctx context.Context, q *db.EnrolRequest, r wire.EnrollRequest, by claim, from netip.Addr) (err error) {
	q.State, q.Hostname, q.AgentSN, q.CSR, q.Machine, q.Facts, q.SeenAt = db.EnrolWaiting, by.hostname, uuidOf(by.wish), r.CSR, by.machine, brief(r.Facts), c.now()
	q.Address = addressText(from)
	q.Conflict, err = c.conflict(ctx, q.ID, by)
	return err
}

// uuidOf is a serial number in its usual form; "" for what is none.
func uuidOf(wish string) string {
	id, err := uuid.Parse(wish)
	if err != nil {
		return ""
	}
	return id.String()
}

func addressText(from netip.Addr) string {
	if !from.IsValid() {
		return ""
	}
	return from.String()
}

// brief leaves out what would be too much to keep of a host that nobody knows.
func brief(f *wire.Facts) *wire.Facts {
	if f == nil {
		return nil
	}
	if text, err := json.Marshal(f); err == nil && len(text) <= maxQueueFacts {
		return f
	}
	short := &wire.Facts{OS: f.OS, Arch: f.Arch, CPU: f.CPU, Memory: f.Memory}
	if text, err := json.Marshal(short); err != nil || len(text) > maxQueueFacts {
		return nil
	}
	return short
}

// conflict says why a host must not be signed together with all others.
func (c *CA) conflict(ctx context.Context, id int64, by claim) (db.EnrolConflict, error) {
	latest, err := c.db.LatestCertificates(ctx, db.Traces{Hostname: by.hostname, KeyHash: by.keyHash, Machine: by.machine})
	if err != nil {
		return "", err
	}
	conflict := db.EnrolConflict("")
	for i := range latest {
		l := &latest[i]
		switch {
		case l.RevokedAt != nil:
			return db.ConflictRevoked, nil
		case l.Hostname == by.hostname && l.KeyHash != by.keyHash:
			conflict = db.ConflictKnown
		}
	}
	if conflict != "" {
		return conflict, nil
	}
	others, err := c.db.ChosenEnrolRequests(ctx, db.EnrolChoice{Hosts: []string{by.hostname}}, 0, 2)
	for i := range others {
		if others[i].ID != id {
			return db.ConflictTwice, err
		}
	}
	return "", err
}

// Decision says which of the hosts that wait are meant.
type Decision struct {
	IDs   []int64  `json:"ids,omitempty"`
	Hosts []string `json:"hosts,omitempty"`
	All   bool     `json:"all,omitempty"`  // all that have no conflict
	Upto  int64    `json:"upto,omitempty"` // with All: the last of them by its id, so that nobody is meant who came later
	// AsNew signs hosts beside those that have their names: they get serial numbers of their own. Without it a host that is named takes the
	// other's place.
	AsNew bool `json:"as_new,omitempty"`
}

// choice checks a decision. Whoever means a host by its name must not get one of two that claim it, now or a moment later:
// from here on it is the number that counts.
func (c *CA) choice(ctx context.Context, d Decision) (db.EnrolChoice, error) {
	choice, hosts := db.EnrolChoice{IDs: d.IDs, All: d.All, Upto: d.Upto}, clean(d.Hosts, Canonical)
	switch named := len(choice.IDs) + len(hosts); {
	case named == 0 && !d.All:
		return choice, &FieldError{Field: "ids", Message: "say which requests, which hosts, or all"}
	case named > 0 && d.All:
		return choice, &FieldError{Field: "all", Message: "say all, or which ones, not both"}
	case d.AsNew && d.All:
		return choice, &FieldError{Field: "as_new", Message: "this is for hosts that are named"}
	case d.Upto != 0 && !d.All:
		return choice, &FieldError{Field: "upto", Message: "this is for all"}
	case named > MaxRevoke:
		return choice, &FieldError{Field: "ids", Message: fmt.Sprintf("at most %d can be named at once", MaxRevoke)}
	}
	for _, host := range hosts {
		waiting, err := c.db.ChosenEnrolRequests(ctx, db.EnrolChoice{Hosts: []string{host}}, 0, 2)
		if err != nil {
			return choice, err
		}
		if len(waiting) == 0 {
			return choice, &FieldError{Field: "hosts", Message: "no host waits under the name " + clipWord(host)}
		}
		if len(waiting) > 1 {
			return choice, &FieldError{Field: "hosts", Message: "more than one host waits under the name " + host + ": name it by its id"}
		}
		choice.IDs = append(choice.IDs, waiting[0].ID)
	}
	return choice, nil
}
