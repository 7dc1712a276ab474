// Package seal keeps secrets on the disk under a master key, so that whoever gets a copy of their files gets nothing. A sealed
// secret is one PEM block: a key of its own, made from the master key and a salt by HKDF with SHA-256, and XChaCha20-Poly1305.
// The package does not know what the secrets are for.
package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	blockType = "HOSTLER SEALED SECRET"
	format    = "1" // changes with anything that an older program could not open

	formatHeader = "Format"
	masterHeader = "Master-Key" // the id of the key that opens it
	saltSize     = 16
	keySize      = 32
)

// Key is a master key.
type Key struct {
	secret [keySize]byte
	origin string // where it came from, for people
}

// NewKey makes a master key.
func NewKey() Key {
	k := Key{origin: "a new one"}
	_, _ = rand.Read(k.secret[:]) // never fails since Go 1.24
	return k
}

// ParseKey reads a master key: 32 bytes in base64, as "openssl rand -base64 32" prints them, or in hex. origin says to people
// where it came from.
func ParseKey(text, origin string) (Key, error) {
	text = strings.TrimSpace(text)
	k := Key{origin: origin}
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if b, err := decode(text); err == nil && len(b) == keySize {
			copy(k.secret[:], b)
			return k, nil
		}
	}
	return Key{}, fmt.Errorf("cannot use the master key from %s: want 32 bytes in base64, as \"openssl rand -base64 32\" makes them", origin)
}

// Text is the key as ParseKey reads it, with an end of line.
func (k Key) Text() []byte {
	return []byte(base64.StdEncoding.EncodeToString(k.secret[:]) + "\n")
}

// ID tells keys apart and does not tell the key.
func (k Key) ID() string { return hex.EncodeToString(k.derive("", "id", 8)) }

// Origin says where the key came from, for people.
func (k Key) Origin() string { return k.origin }

// derive makes bytes for one use from the key.
func (k Key) derive(salt, use string, n int) []byte {
	b, err := hkdf.Key(sha256.New, k.secret[:], []byte(salt), "hostler master key "+format+": "+use, n)
	if err != nil { // only for more bytes than SHA-256 can give
		panic(err)
	}
	return b
}

// Seal seals a secret for a purpose. It is opened only for the same one, so that no two files can be exchanged.
func (k Key) Seal(secret []byte, purpose string) ([]byte, error) {
	salt := make([]byte, saltSize)
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	_, _ = rand.Read(salt)
	_, _ = rand.Read(nonce)
	aead, err := chacha20poly1305.NewX(k.derive(string(salt), purpose, chacha20poly1305.KeySize))
	if err != nil {
		return nil, fmt.Errorf("cannot seal: %w", err)
	}
	body := aead.Seal(append(salt, nonce...), nonce, secret, []byte(purpose))
	return pem.EncodeToMemory(&pem.Block{
		Type: blockType, Headers: map[string]string{formatHeader: format, masterHeader: k.ID()}, Bytes: body,
	}), nil
}

// IsSealed says whether text is a sealed secret, and if so, the id of the key that opens it.
func IsSealed(text []byte) (id string, sealed bool) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != blockType {
		return "", false
	}
	return block.Headers[masterHeader], true
}

// Open opens a sealed secret.
func (k Key) Open(text []byte, purpose string) ([]byte, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil || block.Type != blockType:
		return nil, errors.New("it is not sealed")
	case block.Headers[formatHeader] != format:
		return nil, fmt.Errorf("it is sealed in format %q, which this program does not know: start the newer hostler", block.Headers[formatHeader])
	case block.Headers[masterHeader] != k.ID():
		return nil, fmt.Errorf("it is sealed with the master key %s, and that from %s is %s: give the master key that was in use before",
			block.Headers[masterHeader], k.origin, k.ID())
	case len(block.Bytes) < saltSize+chacha20poly1305.NonceSizeX:
		return nil, errDamaged
	}
	salt, rest := block.Bytes[:saltSize], block.Bytes[saltSize:]
	nonce, body := rest[:chacha20poly1305.NonceSizeX], rest[chacha20poly1305.NonceSizeX:]
	aead, err := chacha20poly1305.NewX(k.derive(string(salt), purpose, chacha20poly1305.KeySize))
	if err != nil {
		return nil, fmt.Errorf("cannot open: %w", err)
	}
	secret, err := aead.Open(nil, nonce, body, []byte(purpose))
	if err != nil {
		return nil, errDamaged
	}
	return secret, nil
}

var errDamaged = errors.New("it is damaged, or was sealed for something else: put it back from a copy")
