package trust

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"hostler/internal/seal"
)

// SealedFiles are those of the authorities in dir that a master key opens.
func SealedFiles(dir string) ([]seal.Sealed, error) {
	paths, err := filepath.Glob(keyFile(dir, "*"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the keys in %s: %w", dir, err)
	}
	files := make([]seal.Sealed, len(paths))
	for i, path := range paths {
		files[i] = seal.Sealed{Path: path, Purpose: keyPurpose}
	}
	return files, nil
}

// MasterKey finds the master key for the authorities in dir, and makes it at first start. A change of it that was cut short
// is finished before.
func MasterKey(from seal.Source, dir string) (key seal.Key, err error) {
	files, err := SealedFiles(dir)
	if err != nil {
		return key, err
	}
	if _, err := from.Resume(files); err != nil {
		return key, fmt.Errorf("cannot finish the change of the master key: %w", err)
	}
	key, err = from.Find()
	if !errors.Is(err, seal.ErrNone) {
		return key, err
	}
	// Another key would open nothing: the one that is missing must be found.
	for _, f := range files {
		text, read := os.ReadFile(f.Path)
		if id, sealed := seal.IsSealed(text); read == nil && sealed {
			return key, fmt.Errorf("%w, and %s is sealed with the master key %s: put it back from your copy, or give it in %s", err, f.Path, id, seal.EnvKey)
		}
	}
	return from.Make()
}

// ChangeMasterKey seals the keys of the authorities in dir with another master key. No server may work there meanwhile.
func ChangeMasterKey(from seal.Source, dir string) (old, fresh seal.Key, err error) {
	files, err := SealedFiles(dir)
	if err == nil {
		_, err = from.Resume(files)
	}
	if err != nil {
		return old, fresh, fmt.Errorf("cannot change the master key: %w", err)
	}
	return from.Change(files)
}
