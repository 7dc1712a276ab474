package event

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/clip"
)

// Bounds of what agents may tell. A host whose agent has gone wrong must not fill the log of all.
const (
	MaxEvents  = 500                 // in one message
	burst      = 1000                // events of a host that are taken at once
	refill     = 2 * time.Second     // after which it may tell one more
	oldest     = 90 * 24 * time.Hour // an event that is older by its host's clock counts as new
	maxParams  = 20
	maxValue   = 1024 // bytes of one parameter
	hostsKept  = 100_000
	maxKind    = 64
	maxEventID = 64
)

// Intake takes the events of agents.
type Intake struct {
	log *Log
	now func() time.Time
	n   atomic.Int64

	mu      sync.Mutex
	buckets map[int64]*bucket
}

// bucket says how many events a host may still tell.
type bucket struct {
	left int
	at   time.Time // when left was right
	told bool      // that events were dropped, since the bucket was last full enough
}

// NewIntake returns an intake into a log. now is the clock.
func NewIntake(log *Log, now func() time.Time) *Intake {
	return &Intake{log: log, now: now, buckets: map[int64]*bucket{}}
}

// Received counts the events that agents told since the start, those that were dropped or known already left out.
func (in *Intake) Received() int64 { return in.n.Load() }

// Take records the events of a host, all of them or none, each once. More than the host may tell are dropped, and one
// event says so. More than MaxEvents are refused with a *wire.Error.
func (in *Intake) Take(ctx context.Context, hostID int64, hostName string, told []wire.Event) error {
	if len(told) > MaxEvents {
		return &wire.Error{
			Code: "too_many_events", Message: fmt.Sprintf("a message has %d events, and may have %d", len(told), MaxEvents),
			Hint: "send them in several messages",
		}
	}
	fresh, err := in.fresh(ctx, hostID, hostName, told)
	if err != nil || len(fresh) == 0 {
		return err
	}
	allowed, tell := in.admit(hostID, len(fresh))
	dropped := len(fresh) - allowed
	fresh = fresh[:allowed]
	if tell {
		fresh = append(fresh, db.Event{
			Time: in.now(), Kind: EventsDropped, Severity: db.SeverityWarning, HostID: &hostID,
			Params: map[string]string{"host": hostName, "count": strconv.Itoa(dropped)},
		})
	}
	if err := in.log.store(ctx, fresh); err != nil {
		return err
	}
	in.n.Add(int64(allowed))
	return nil
}

// fresh makes rows of those events that are not recorded yet.
func (in *Intake) fresh(ctx context.Context, hostID int64, hostName string, told []wire.Event) ([]db.Event, error) {
	rows, uids := make([]db.Event, len(told)), make([]string, len(told))
	for i, e := range told {
		rows[i] = in.row(hostID, hostName, e)
		uids[i] = *rows[i].UID
	}
	if len(uids) == 0 {
		return nil, nil
	}
	known, err := in.log.db.KnownEvents(ctx, uids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rows, func(e db.Event) bool {
		again := known[*e.UID]
		known[*e.UID] = true // it may be in one message twice
		return again
	}), nil
}

// admit takes n events from a host's bucket and says how many there were, and whether to tell that it was empty.
func (in *Intake) admit(hostID int64, n int) (allowed int, tell bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := in.now()
	b := in.buckets[hostID]
	if b == nil {
		if len(in.buckets) >= hostsKept {
			clear(in.buckets)
		}
		b = &bucket{left: burst, at: now}
		in.buckets[hostID] = b
	}
	if more := int(now.Sub(b.at) / refill); more > 0 {
		b.left, b.at = min(burst, b.left+more), now
	}
	allowed = min(n, b.left)
	b.left -= allowed
	switch {
	case allowed < n:
		tell = !b.told
		b.told = true
	case b.left > burst/2:
		b.told = false
	}
	return allowed, tell
}

var kindPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$`)

// families are the first words of the server's own kinds: no host speaks for the server.
var families = []string{"host", "enrol", "operation", "user", "token", "job", "server"}

// row makes what is recorded of an event. What no agent should send is made harmless, not refused: it would come again.
func (in *Intake) row(hostID int64, hostName string, e wire.Event) db.Event {
	kind := string(e.Kind)
	if len(kind) > maxKind || !kindPattern.MatchString(kind) {
		kind = "agent.unknown"
	}
	if family, _, _ := strings.Cut(kind, "."); slices.Contains(families, family) {
		kind = "agent." + kind
	}
	row := db.Event{
		Time: in.clamp(e.Time), Kind: kind, Severity: db.SeverityInfo, HostID: &hostID, Child: clip.Text(e.Child, 255),
		Params: map[string]string{"host": hostName},
	}
	if e.Severity == wire.SeverityWarning || e.Severity == wire.SeverityError {
		row.Severity = db.Severity(e.Severity)
	}
	for name, value := range e.Params {
		if len(row.Params) >= maxParams {
			break
		}
		if name = clip.Text(name, 64); name != "host" {
			row.Params[name] = clip.Text(value, maxValue)
		}
	}
	if row.Child != "" {
		row.Params["child"] = row.Child
	}
	id := e.ID
	if id == "" || len(id) > maxEventID {
		text, _ := json.Marshal(e) // texts and numbers: it cannot fail
		sum := sha256.Sum256(text)
		id = hex.EncodeToString(sum[:16])
	}
	uid := strconv.FormatInt(hostID, 10) + "/" + strings.ToValidUTF8(id, "")
	row.UID = &uid
	return row
}

// clamp makes a time of a host's clock, which may be wrong: nothing happened in the future, and what is older than
// anything that is kept has only just been told.
func (in *Intake) clamp(milliseconds int64) time.Time {
	now := in.now()
	t := time.UnixMilli(milliseconds).UTC()
	if t.After(now) || now.Sub(t) > oldest {
		return now
	}
	return t
}

// store keeps events and publishes them. Unlike RecordAll it fails when they cannot be stored: whoever told them tells
// them again. Those that another message has just stored are known by then.
func (l *Log) store(ctx context.Context, es []db.Event) error {
	err := l.db.CreateEvents(ctx, es)
	if errors.Is(err, db.ErrDuplicate) {
		return &wire.Error{Code: "events_twice", Message: "these events are being stored by another message", Hint: "send them again"}
	}
	if err != nil {
		return err
	}
	for _, e := range es {
		l.bus.Publish(Topic, e)
	}
	return nil
}
