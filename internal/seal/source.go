package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hostler/internal/whole"
)

// Names by which a master key is given.
const (
	EnvKey         = "HOSTLER_MASTER_KEY"
	EnvNewKey      = "HOSTLER_NEW_MASTER_KEY" // that to change to
	CredentialName = "hostler-master-key"     // of a systemd credential
	envCredentials = "CREDENTIALS_DIRECTORY"  // set by systemd
	pendingSuffix  = ".new"                   // of a key file that takes the place of another
	keyMode        = fs.FileMode(0o600)
	othersMay      = fs.FileMode(0o077)
)

// Source says where a master key may come from. The first that is there counts: the environment, the file that was named, the
// credential, the file that is kept with the data.
type Source struct {
	Environ func(string) (string, bool) // os.LookupEnv
	Named   string                      // a file that an operator names; "" for none
	Kept    string                      // the file that is made where none of the others is there
}

// ErrNone means that no master key is there.
var ErrNone = errors.New("there is no master key")

// File is where a key is kept, or would be made, when the environment and credentials give none.
func (s Source) File() string {
	if s.Named != "" {
		return s.Named
	}
	return s.Kept
}

// fromFile says whether the key is one that this program keeps in a file itself.
func (s Source) fromFile() bool {
	if _, given := s.Environ(EnvKey); given {
		return false
	}
	if s.Named != "" {
		return true
	}
	_, err := os.Stat(s.credential())
	return err != nil
}

// credential is the file of the systemd credential; "" where the service has none.
func (s Source) credential() string {
	dir, ok := s.Environ(envCredentials)
	if !ok || dir == "" {
		return ""
	}
	return filepath.Join(dir, CredentialName)
}

// Find reads the master key; ErrNone when there is none yet.
func (s Source) Find() (Key, error) {
	if text, given := s.Environ(EnvKey); given {
		return ParseKey(text, "the environment ("+EnvKey+")")
	}
	if s.fromFile() {
		return readKey(s.File())
	}
	text, err := os.ReadFile(s.credential())
	if err != nil {
		return Key{}, fmt.Errorf("cannot read the master key: %w", err)
	}
	return ParseKey(string(text), "the credential "+CredentialName)
}

// Make makes a master key and keeps it in the source's file.
func (s Source) Make() (Key, error) {
	k := NewKey()
	k.origin = s.File()
	if err := os.MkdirAll(filepath.Dir(k.origin), 0o700); err != nil {
		return Key{}, fmt.Errorf("cannot make the master key: %w", err)
	}
	if err := whole.WriteFile(k.origin, k.Text(), keyMode); err != nil {
		return Key{}, fmt.Errorf("cannot keep the master key: %w", err)
	}
	return k, nil
}

// Open finds the master key of files, and makes it at first start. A change of it that was cut short is finished before.
func (s Source) Open(files []Sealed) (key Key, err error) {
	if _, err := s.Resume(files); err != nil {
		return key, fmt.Errorf("cannot finish the change of the master key: %w", err)
	}
	key, err = s.Find()
	if !errors.Is(err, ErrNone) {
		return key, err
	}
	// Another key would open nothing: the one that is missing must be found.
	for _, f := range files {
		text, read := os.ReadFile(f.Path)
		if id, sealed := IsSealed(text); read == nil && sealed {
			return key, fmt.Errorf("%w, and %s is sealed with the master key %s: put it back from your copy, or give it in %s", err, f.Path, id, EnvKey)
		}
	}
	return s.Make()
}

// readKey reads a key file, which nobody but its owner may read.
func readKey(path string) (Key, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, fmt.Errorf("%w: %s is not there", ErrNone, path)
	}
	if err != nil {
		return Key{}, fmt.Errorf("cannot read the master key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&othersMay != 0 {
		return Key{}, fmt.Errorf("cannot use the master key in %s: others than its owner may read it (mode %o); chmod 600 it", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("cannot read the master key: %w", err)
	}
	return ParseKey(string(text), path)
}

// Change seals secrets anew under another master key. It may be cut short at any moment: a key file that was to take the place
// of the present one is there until all is done, and Resume goes on. Nobody may work with the files meanwhile.
func (s Source) Change(files []Sealed) (from, to Key, err error) {
	if _, err := s.Resume(files); err != nil {
		return from, to, err
	}
	from, err = s.Find()
	if err != nil {
		return from, to, err
	}
	if text, given := s.Environ(EnvNewKey); given {
		if to, err = ParseKey(text, "the environment ("+EnvNewKey+")"); err != nil {
			return from, to, err
		}
		return from, to, reseal(files, from, to)
	}
	if !s.fromFile() {
		return from, to, fmt.Errorf("cannot change the master key from %s: give the new one in %s, and in place of the old one afterwards",
			from.origin, EnvNewKey)
	}
	to = NewKey()
	to.origin = from.origin
	if err := whole.WriteFile(s.File()+pendingSuffix, to.Text(), keyMode); err != nil {
		return from, to, fmt.Errorf("cannot keep the new master key: %w", err)
	}
	return from, to, s.finish(files, from, to)
}

// Resume finishes a change of the key file that was cut short, and says whether there was one.
func (s Source) Resume(files []Sealed) (resumed bool, err error) {
	if !s.fromFile() {
		return false, nil
	}
	to, err := readKey(s.File() + pendingSuffix)
	if errors.Is(err, ErrNone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	from, err := readKey(s.File())
	if err != nil {
		return false, err
	}
	return true, s.finish(files, from, to)
}

func (s Source) finish(files []Sealed, from, to Key) error {
	if err := reseal(files, from, to); err != nil {
		return err
	}
	return whole.Rename(s.File()+pendingSuffix, s.File())
}

// Sealed is a file that holds a sealed secret.
type Sealed struct{ Path, Purpose string }

// reseal seals files anew. Those that are sealed with the new key already it leaves alone.
func reseal(files []Sealed, from, to Key) error {
	for _, f := range files {
		text, err := os.ReadFile(f.Path)
		if err != nil {
			return fmt.Errorf("cannot seal %s anew: %w", f.Path, err)
		}
		id, sealed := IsSealed(text)
		if !sealed || id == to.ID() { // what is not sealed yet will be, with the key that is in force then
			continue
		}
		secret, err := from.Open(text, f.Purpose)
		if err != nil {
			return fmt.Errorf("cannot seal %s anew: %w", f.Path, err)
		}
		if text, err = to.Seal(secret, f.Purpose); err != nil {
			return err
		}
		if err := whole.WriteFile(f.Path, text, keyMode); err != nil {
			return fmt.Errorf("cannot seal %s anew: %w", f.Path, err)
		}
	}
	return nil
}
