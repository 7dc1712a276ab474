package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// pollEvery is how often a condition is looked at that the kernel does not announce.
const pollEvery = 10 * time.Millisecond

// errLocked says that another process holds a lock.
var errLocked = errors.New("it is locked by another process")

// lock waits until this process alone holds the lock file and returns what gives it back, removing the file.
// The kernel gives it back too when the process ends.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	err = poll(ctx, func() (bool, error) {
		unlock, err = tryLock(path)
		if errors.Is(err, errLocked) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return unlock, nil
}

// tryLock is lock without waiting; it returns errLocked when another process has it.
func tryLock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, err
	}
	// The one who held it before may have removed the file that this process had opened already.
	mine, err := file.Stat()
	if err == nil {
		var current os.FileInfo
		if current, err = os.Stat(path); err == nil && os.SameFile(mine, current) {
			return func() { _ = os.Remove(path); _ = file.Close() }, nil
		}
	}
	_ = file.Close()
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil, errLocked
	}
	return nil, err
}

// poll calls done until it says true, fails, or the context ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
