package task

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"hostler/agent/command"
	"hostler/agent/wire"
)

// Output hands out what jobs have written, in pieces, until the server has it. Its methods may be called from any
// goroutine.
type Output struct {
	ready chan<- struct{}

	mu       sync.Mutex
	jobs     []*written // in the order in which they began
	unwanted bool
}

// written is what one job has written.
type written struct {
	id      string
	dir     string
	ended   bool
	outcome *command.Outcome // of a job that ended; nil where nobody knows
	sent    map[wire.Stream]int64
}

// sentFile says how much of each stream the server has. It is of no use after a power loss, when everything is
// sent again.
const sentFile = "sent"

var streams = []wire.Stream{wire.Stdout, wire.Stderr}

func newOutput(ready chan<- struct{}) *Output { return &Output{ready: ready} }

// begin takes a job up; it may be there already.
func (o *Output) begin(id, dir string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.find(id) != nil {
		return
	}
	w := &written{id: id, dir: dir, sent: map[wire.Stream]int64{}}
	if content, err := os.ReadFile(filepath.Join(dir, sentFile)); err == nil {
		_ = json.Unmarshal(content, &w.sent) // half a file says nothing, and all is sent again
	}
	o.jobs = append(o.jobs, w)
}

// end says that a job will write no more.
func (o *Output) end(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if w := o.find(id); w != nil {
		w.outcome, _ = command.ReadOutcome(w.dir) // without one there is the head
		w.ended = true
	}
}

// grown says that there may be more.
func (o *Output) grown() { signal(o.ready) }

// Next returns the next pieces, at most wire.MaxOutput bytes; the same ones until they are acknowledged.
func (o *Output) Next() (chunks []wire.OutputChunk) {
	o.mu.Lock()
	defer o.mu.Unlock()
	room := int64(wire.MaxOutput)
	for _, w := range o.jobs {
		for _, stream := range streams {
			at := w.sent[stream]
			for room > 0 {
				offset, data := w.read(stream, at, min(room, wire.MaxChunk))
				if len(data) == 0 {
					break
				}
				chunks = append(chunks, wire.OutputChunk{Job: w.id, Stream: stream, Offset: offset, Data: data})
				at = offset + int64(len(data))
				room -= int64(len(data))
			}
		}
	}
	return chunks
}

// Acknowledge takes note that the server has pieces, or will not take them.
func (o *Output) Acknowledge(chunks []wire.OutputChunk) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var touched []*written
	for _, chunk := range chunks {
		w := o.find(chunk.Job)
		if w == nil {
			continue
		}
		w.sent[chunk.Stream] = max(w.sent[chunk.Stream], chunk.Offset+int64(len(chunk.Data)))
		if !slices.Contains(touched, w) {
			touched = append(touched, w)
		}
	}
	for _, w := range touched {
		if content, err := json.Marshal(w.sent); err == nil {
			_ = os.WriteFile(filepath.Join(w.dir, sentFile), content, 0o600) // without it pieces are sent twice
		}
	}
	signal(o.ready)
}

// drained says whether the server has all that the job has written.
func (o *Output) drained(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.find(id)
	if w == nil || o.unwanted {
		return true
	}
	for _, stream := range streams {
		if _, data := w.read(stream, w.sent[stream], 1); len(data) > 0 {
			return false
		}
	}
	return true
}

// Unwanted says whether the server takes output at all. While it does not, results do not wait for it.
func (o *Output) Unwanted(unwanted bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unwanted = unwanted
}

func (o *Output) forget(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.jobs = slices.DeleteFunc(o.jobs, func(w *written) bool { return w.id == id })
}

func (o *Output) find(id string) *written {
	for _, w := range o.jobs {
		if w.id == id {
			return w
		}
	}
	return nil
}

// read reads a piece at an offset or, where nothing is kept there, at the next one that is. The tail is read only
// when the job has ended, because until then it moves.
func (w *written) read(stream wire.Stream, offset, most int64) (int64, []byte) {
	head := command.Available(w.dir, stream)
	if offset < head {
		data := make([]byte, min(most, head-offset))
		n, _ := command.ReadHead(w.dir, stream, offset, data) // what cannot be read is not kept
		return offset, data[:n]
	}
	if w.outcome == nil {
		return offset, nil
	}
	kept := &w.outcome.Stdout
	if stream == wire.Stderr {
		kept = &w.outcome.Stderr
	}
	offset = max(offset, kept.Tail)
	if offset >= kept.Size {
		return offset, nil
	}
	data := make([]byte, min(most, kept.Size-offset))
	n, _ := command.ReadTail(w.dir, stream, kept, offset, data)
	return offset, data[:n]
}
