package agenttest

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// OpenPipe opens a named pipe for writing once somebody reads it.
func OpenPipe(path string) (*os.File, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if !errors.Is(err, syscall.ENXIO) {
			return f, err
		}
		select {
		case <-tick.C:
		case <-deadline:
			return nil, err
		}
	}
}

// Pipe makes a named pipe.
func Pipe(path string) error { return syscall.Mkfifo(path, 0o600) }
