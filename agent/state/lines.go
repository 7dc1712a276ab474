package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Lines is a file of records, one JSON document a line, that is added to and now and then written anew. What Append and
// Replace have written is on the disk when they return. One goroutine at a time may use it.
type Lines[T any] struct {
	path    string
	file    *os.File
	count   int
	torn    bool // the file may end in half a line
	damaged bool // it has lines that cannot be read
}

// OpenLines reads the file at path and gives its records to keep, which returns false for what is none; a missing file is
// empty. Lines that cannot be read, as a power loss leaves behind, are dropped and counted.
func OpenLines[T any](path string, keep func(T) bool) (lines *Lines[T], dropped int, err error) {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, err
	}
	l := &Lines[T]{path: path, torn: len(content) > 0 && content[len(content)-1] != '\n'}
	for line := range bytes.Lines(content) {
		l.count++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var record T
		if json.Unmarshal(line, &record) != nil || !keep(record) {
			dropped++
		}
	}
	l.damaged = dropped > 0
	return l, dropped, nil
}

// Outgrown says whether the file is to be written anew: it is damaged, or has more than spare lines besides those that
// are needed.
func (l *Lines[T]) Outgrown(needed, spare int) bool { return l.damaged || l.count > needed+spare }

// Append adds records. After an error none of them is there, or they may be there in part; what was there before, is.
func (l *Lines[T]) Append(records ...T) error {
	text, err := encode(records)
	if err != nil {
		return err
	}
	if err := l.open(); err != nil {
		return err
	}
	if l.torn {
		text = append([]byte{'\n'}, text...)
	}
	before, err := l.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	wasTorn := l.torn
	l.torn = true
	if _, err := l.file.Write(text); err != nil {
		if l.file.Truncate(before) == nil {
			l.torn = wasTorn
		}
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.torn, l.count = false, l.count+len(records)
	return nil
}

// Replace writes the file anew. After an error the old one is there.
func (l *Lines[T]) Replace(records []T) error {
	text, err := encode(records)
	if err != nil {
		return err
	}
	if err := WriteFile(l.path, text, 0o600); err != nil {
		return err
	}
	l.count, l.torn, l.damaged = len(records), false, false
	return l.Close() // the file that Append wrote to has been replaced
}

// Close closes the file. Append opens it again.
func (l *Lines[T]) Close() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

func (l *Lines[T]) open() error {
	if l.file != nil {
		return nil
	}
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if err := SyncDir(filepath.Dir(l.path)); err != nil {
		return errors.Join(err, file.Close())
	}
	l.file = file
	return nil
}

func encode[T any](records []T) ([]byte, error) {
	var text []byte
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("cannot encode a record: %w", err)
		}
		text = append(append(text, line...), '\n')
	}
	return text, nil
}
