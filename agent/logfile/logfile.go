// Package logfile writes a log file of bounded size: when it is full it becomes agent.log.1, the one before
// that agent.log.2, and so on.
//
// It never fails: what cannot be written is dropped and counted, because an agent that dies of a full disk
// cannot report it.
package logfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// File is an io.Writer. Its methods may be called from any goroutine.
type File struct {
	path  string
	size  int64
	count int

	mu      sync.Mutex
	file    *os.File
	written int64
	dropped int
}

// Open opens the log at path, making its directory where that is missing. A log of more than size bytes is
// rotated, and count rotated ones are kept.
func Open(path string, size int64, count int) (*File, error) {
	f := &File{path: path, size: size, count: count}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("cannot open the log: %w", err)
	}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("cannot open the log: %w", err)
	}
	return f, nil
}

// Write appends one record. It always claims success.
func (f *File) Write(record []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil && f.written > 0 && f.written+int64(len(record)) > f.size {
		f.rotate()
	}
	if f.file == nil && f.open() != nil {
		f.dropped++
		return len(record), nil
	}
	if f.dropped > 0 {
		note := fmt.Sprintf("level=WARN msg=\"log records were lost\" records=%d\n", f.dropped)
		if f.append([]byte(note)) {
			f.dropped = 0
		}
	}
	if !f.append(record) {
		f.dropped++
	}
	return len(record), nil
}

// Close closes the file; a later Write opens it again.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.written = file, info.Size()
	return nil
}

// append writes a record whole or not at all, so that half a line of a full disk is not glued to the next.
func (f *File) append(record []byte) bool {
	n, err := f.file.Write(record)
	if err != nil && n > 0 && f.file.Truncate(f.written) == nil {
		n = 0
	}
	f.written += int64(n)
	return err == nil
}

// rotate ignores errors: where one fails the log grows on or loses its oldest part, and
// the next Write tries again.
func (f *File) rotate() {
	_ = f.file.Close()
	f.file = nil
	if f.count == 0 {
		_ = os.Remove(f.path)
		return
	}
	for i := f.count - 1; i > 0; i-- {
		_ = os.Rename(f.numbered(i), f.numbered(i+1))
	}
	_ = os.Rename(f.path, f.numbered(1))
}

func (f *File) numbered(i int) string { return fmt.Sprintf("%s.%d", f.path, i) }
