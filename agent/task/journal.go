package task

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"hostler/agent/state"
	"hostler/agent/wire"
)

const (
	// maxMessage bounds the message of a result, in bytes.
	maxMessage = 4 << 10
	// keepDone is how many acknowledged results are remembered, so that a job delivered once more is answered
	// and not done again.
	keepDone = 256
	// compactAfter is the number of lines after which the file is written anew.
	compactAfter = 1024
)

// Journal keeps the results of jobs on the disk until the server has them. Its methods may be called from
// any goroutine.
type Journal struct {
	path string

	mu      sync.Mutex
	file    *os.File
	lines   int
	torn    bool // the file may end in half a line: write it anew before adding to it
	entries []*entry
	byID    map[string]*entry
}

// entry is a line of the file. A result's second line has Sent set; lines are never changed in place.
type entry struct {
	wire.JobResult
	Sent bool `json:"sent,omitempty"` // the server has acknowledged it
}

// OpenJournal reads the journal at path; a missing one is empty. Lines that cannot be read, as a power loss
// leaves behind, are dropped and counted.
func OpenJournal(path string) (journal *Journal, dropped int, err error) {
	j := &Journal{path: path, byID: map[string]*entry{}}
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("cannot read the results of jobs: %w", err)
	}
	for line := range bytes.Lines(content) {
		var e entry
		if json.Unmarshal(line, &e) != nil || e.ID == "" {
			dropped++
			continue
		}
		j.put(&e)
	}
	j.torn = true
	return j, dropped, nil
}

// Add keeps a result. When the disk refuses it, the result stays in memory and is sent all the same; the
// error says so.
func (j *Journal) Add(result wire.JobResult) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	result.Message = cut(result.Message)
	e := &entry{JobResult: result}
	j.put(e)
	return j.write(e)
}

// Pending returns up to limit results that the server has not acknowledged, oldest first.
func (j *Journal) Pending(limit int) []wire.JobResult {
	j.mu.Lock()
	defer j.mu.Unlock()
	var results []wire.JobResult
	for _, e := range j.entries {
		if !e.Sent && len(results) < limit {
			results = append(results, e.JobResult)
		}
	}
	return results
}

// Acknowledge marks results as known to the server.
func (j *Journal) Acknowledge(results []wire.JobResult) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var marked []*entry
	for _, result := range results {
		if e := j.byID[result.ID]; e != nil && !e.Sent {
			e.Sent = true
			marked = append(marked, e)
		}
	}
	j.forget()
	return j.write(marked...)
}

// Repeat makes a kept result pending again and says whether there is one: its job has come once more, so the
// server does not have it.
func (j *Journal) Repeat(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.byID[id]
	if e != nil {
		e.Sent = false
	}
	return e != nil
}

// Close closes the file.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file, j.torn = nil, true
	return err
}

func (j *Journal) put(e *entry) {
	if known := j.byID[e.ID]; known != nil {
		*known = *e
		return
	}
	j.byID[e.ID] = e
	j.entries = append(j.entries, e)
}

// forget drops the oldest acknowledged results beyond keepDone.
func (j *Journal) forget() {
	sent := 0
	for _, e := range j.entries {
		if e.Sent {
			sent++
		}
	}
	kept := j.entries[:0]
	for _, e := range j.entries {
		if e.Sent && sent > keepDone {
			sent--
			delete(j.byID, e.ID)
			continue
		}
		kept = append(kept, e)
	}
	clear(j.entries[len(kept):])
	j.entries = kept
}

// write adds lines to the file, or writes all of it anew when it is torn or long.
func (j *Journal) write(added ...*entry) error {
	if len(added) == 0 {
		return nil
	}
	if j.torn || j.file == nil || j.lines+len(added) > compactAfter+len(j.entries) {
		return j.compact()
	}
	text, err := encode(added)
	if err == nil {
		_, err = j.file.Write(text)
	}
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.torn = true
		return fmt.Errorf("cannot keep the results of jobs: %w", err)
	}
	j.lines += len(added)
	return nil
}

func (j *Journal) compact() error {
	text, err := encode(j.entries)
	if err != nil {
		return err
	}
	if err := state.WriteFile(j.path, text, 0o600); err != nil {
		return fmt.Errorf("cannot keep the results of jobs: %w", err)
	}
	if j.file != nil {
		_ = j.file.Close() // the file it wrote to has been replaced
	}
	if j.file, err = os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND, 0); err != nil {
		return fmt.Errorf("cannot keep the results of jobs: %w", err)
	}
	j.lines, j.torn = len(j.entries), false
	return nil
}

func encode(entries []*entry) ([]byte, error) {
	var text []byte
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("cannot encode a result: %w", err)
		}
		text = append(append(text, line...), '\n')
	}
	return text, nil
}

// cut shortens a message to what a result may carry, at the end of a character.
func cut(message string) string {
	if len(message) > maxMessage {
		message = message[:maxMessage-len("…")-3] + "…"
	}
	return strings.ToValidUTF8(message, "")
}
