// Package sign keeps the OpenPGP key that vouches for the package repository and signs with it.
//
// The key is RSA-3072 with SHA-256 (RFC 9580), the one combination that apt, dnf, yum and zypper of every
// supported age accept. Its private half never leaves the file it is kept in and this process.
package sign

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const (
	keyBits = 3072

	// Clocks of fresh hosts run behind. Verifiers refuse a key or a signature from their future, so both are
	// dated a little into the past.
	keyBackdate = 24 * time.Hour

	// Backdate is how far before the present everything that is signed is dated.
	Backdate = time.Hour
)

// Key signs repository indexes and packages. It is safe for concurrent use.
type Key struct {
	entity  *openpgp.Entity
	armored []byte
	binary  []byte
	now     func() time.Time
}

// Open reads the private key in file, or makes one called name and keeps it there with mode 0600. now is the
// clock that dates new keys and signatures.
func Open(file, name string, now func() time.Time) (*Key, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return create(file, name, now)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the repository's signing key: %w", err)
	}
	entities, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("cannot understand the repository's signing key in %s: %w", file, err)
	}
	if len(entities) != 1 || entities[0].PrivateKey == nil {
		return nil, fmt.Errorf("cannot use the repository's signing key in %s: it holds no single private key", file)
	}
	if entities[0].PrivateKey.Encrypted {
		return nil, fmt.Errorf("cannot use the repository's signing key in %s: it is protected by a passphrase", file)
	}
	return newKey(entities[0], now)
}

func create(file, name string, now func() time.Time) (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("cannot make the repository's signing key: %w", err)
	}
	born := now().Add(-keyBackdate)
	primary := packet.NewRSAPrivateKey(born, private)
	// Built by hand rather than by openpgp.NewEntity: that adds an encryption key nobody needs, at the price of
	// a second RSA generation at first start.
	entity := &openpgp.Entity{
		PrimaryKey: &primary.PublicKey,
		PrivateKey: primary,
		Identities: make(map[string]*openpgp.Identity),
	}
	if err := entity.AddUserId(name, "", "", config(born)); err != nil {
		return nil, fmt.Errorf("cannot name the repository's signing key: %w", err)
	}
	var out bytes.Buffer
	err = armored(&out, openpgp.PrivateKeyType, func(w io.Writer) error {
		return entity.SerializePrivateWithoutSigning(w, nil)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot encode the repository's signing key: %w", err)
	}
	if err := keep(file, out.Bytes()); err != nil {
		return nil, fmt.Errorf("cannot keep the repository's signing key: %w", err)
	}
	return newKey(entity, now)
}

// keep writes beside and renames, so that a power loss leaves a whole key or none.
func keep(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".new-*") // made with mode 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

func newKey(entity *openpgp.Entity, now func() time.Time) (*Key, error) {
	key := &Key{entity: entity, now: now}
	var plain, text bytes.Buffer
	err := entity.Serialize(&plain)
	if err == nil {
		err = armored(&text, openpgp.PublicKeyType, entity.Serialize)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot encode the repository's public key: %w", err)
	}
	key.binary, key.armored = plain.Bytes(), text.Bytes()
	return key, nil
}

// PublicArmored is the public key as text, for rpm and for people.
func (k *Key) PublicArmored() []byte { return k.armored }

// PublicBinary is the public key as apt's Signed-By takes it everywhere.
func (k *Key) PublicBinary() []byte { return k.binary }

// Fingerprint is the key's lower-case hexadecimal fingerprint.
func (k *Key) Fingerprint() string { return hex.EncodeToString(k.entity.PrimaryKey.Fingerprint) }

// Name is what the key is called.
func (k *Key) Name() string {
	if identity := k.entity.PrimaryIdentity(); identity != nil {
		return identity.Name
	}
	return ""
}

// Detached signs message and returns the bare signature packet, which is what an rpm header holds.
func (k *Key) Detached(message io.Reader) ([]byte, error) {
	var out bytes.Buffer
	if err := openpgp.DetachSign(&out, k.entity, message, k.config()); err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	return out.Bytes(), nil
}

// DetachedArmored signs message and returns the signature as text, as in Release.gpg and repomd.xml.asc.
func (k *Key) DetachedArmored(message []byte) ([]byte, error) {
	signature, err := k.Detached(bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	return armoredSignature(signature)
}

// ClearSigned returns message framed by its signature, as in InRelease.
func (k *Key) ClearSigned(message []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := clearsign.Encode(&out, k.entity.PrivateKey, k.config())
	if err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	_, err = w.Write(message)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	// go-crypto leaves the armor's checksum out here, at which GnuPG 2.2 takes the signed file for a broken one.
	at := bytes.LastIndex(out.Bytes(), []byte("-----BEGIN "+openpgp.SignatureType+"-----"))
	if at < 0 {
		return nil, errors.New("cannot sign: the signed text holds no signature")
	}
	block, err := armor.Decode(bytes.NewReader(out.Bytes()[at:]))
	if err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	signature, err := io.ReadAll(block.Body)
	if err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	text, err := armoredSignature(signature)
	return append(out.Bytes()[:at:at], text...), err
}

func armoredSignature(signature []byte) ([]byte, error) {
	var out bytes.Buffer
	err := armored(&out, openpgp.SignatureType, func(w io.Writer) error {
		_, err := w.Write(signature)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot encode a signature: %w", err)
	}
	return out.Bytes(), nil
}

func (k *Key) config() *packet.Config {
	at := k.now().Add(-Backdate)
	if born := k.entity.PrimaryKey.CreationTime; at.Before(born) {
		at = born // the server's clock was set back; no signature is older than its key
	}
	return config(at)
}

func config(at time.Time) *packet.Config {
	// The salt notation that go-crypto adds by default is one more thing an old verifier might stumble over.
	salted := false
	return &packet.Config{
		DefaultHash:                           crypto.SHA256,
		Time:                                  func() time.Time { return at },
		NonDeterministicSignaturesViaNotation: &salted,
	}
}

func armored(out io.Writer, blockType string, write func(io.Writer) error) error {
	w, err := armor.Encode(out, blockType, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(write(w), w.Close()); err != nil {
		return err
	}
	_, err = out.Write([]byte("\n"))
	return err
}

// Verify says whether an armored signature of message is by the key that is given as text and has a fingerprint, in
// lower-case hex. now is the clock of the key's end.
func Verify(key []byte, fingerprint string, message, signature []byte, now func() time.Time) error {
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(key))
	if err != nil {
		return fmt.Errorf("cannot read the key: %w", err)
	}
	if len(keys) != 1 || hex.EncodeToString(keys[0].PrimaryKey.Fingerprint) != fingerprint {
		return errors.New("it has another key")
	}
	_, err = openpgp.CheckArmoredDetachedSignature(keys, bytes.NewReader(message), bytes.NewReader(signature), &packet.Config{Time: now})
	return err
}
