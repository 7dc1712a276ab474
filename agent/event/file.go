package event

import (
	"context"
	"errors"
	"fmt"

	"hostler/agent/wire"
)

// spareLines is the number of superfluous lines after which the file is written anew.
const spareLines = 1000

// record is a line of the file: an event, or the ids of some that need not be kept any more.
type record struct {
	Event *wire.Event `json:"event,omitempty"`
	Gone  []string    `json:"gone,omitempty"`
}

// Run writes what Emit and Acknowledge leave to it, until ctx ends.
func (s *Spool) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.dirty:
			if err := s.save(); err != nil {
				s.Log.Error("events are in memory only", "error", err)
			}
		}
	}
}

// Close writes what is not yet on the disk. Run must have ended.
func (s *Spool) Close() error { return errors.Join(s.save(), s.lines.Close()) }

// save adds what is new to the file, or writes all of it anew when the file lacks records or has outgrown them.
func (s *Spool) save() error {
	s.mu.Lock()
	records, write := s.unsaved, func(r []record) error { return s.lines.Append(r...) }
	s.unsaved = nil
	anew := s.behind || s.lines.Outgrown(len(s.events), spareLines)
	if anew {
		records, write = make([]record, len(s.events)), s.lines.Replace
		for i, e := range s.events {
			records[i].Event = &e
		}
	}
	s.mu.Unlock()
	if len(records) == 0 && !anew {
		return nil
	}
	err := s.Room.Use(func() error { return write(records) })
	s.behind = err != nil
	if err != nil {
		return fmt.Errorf("cannot keep events: %w", err)
	}
	return nil
}
