// Package event keeps what happened on the host until the server knows, on the disk and bounded.
//
// Emit never waits for the disk, because the supervisor must not; a goroutine of the Spool's own writes within
// milliseconds. The package never talks to the server: report takes the events.
package event

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"hostler/agent/space"
	"hostler/agent/state"
	"hostler/agent/wire"
)

// maxEvents bounds the events that are kept. Of more the oldest of the least severe go, and are counted.
const maxEvents = 1000

// Options is what a Spool works with. All of it must be set.
type Options struct {
	Path string
	Room *space.Room
	Log  *slog.Logger
	Now  func() time.Time
}

// Spool is the events that the server does not have. Its methods may be called from any goroutine.
type Spool struct {
	Options
	ready chan struct{}
	dirty chan struct{}

	mu      sync.Mutex
	events  []wire.Event    // oldest first
	offered map[string]bool // ids that Next has returned: those must not change any more
	unsaved []record

	// These belong to the goroutine of Run, and to Open and Close.
	lines  *state.Lines[record]
	behind bool // the file lacks records
}

// Open reads the events at options.Path; a missing file is empty. Lines that cannot be read are dropped and
// counted.
func Open(options Options) (s *Spool, damaged int, err error) {
	s = &Spool{Options: options, ready: make(chan struct{}, 1), dirty: make(chan struct{}, 1), offered: map[string]bool{}}
	s.lines, damaged, err = state.OpenLines(options.Path, func(r record) bool {
		s.put(r)
		return r.Event != nil || r.Gone != nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read the events: %w", err)
	}
	if len(s.events) > 0 {
		signal(s.ready)
	}
	return s, damaged, nil
}

// Emit keeps an event, giving it an id and the time where it has none.
func (s *Spool) Emit(e wire.Event) {
	if e.ID == "" {
		e.ID = newID()
	}
	if e.Time == 0 {
		e.Time = s.Now().UnixMilli()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change(record{Event: &e})
	if len(s.events) > maxEvents {
		s.drop()
	}
	signal(s.ready)
	signal(s.dirty)
}

// Ready receives when there is something to send.
func (s *Spool) Ready() <-chan struct{} { return s.ready }

// Next returns up to limit events, oldest first; the same ones until they are acknowledged.
func (s *Spool) Next(limit int) []wire.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := slices.Clone(s.events[:min(limit, len(s.events))])
	for _, e := range next {
		s.offered[e.ID] = true
	}
	return next
}

// Acknowledge takes note that the server has events.
func (s *Spool) Acknowledge(events []wire.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, e := range events {
		ids = append(ids, e.ID)
		delete(s.offered, e.ID)
	}
	s.change(record{Gone: ids})
	signal(s.dirty)
}

// drop lets one event go and counts it in an event of its own, which a drop before may have made.
func (s *Spool) drop() {
	at := 0
	for i, e := range s.events {
		if rank(e) < rank(s.events[at]) {
			at = i
		}
	}
	s.change(record{Gone: []string{s.events[at].ID}})
	count := 1
	note := wire.Event{ID: newID(), Kind: wire.EventEventsDropped, Severity: wire.SeverityWarning}
	for _, e := range s.events {
		if e.Kind == wire.EventEventsDropped && !s.offered[e.ID] {
			before, _ := strconv.Atoi(e.Params["count"]) // it was written below
			note, count = e, before+1
		}
	}
	note.Time = s.Now().UnixMilli()
	note.Params = map[string]string{"count": strconv.Itoa(count)}
	s.change(record{Event: &note})
	for len(s.events) > maxEvents { // the note itself took the room of one
		s.drop()
	}
}

// rank orders events by how soon they may go; what was dropped before is told whatever happens.
func rank(e wire.Event) int {
	switch {
	case e.Kind == wire.EventEventsDropped:
		return 3
	case e.Severity == wire.SeverityError:
		return 2
	case e.Severity == wire.SeverityWarning:
		return 1
	default:
		return 0
	}
}

// change applies a record in memory and leaves it to Run to write it.
func (s *Spool) change(r record) {
	s.put(r)
	s.unsaved = append(s.unsaved, r)
}

func (s *Spool) put(r record) {
	if r.Event != nil {
		at := slices.IndexFunc(s.events, func(e wire.Event) bool { return e.ID == r.Event.ID })
		if at >= 0 {
			s.events[at] = *r.Event
		} else {
			s.events = append(s.events, *r.Event)
		}
	}
	if len(r.Gone) > 0 {
		s.events = slices.DeleteFunc(s.events, func(e wire.Event) bool { return slices.Contains(r.Gone, e.ID) })
	}
}

// newID makes a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // by its documentation it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}
