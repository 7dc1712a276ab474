// Package whole writes files that are there whole or not at all, also when the power fails. It does not know what is in them.
package whole

import (
	"errors"
	"os"
	"path/filepath"
)

// WriteFile puts b into the file at path: a reader, or the next start, finds what was there before or all of b.
func WriteFile(path string, b []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeIfThere(f.Name())) }()
	if err := errors.Join(write(f, b, mode), f.Close()); err != nil {
		return err
	}
	return Rename(f.Name(), path)
}

// Rename gives a file another name in the same directory, in place of what had that name.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(to)
}

// Remove removes a file, which may be gone already.
func Remove(path string) error {
	if err := removeIfThere(path); err != nil {
		return err
	}
	return syncDir(path)
}

// syncDir makes what became of a name outlive a power failure.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func write(f *os.File, b []byte, mode os.FileMode) error {
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
