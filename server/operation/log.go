package operation

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"hostler/db"
)

const (
	flushAfter = 200 * time.Millisecond // how old a line may get before pages can see it
	maxLog     = 4 << 20                // bytes of log a task may have
	maxLine    = 16 << 10               // bytes of one line; the rest of a longer one is not kept
)

// taskLog collects a task's lines and stores them in chunks.
type taskLog struct {
	engine *Engine
	taskID int64

	mu      sync.Mutex
	start   int64 // offset of buf's first byte
	buf     []byte
	flusher *time.Timer
	full    bool
}

func openLog(e *Engine, taskID int64) (*taskLog, error) {
	size, err := e.db.LogSize(context.WithoutCancel(e.ctx), taskID)
	if err != nil {
		return nil, err
	}
	return &taskLog{engine: e, taskID: taskID, start: size, full: size >= maxLog}, nil
}

// line adds one line: time of day in UTC, step, text.
func (l *taskLog) line(step, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return
	}
	text = strings.ToValidUTF8(strings.ReplaceAll(text[:min(len(text), maxLine)], "\x00", ""), "\uFFFD")
	l.buf = fmt.Appendf(l.buf, "%s %-10s %s\n", time.Now().UTC().Format("15:04:05.000"), step, text)
	if l.start+int64(len(l.buf)) > maxLog {
		l.full = true
		l.buf = fmt.Appendf(l.buf, "the log is full: later lines are not kept\n")
	}
	if l.flusher == nil {
		l.flusher = time.AfterFunc(flushAfter, l.tick)
	}
	if len(l.buf) >= db.MaxChunk {
		_ = l.store() // tried again with the next line and at the end
	}
}

// size is the offset at which the next line begins.
func (l *taskLog) size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start + int64(len(l.buf))
}

// flush stores what is buffered.
func (l *taskLog) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.store()
}

// tick is flush for the timer. What cannot be stored waits for the next line or the end of the task, which
// insists.
func (l *taskLog) tick() {
	if err := l.flush(); err != nil {
		l.engine.log.Error("cannot store a task's log", "task", l.taskID, "err", err)
	}
}

// store writes the buffer; l.mu is held. What cannot be written stays buffered for the next try, up to the
// log's own bound.
func (l *taskLog) store() error {
	if l.flusher != nil {
		l.flusher.Stop()
		l.flusher = nil
	}
	for len(l.buf) > 0 {
		n := min(len(l.buf), db.MaxChunk)
		chunk := &db.LogChunk{TaskID: l.taskID, Start: l.start, Body: bytes.Clone(l.buf[:n])}
		if err := l.engine.db.AppendLog(context.WithoutCancel(l.engine.ctx), chunk); err != nil {
			return err
		}
		l.start += int64(n)
		l.buf = l.buf[n:]
	}
	l.engine.bus.Publish(fmt.Sprintf("log.%d", l.taskID), LogGrew{Size: l.start})
	return nil
}
