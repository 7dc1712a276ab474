package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"hostler/internal/whole"
	"hostler/repo/sign"
)

// KeyStage is how far the change from one signing key to another is.
type KeyStage string

// The stages, in their order. From each the way leads on and, until the old key is dropped, back.
const (
	KeyNone    KeyStage = "none"    // there is one key
	KeyStandby KeyStage = "standby" // the new one is made, and nobody knows it yet
	KeyTrusted KeyStage = "trusted" // the old one signs; hosts get both
	KeySigning KeyStage = "signing" // the new one signs; hosts have both
)

// KeyStages lists all stages in their order.
var KeyStages = []KeyStage{KeyNone, KeyStandby, KeyTrusted, KeySigning}

// keyDropping is on the disk alone: the old key's file is being replaced by the new one's. What is cut short then is finished at
// the next start.
const keyDropping KeyStage = "dropping"

func (s *Store) keyFile() string      { return filepath.Join(s.dir, keysDir, "signing.asc") }
func (s *Store) nextKeyFile() string  { return filepath.Join(s.dir, keysDir, "next.asc") }
func (s *Store) keyStageFile() string { return filepath.Join(s.dir, keysDir, "rotation") }

// setKeyStage writes down what stage holds from now on.
func (s *Store) setKeyStage(stage KeyStage) error {
	if stage == KeyNone {
		return whole.Remove(s.keyStageFile())
	}
	return whole.WriteFile(s.keyStageFile(), []byte(stage+"\n"), 0o600)
}

// openKeys reads what there is on the disk, and finishes what was cut short. Keys that are made are called name.
func (s *Store) openKeys(name string) error {
	s.keyName = name
	text, err := os.ReadFile(s.keyStageFile())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot read which key of the repository signs: %w", err)
	}
	stage := KeyStage(bytes.TrimSpace(text))
	if stage == "" {
		stage = KeyNone
	}
	if stage == keyDropping {
		if err := s.takeOverKey(); err != nil {
			return fmt.Errorf("cannot drop the repository's old signing key: %w", err)
		}
		stage = KeyNone
	}
	if !slices.Contains(KeyStages, stage) {
		return fmt.Errorf("%s says %q, which this program does not know: start the newer hostler", s.keyStageFile(), stage)
	}
	old, err := sign.Open(s.keyFile(), name, s.now)
	if err != nil {
		return err
	}
	var next *sign.Key
	if stage != KeyNone {
		if _, err := os.Stat(s.nextKeyFile()); err != nil {
			return fmt.Errorf("cannot find the repository's new signing key: %w", err)
		}
		if next, err = sign.Open(s.nextKeyFile(), name, s.now); err != nil {
			return err
		}
	}
	s.keys.Store(newKeyring(stage, old, next))
	return nil
}

// takeOverKey makes the new key's file that of the one in force. It may be called again after it was cut short.
func (s *Store) takeOverKey() error {
	if _, err := os.Stat(s.nextKeyFile()); err == nil {
		if err := whole.Rename(s.nextKeyFile(), s.keyFile()); err != nil {
			return err
		}
	}
	return s.setKeyStage(KeyNone)
}

// KeyRotation is what there is of signing keys.
type KeyRotation struct {
	Stage    KeyStage
	Old      SigningKey
	New      *SigningKey // nil in KeyNone
	Channels int
	Stale    int // channels that the key which signs now has not signed yet, with all that they have
}

// SigningKey is what people may know of one.
type SigningKey struct {
	Fingerprint string
	Short       string // its beginning, as is told which host trusts which
	Name        string
	Signs       bool
}

// KeyRotation tells how far the change of signing keys is.
func (s *Store) KeyRotation() KeyRotation {
	k := s.keys.Load()
	view := func(key *sign.Key) SigningKey {
		return SigningKey{Fingerprint: key.Fingerprint(), Short: shortKey(key), Name: key.Name(), Signs: key == k.signs}
	}
	r := KeyRotation{Stage: k.stage, Old: view(k.old)}
	if k.next != nil {
		next := view(k.next)
		r.New = &next
	}
	r.Channels, r.Stale = s.staleChannels()
	return r
}

// staleChannels counts the channels, and those whose index or packages another key than that of now has signed.
func (s *Store) staleChannels() (all, stale int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range s.repositories {
		for name, c := range r.channels {
			all++
			now := c.current()
			if now.Inputs != s.surroundings(&r.Definition, name) ||
				slices.ContainsFunc(r.snapshots[now.Snapshot].Packages, func(digest string) bool { return !s.isSigned(s.packages[digest]) }) {
				stale++
			}
		}
	}
	return all, stale
}

