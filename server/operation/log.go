package operation

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"hostler/db"
)

const (
	flushAfter = 200 * time.Millisecond // how old a line may get before pages can see it
	maxLog     = 4 << 20                // bytes of log a task may have
	maxLine    = 16 << 10               // bytes of one line of output; longer ones are cut into several
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
	l.buf = fmt.Appendf(l.buf, "%s %-10s %s\n", time.Now().UTC().Format("15:04:05.000"), step, text)
	if l.start+int64(len(l.buf)) > maxLog {
		l.full = true
		l.buf = fmt.Appendf(l.buf, "the log is full: later lines are not kept\n")
	}
	if l.flusher == nil {
		l.flusher = time.AfterFunc(flushAfter, l.flush)
	}
	if len(l.buf) >= db.MaxChunk {
		l.store()
	}
}

// size is the offset at which the next line begins.
func (l *taskLog) size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start + int64(len(l.buf))
}

// flush stores what is buffered.
func (l *taskLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.store()
}

// store writes the buffer; l.mu is held. What cannot be written stays buffered for the next try, up to the
// log's own bound.
func (l *taskLog) store() {
	if l.flusher != nil {
		l.flusher.Stop()
		l.flusher = nil
	}
	for len(l.buf) > 0 {
		n := min(len(l.buf), db.MaxChunk)
		chunk := &db.LogChunk{TaskID: l.taskID, Start: l.start, Body: bytes.Clone(l.buf[:n])}
		if err := l.engine.db.AppendLog(context.WithoutCancel(l.engine.ctx), chunk); err != nil {
			l.engine.log.Error("cannot store a task's log", "task", l.taskID, "err", err)
			return
		}
		l.start += int64(n)
		l.buf = l.buf[n:]
	}
	l.engine.bus.Publish(fmt.Sprintf("log.%d", l.taskID), LogGrew{Size: l.start})
}

// lineWriter cuts output into lines and strips what would garble a log: carriage returns and NUL bytes.
type lineWriter struct {
	log  *taskLog
	step string
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 && len(w.rest) < maxLine {
			return len(p), nil
		}
		if i < 0 || i > maxLine {
			w.emit(w.rest[:maxLine])
			w.rest = w.rest[maxLine:]
			continue
		}
		w.emit(w.rest[:i])
		w.rest = w.rest[i+1:]
	}
}

func (w *lineWriter) emit(line []byte) {
	// A progress bar redraws its line with carriage returns; the last drawing is what counts.
	line = bytes.TrimRight(line, "\r")
	if i := bytes.LastIndexByte(line, '\r'); i >= 0 {
		line = line[i+1:]
	}
	line = bytes.ReplaceAll(line, []byte{0}, nil)
	w.log.line(w.step, string(bytes.ToValidUTF8(line, []byte("\uFFFD"))))
}

// Close writes a last line that has no end.
func (w *lineWriter) Close() error {
	if len(w.rest) > 0 {
		w.emit(w.rest)
		w.rest = nil
	}
	return nil
}
