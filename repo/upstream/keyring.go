package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Keyring are the keys of an upstream.
type Keyring struct {
	keys openpgp.EntityList
	now  func() time.Time
}

// ReadKeys reads one or more public keys as text, behind each other. now is the clock of their ends.
func ReadKeys(text string, now func() time.Time) (*Keyring, error) {
	const begin = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
	k := &Keyring{now: now}
	parts := strings.Split(text, begin)
	for _, part := range parts[1:] {
		keys, err := openpgp.ReadArmoredKeyRing(strings.NewReader(begin + part))
		if err != nil {
			return nil, fmt.Errorf("cannot read the key: %w", err)
		}
		k.keys = append(k.keys, keys...)
	}
	if len(k.keys) == 0 {
		return nil, errors.New("there is no public key in it: it begins with " + begin)
	}
	for _, key := range k.keys {
		if key.PrivateKey != nil {
			return nil, errors.New("this is a private key: give the public one")
		}
	}
	return k, nil
}

// Fingerprints are those of the keys, in lower-case hex.
func (k *Keyring) Fingerprints() []string {
	var all []string
	for _, key := range k.keys {
		all = append(all, fingerprint(key))
	}
	return all
}

func fingerprint(key *openpgp.Entity) string { return fmt.Sprintf("%x", key.PrimaryKey.Fingerprint) }

func (k *Keyring) config() *packet.Config { return &packet.Config{Time: k.now} }

// clear opens a text that has its signature around it.
func (k *Keyring) clear(data []byte, what string) ([]byte, error) {
	block, _ := clearsign.Decode(data)
	if block == nil {
		return nil, problem(CodeUnsigned, what, "it has no signature around it")
	}
	if k == nil {
		return block.Plaintext, nil
	}
	if _, err := block.VerifySignature(k.keys, k.config()); err != nil {
		return nil, &Problem{Code: CodeSignature, What: what, Cause: "its signature is not by the key that was given", Err: err}
	}
	return block.Plaintext, nil
}

// detached checks a text signature that is a file of its own.
func (k *Keyring) detached(data, signature []byte, what string) error {
	_, err := openpgp.CheckArmoredDetachedSignature(k.keys, bytes.NewReader(data), bytes.NewReader(signature), k.config())
	if err != nil {
		return &Problem{Code: CodeSignature, What: what, Cause: "its signature is not by the key that was given", Err: err}
	}
	return nil
}

// Verify checks a bare signature packet, such as one in an rpm, and tells the fingerprint of the key that made it.
func (k *Keyring) Verify(signed io.Reader, signature []byte) (key string, err error) {
	by, err := openpgp.CheckDetachedSignature(k.keys, signed, bytes.NewReader(signature), k.config())
	if err != nil {
		return "", err
	}
	return fingerprint(by), nil
}
