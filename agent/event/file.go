package event

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hostler/agent/space"
	"hostler/agent/state"
	"hostler/agent/wire"
)

// compactAfter is the number of superfluous lines after which the file is written anew.
const compactAfter = 1000

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
func (s *Spool) Close() error { return errors.Join(s.save(), s.file.close()) }

func (s *Spool) save() error {
	s.mu.Lock()
	unsaved := s.unsaved
	s.unsaved = nil
	all := make([]record, len(s.events))
	for i := range s.events {
		all[i].Event = &s.events[i]
	}
	whole, err := encode(all)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if len(unsaved) == 0 && !s.file.behind {
		return nil
	}
	return s.file.write(unsaved, whole, len(all))
}

// file is the spool's file.
type file struct {
	path   string
	room   *space.Room
	to     *os.File
	lines  int
	behind bool // it lacks records, or may end in half a line: only writing it anew mends that
}

func (f *file) read() (records []record, damaged int, err error) {
	content, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("cannot read the events: %w", err)
	}
	for line := range bytes.Lines(content) {
		var r record
		if json.Unmarshal(line, &r) != nil || r.Event == nil && r.Gone == nil {
			damaged++
			continue
		}
		records = append(records, r)
		f.lines++
	}
	f.behind = damaged > 0 || err != nil
	return records, damaged, nil
}

// write adds records, or writes all of the file anew when it is behind or long.
func (f *file) write(added []record, whole []byte, count int) error {
	if f.behind || f.lines+len(added) > compactAfter+count {
		return f.room.Use(func() error { return f.rewrite(whole, count) })
	}
	text, err := encode(added)
	if err != nil {
		return err
	}
	f.behind = true
	if err := f.room.Use(func() error { return f.append(text) }); err != nil {
		return err
	}
	f.behind, f.lines = false, f.lines+len(added)
	return nil
}

func (f *file) append(text []byte) (err error) {
	if f.to == nil {
		if f.to, err = os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			return fmt.Errorf("cannot keep events: %w", err)
		}
		if err := state.SyncDir(filepath.Dir(f.path)); err != nil {
			return fmt.Errorf("cannot keep events: %w", err)
		}
	}
	before, err := f.to.Seek(0, 2)
	if err != nil {
		return fmt.Errorf("cannot keep events: %w", err)
	}
	if _, err := f.to.Write(text); err != nil {
		return errors.Join(fmt.Errorf("cannot keep events: %w", err), f.to.Truncate(before))
	}
	if err := f.to.Sync(); err != nil {
		return fmt.Errorf("cannot keep events: %w", err)
	}
	return nil
}

func (f *file) rewrite(whole []byte, count int) error {
	if err := state.WriteFile(f.path, whole, 0o600); err != nil {
		return err
	}
	f.behind, f.lines = false, count
	return f.close() // the file it wrote to has been replaced
}

func (f *file) close() error {
	if f.to == nil {
		return nil
	}
	err := f.to.Close()
	f.to = nil
	return err
}

func encode(records []record) ([]byte, error) {
	var text []byte
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("cannot encode an event: %w", err)
		}
		text = append(append(text, line...), '\n')
	}
	return text, nil
}