// KeyStageError says that the keys are not in the stage from which somebody wanted to move.
type KeyStageError struct{ Is KeyStage }

// Error tells the stage.
func (e *KeyStageError) Error() string {
	return "the change of signing keys is in the stage " + string(e.Is)
}

// KeyBehindError says how many hosts would refuse what is signed if the keys went on.
type KeyBehindError struct{ Hosts int }

// Error tells how many.
func (e *KeyBehindError) Error() string {
	return fmt.Sprintf("%d hosts do not have the new key", e.Hosts)
}

// StaleError says how many channels hosts would refuse if the keys went on: the key that signs now has not signed them yet.
type StaleError struct{ Channels int }

// Error tells how many.
func (e *StaleError) Error() string {
	return fmt.Sprintf("%d channels are not signed with the key that signs now", e.Channels)
}

// AdvanceKey goes from a stage to the next one; after KeySigning the old key is dropped. behind counts the hosts that do not have
// the key of this fingerprint's beginning; if there are some, that is a *KeyBehindError, unless force says that they may be. A
// *KeyStageError says that the stage is another, a *StaleError that Refresh has to sign channels first.
func (s *Store) AdvanceKey(ctx context.Context, from KeyStage, behind func(short string) int, force bool) (KeyRotation, error) {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	k := s.keys.Load()
	if k.stage != from {
		return s.KeyRotation(), &KeyStageError{k.stage}
	}
	if from == KeyTrusted || from == KeySigning {
		if n := behind(shortKey(k.next)); n > 0 && !force {
			return s.KeyRotation(), &KeyBehindError{n}
		}
	}
	if err := ctx.Err(); err != nil {
		return s.KeyRotation(), err
	}
	var err error
	switch from {
	case KeyNone:
		err = s.prepareKey(k)
	case KeyStandby:
		err = s.moveKeys(KeyTrusted, k)
	case KeyTrusted:
		err = s.moveKeys(KeySigning, k)
	default:
		err = s.dropKey(k)
	}
	return s.KeyRotation(), err
}

// TakeBackKey goes back to the stage before; from KeyStandby to one key. Errors are as those of AdvanceKey.
func (s *Store) TakeBackKey(from KeyStage) (KeyRotation, error) {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	k := s.keys.Load()
	if k.stage != from || from == KeyNone {
		return s.KeyRotation(), &KeyStageError{k.stage}
	}
	var err error
	switch from {
	case KeyStandby:
		err = s.discardKey(k)
	case KeyTrusted:
		err = s.whileStill(func() error { return s.setKeys(KeyStandby, k.old, k.next) })
	default:
		err = s.moveKeys(KeyTrusted, k)
	}
	return s.KeyRotation(), err
}

// prepareKey makes the new key.
func (s *Store) prepareKey(k *keyring) error {
	if err := whole.Remove(s.nextKeyFile()); err != nil { // of a server that was killed before it wrote down the stage
		return explain(err)
	}
	next, err := sign.Open(s.nextKeyFile(), s.keyName, s.now)
	if err != nil {
		return explain(err)
	}
	return s.setKeys(KeyStandby, k.old, next)
}

// discardKey forgets the new key.
func (s *Store) discardKey(k *keyring) error {
	if err := s.setKeys(KeyNone, k.old, nil); err != nil {
		return err
	}
	return whole.Remove(s.nextKeyFile())
}

// dropKey ends the trust in the old key.
func (s *Store) dropKey(k *keyring) error {
	return s.whileStill(func() error {
		if err := s.setKeyStage(keyDropping); err != nil {
			return explain(err)
		}
		if err := s.takeOverKey(); err != nil {
			return explain(err)
		}
		s.keys.Store(newKeyring(KeyNone, k.next, nil))
		return nil
	})
}

// whileStill does something while nothing is published, once every channel has the signature of the key of now.
func (s *Store) whileStill(do func() error) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if _, stale := s.staleChannels(); stale > 0 {
		return &StaleError{stale}
	}
	return do()
}

// moveKeys goes to another stage while nothing is published: each publication is signed by one key.
func (s *Store) moveKeys(to KeyStage, k *keyring) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.setKeys(to, k.old, k.next); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range slices.Collect(maps.Values(s.packages)) {
		s.keep(p) // the copy that the key of now has signed stands for the others
	}
	return nil
}

func (s *Store) setKeys(stage KeyStage, old, next *sign.Key) error {
	if err := s.setKeyStage(stage); err != nil {
		return explain(err)
	}
	s.keys.Store(newKeyring(stage, old, next))
	return nil
}
