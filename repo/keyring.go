package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"hostler/agent/wire"
	"hostler/repo/sign"
)

// keyring is the signing keys that there are. It is replaced whole.
type keyring struct {
	stage     KeyStage
	old, next *sign.Key // next is nil in KeyNone
	signs     *sign.Key
	told      *keySet // of the keys that hosts are to trust, that of the one that signs first
	// files are what hosts may have of these keys, by the digests that agents tell.
	files map[string]*keySet
}

// keySet is public keys as package managers read them.
type keySet struct {
	armored, binary []byte
	trusts          []string // the beginnings of their fingerprints
	fingerprints    []string
}

func newKeySet(keys ...*sign.Key) *keySet {
	f := &keySet{}
	for _, key := range keys {
		// A block for each: the rpm of old systems takes the first key of a block alone.
		f.armored = append(f.armored, key.PublicArmored()...)
		f.binary = append(f.binary, key.PublicBinary()...)
		f.trusts = append(f.trusts, shortKey(key))
		f.fingerprints = append(f.fingerprints, key.Fingerprint())
	}
	return f
}

// tag is a validator of its content.
func (f *keySet) tag() string { return shortDigest(f.binary) }

func newKeyring(stage KeyStage, old, next *sign.Key) *keyring {
	k := &keyring{stage: stage, old: old, next: next, signs: old, files: map[string]*keySet{}}
	k.told = k.know(old)
	if next == nil {
		return k
	}
	k.know(next)
	both, other := k.know(old, next), k.know(next, old)
	switch stage {
	case KeyTrusted:
		k.told = both
	case KeySigning:
		k.signs, k.told = next, other
	default:
	}
	return k
}

// know keeps a file that hosts may have.
func (k *keyring) know(keys ...*sign.Key) *keySet {
	f := newKeySet(keys...)
	k.files[shortDigest(f.armored)], k.files[shortDigest(f.binary)] = f, f
	return f
}

// shortKey is the beginning of a fingerprint, enough to tell the keys of one server apart.
func shortKey(key *sign.Key) string { return key.Fingerprint()[:16] }

// shortDigest is how agents name the key files that they have.
func shortDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:wire.KeyDigest]
}

// NeedsNoKey stands for the keys that a host trusts where no package manager asks for one.
const NeedsNoKey = "-"

// AdviseKeys says what a host is to be told, nil for nothing, that told the digests of its key files, and which keys it trusts, also
// after that: the beginnings of their fingerprints. A host that tells nothing has an agent that keeps no keys.
func (s *Store) AdviseKeys(told []string) (keys *wire.RepositoryKeys, trusts []string) {
	k := s.keys.Load()
	if len(told) == 0 {
		return nil, nil
	}
	if slices.Equal(told, []string{wire.NoKeyFile}) {
		return nil, []string{NeedsNoKey}
	}
	trusts = slices.Clone(k.told.trusts)
	right := true
	for _, digest := range told {
		f := k.files[digest]
		if f == nil {
			return k.told.tell(), nil
		}
		right = right && len(f.trusts) == len(k.told.trusts)
		trusts = slices.DeleteFunc(trusts, func(key string) bool { return !slices.Contains(f.trusts, key) })
	}
	if right && len(trusts) == len(k.told.trusts) {
		return nil, trusts
	}
	return k.told.tell(), trusts
}

func (f *keySet) tell() *wire.RepositoryKeys {
	return &wire.RepositoryKeys{Armored: string(f.armored), Binary: f.binary, Fingerprints: f.fingerprints}
}
