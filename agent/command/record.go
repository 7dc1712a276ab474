package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"hostler/agent/state"
	"hostler/agent/wire"
)

// recordSize is room for the largest outcome, in bytes.
const recordSize = 4096

// record is the file that is to say how the command ended. Its room is taken before the command begins, so that
// a disk that the command itself has filled does not hide that.
type record struct {
	dir  string
	file *os.File
}

func reserveRecord(dir string) (*record, error) {
	path := filepath.Join(dir, outcomeFile+".new")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot reserve room for how the command ends: %w", err)
	}
	// Blanks are as good as nothing to JSON. Writing them takes room on file systems without fallocate, too.
	blanks := make([]byte, recordSize)
	for i := range blanks {
		blanks[i] = ' '
	}
	if _, err = file.Write(blanks); err == nil {
		err = file.Sync()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot reserve room for how the command ends: %w", err)
	}
	return &record{dir: dir, file: file}, nil
}

func (r *record) write(outcome *Outcome) error {
	if len(outcome.Failure) > recordSize/8 { // a byte becomes six at worst
		outcome.Failure = outcome.Failure[:recordSize/8]
	}
	content, err := json.Marshal(outcome)
	if err != nil {
		return fmt.Errorf("cannot encode how the command ended: %w", err)
	}
	if _, err := r.file.WriteAt(content, 0); err != nil {
		return fmt.Errorf("cannot write how the command ended: %w", err)
	}
	if err := errors.Join(r.file.Sync(), r.file.Close()); err != nil {
		return fmt.Errorf("cannot write how the command ended: %w", err)
	}
	if err := syscall.Rename(r.file.Name(), filepath.Join(r.dir, outcomeFile)); err != nil {
		return fmt.Errorf("cannot write how the command ended: %w", err)
	}
	return state.SyncDir(r.dir)
}

// Keep puts text into dir as if a command had written it to the stream and ended.
func Keep(dir string, stream wire.Stream, text []byte) error {
	if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // as for every job's directory, see open
		return fmt.Errorf("cannot make the job's directory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, string(stream)+headSuffix), text, 0o600); err != nil {
		return fmt.Errorf("cannot keep the output: %w", err)
	}
	size := int64(len(text))
	kept, outcome := Kept{Size: size, Head: size, Tail: size, Ring: 1}, &Outcome{}
	if stream == wire.Stdout {
		outcome.Stdout = kept
	} else {
		outcome.Stderr = kept
	}
	r, err := reserveRecord(dir)
	if err != nil {
		return err
	}
	return r.write(outcome)
}
