package task

import (
	"fmt"
	"strings"
	"sync"

	"hostler/agent/space"
	"hostler/agent/state"
	"hostler/agent/wire"
)

const (
	// maxMessage bounds the message of a result, in bytes.
	maxMessage = 4 << 10
	// keepDone is how many acknowledged results are remembered, so that a job delivered once more is answered
	// and not done again.
	keepDone = 1024
	// spareLines is the number of superfluous lines after which the file is written anew.
	spareLines = 2048
)

// Journal keeps on the disk which jobs the agent has taken over, which of them it has begun, and how they ended,
// until the server knows. Its methods may be called from any goroutine.
type Journal struct {
	room *space.Room

	mu      sync.Mutex
	lines   *state.Lines[*entry]
	entries []*entry
	byID    map[string]*entry
}

// entry is what is known of a job. A line of the file is one, too: it says what has become known with it, and
// nothing in the file is changed in place.
type entry struct {
	ID     string          `json:"id"`
	Job    *wire.Job       `json:"job,omitempty"` // until it is done
	At     *Moment         `json:"at,omitempty"`  // when it was taken over
	Begun  bool            `json:"begun,omitempty"`
	Result *wire.JobResult `json:"result,omitempty"`
	Sent   bool            `json:"sent,omitempty"` // the server has acknowledged the result
}

// OpenJournal reads the journal at path; a missing one is empty. Lines that cannot be read, as a power loss
// leaves behind, are dropped and counted.
func OpenJournal(path string, room *space.Room) (journal *Journal, dropped int, err error) {
	j := &Journal{room: room, byID: map[string]*entry{}}
	j.lines, dropped, err = state.OpenLines(path, func(line *entry) bool {
		if line == nil || line.ID == "" {
			return false
		}
		j.put(line)
		return true
	})
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read the journal of jobs: %w", err)
	}
	j.forget()
	return j, dropped, nil
}

// Take takes jobs over that are not known yet. When the disk refuses them they stay unknown: the server has them
// and will send them again.
func (j *Journal) Take(jobs []wire.Job, at Moment) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var taken []*entry
	for i := range jobs {
		taken = append(taken, &entry{ID: jobs[i].ID, Job: &jobs[i], At: &at})
	}
	if err := j.write(taken...); err != nil {
		return err
	}
	for _, e := range taken {
		j.put(e)
	}
	return nil
}

// Begin notes that a job's work is about to begin. After an error it must not.
func (j *Journal) Begin(id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.write(&entry{ID: id, Begun: true}); err != nil {
		return err
	}
	j.put(&entry{ID: id, Begun: true})
	return nil
}

// Finish keeps a result. When the disk refuses it, the result stays in memory and is sent all the same; the
// error says so.
func (j *Journal) Finish(result wire.JobResult) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	result.Message = cut(result.Message)
	e := &entry{ID: result.ID, Result: &result}
	j.put(e)
	return j.write(e)
}

// Pending returns up to limit results that the server has not acknowledged and that may go, oldest first.
func (j *Journal) Pending(limit int, may func(id string) bool) []wire.JobResult {
	j.mu.Lock()
	defer j.mu.Unlock()
	var results []wire.JobResult
	for _, e := range j.entries {
		if e.Result != nil && !e.Sent && len(results) < limit && may(e.ID) {
			results = append(results, *e.Result)
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
		if e := j.byID[result.ID]; e != nil && e.Result != nil && !e.Sent {
			e.Sent = true
			marked = append(marked, &entry{ID: e.ID, Sent: true})
		}
	}
	j.forget()
	return j.write(marked...)
}

// Knows says whether a job has been taken over. A result that is kept becomes pending again: its job has come
// once more, so the server does not have it.
func (j *Journal) Knows(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.byID[id]
	if e != nil {
		e.Sent = false
	}
	return e != nil
}

// Open returns the jobs without a result, in the order in which they came.
func (j *Journal) Open() []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	var open []entry
	for _, e := range j.entries {
		if e.Result == nil && e.Job != nil {
			open = append(open, *e)
		}
	}
	return open
}

// Done returns the ids of the jobs with a result that the server has not acknowledged, and of those that it has.
func (j *Journal) Done() (pending, sent []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.entries {
		switch {
		case e.Result != nil && e.Sent:
			sent = append(sent, e.ID)
		case e.Result != nil:
			pending = append(pending, e.ID)
		}
	}
	return pending, sent
}

// Close closes the file.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.Close()
}

// put adds what a line says to what is known.
func (j *Journal) put(line *entry) {
	e := j.byID[line.ID]
	if e == nil {
		e = &entry{ID: line.ID}
		j.byID[line.ID] = e
		j.entries = append(j.entries, e)
	}
	if line.Job != nil {
		e.Job, e.At = line.Job, line.At
	}
	if line.Result != nil {
		e.Result, e.Job, e.At = line.Result, nil, nil
	}
	e.Begun = e.Begun || line.Begun
	e.Sent = e.Sent || line.Sent
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

// write adds lines to the file and forces them to the disk. A long or damaged file is written anew first; on a full
// disk it stays as it is.
func (j *Journal) write(added ...*entry) error {
	if len(added) == 0 {
		return nil
	}
	if j.lines.Outgrown(len(j.entries), spareLines) {
		if err := j.lines.Replace(j.entries); err != nil && !space.IsFull(err) {
			return fmt.Errorf("cannot write the journal of jobs: %w", err)
		}
	}
	if err := j.room.Use(func() error { return j.lines.Append(added...) }); err != nil {
		return fmt.Errorf("cannot write the journal of jobs: %w", err)
	}
	return nil
}

// cut shortens a message to what a result may carry, at the end of a character.
func cut(message string) string {
	if len(message) > maxMessage {
		message = message[:maxMessage-len("…")-3] + "…"
	}
	return strings.ToValidUTF8(message, "")
}
