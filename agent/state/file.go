package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile replaces the file at path with content so that a crash at any instant leaves the old file or the
// new one, whole. The content is on the disk when it returns.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	if err := replaceFile(path, content, mode, true); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// ReplaceFile is WriteFile for what is of no use after a power loss: it does not wait for the disk.
func ReplaceFile(path string, content []byte, mode os.FileMode) error {
	if err := replaceFile(path, content, mode, false); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

func replaceFile(path string, content []byte, mode os.FileMode, durable bool) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error that counts is the first one
		}
	}()
	if err := fill(f, content, mode, durable); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if !durable {
		return nil
	}
	return SyncDir(filepath.Dir(path))
}

func fill(f *os.File, content []byte, mode os.FileMode, durable bool) error {
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if !durable {
		return nil
	}
	return f.Sync()
}

// SyncDir makes renames in a directory durable; a file's own Sync does not cover its directory entry.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // only read
	return dir.Sync()
}
