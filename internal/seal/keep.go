package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hostler/internal/whole"
)

// Keep opens a key of its own for secrets that are not files, such as those in a database, and makes it at first use. It is
// kept in a file that the master key seals: another master key changes that file alone. One program at a time may make it.
func Keep(file Sealed, master Key) (Key, error) {
	text, err := os.ReadFile(file.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKept(file, master)
	}
	if err != nil {
		return Key{}, fmt.Errorf("cannot read a key: %w", err)
	}
	secret, err := master.Open(text, file.Purpose)
	if err == nil && len(secret) != keySize {
		err = errDamaged
	}
	if err != nil {
		return Key{}, fmt.Errorf("cannot open %s: %w", file.Path, err)
	}
	k := Key{origin: file.Path}
	copy(k.secret[:], secret)
	return k, nil
}

func makeKept(file Sealed, master Key) (Key, error) {
	k := NewKey()
	k.origin = file.Path
	text, err := master.Seal(k.secret[:], file.Purpose)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file.Path), 0o700)
	}
	if err == nil {
		err = whole.WriteFile(file.Path, text, keyMode)
	}
	if err != nil {
		return Key{}, fmt.Errorf("cannot keep a key: %w", err)
	}
	return k, nil
}
