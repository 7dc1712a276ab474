package bootstrap

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// maxKey bounds what is looked at as a private key, in bytes. The largest RSA keys take about 12 KiB.
const maxKey = 64 << 10

// KeyInfo describes a private key to a person.
type KeyInfo struct {
	Type        string // "ed25519", "ecdsa" or "rsa"
	Bits        int
	Fingerprint string // of the public half: "SHA256:…"
	Encrypted   bool   // it was protected by a passphrase
}

// FieldError says what is wrong with one field of Credentials.
type FieldError struct {
	Field   string // "user", "port", "private_key", "passphrase"
	Code    string
	Message string // English
	Hint    string
	Args    map[string]string
}

// Error is the message.
func (e *FieldError) Error() string { return e.Message }

func fieldError(field, code string, args ...string) *FieldError {
	f := fail(code, nil, args...)
	return &FieldError{Field: field, Code: code, Message: f.Cause, Hint: f.Hint, Args: f.Args}
}

const (
	fieldKey        = "private_key"
	fieldPassphrase = "passphrase"
)

// ParseKey reads a private key: Ed25519, ECDSA or RSA, in OpenSSH's form or as PEM (PKCS #1, PKCS #8, SEC 1),
// with or without a passphrase. A passphrase that the key does not need is ignored. Errors are *FieldError.
func ParseKey(text, passphrase []byte) (ssh.Signer, KeyInfo, error) {
	_, signer, info, err := parseKey(text, passphrase)
	return signer, info, err
}

// parseKey also returns the key itself, for wiping.
func parseKey(text, passphrase []byte) (crypto.PrivateKey, ssh.Signer, KeyInfo, error) {
	var info KeyInfo
	block, err := findKey(text)
	if err != nil {
		return nil, nil, info, err
	}
	key, encrypted, err := decodeKey(block, passphrase)
	if err != nil {
		return nil, nil, info, err
	}
	info.Encrypted = encrypted
	if info.Type, info.Bits, err = describe(key); err != nil {
		return nil, nil, info, fieldError(fieldKey, codeKeyUnsupported, "error", err.Error())
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, nil, info, fieldError(fieldKey, codeKeyUnsupported, "error", plain(err))
	}
	info.Fingerprint = ssh.FingerprintSHA256(signer.PublicKey())
	return key, signer, info, nil
}

// findKey finds the PEM block of the private key and tells what else people take for one.
func findKey(text []byte) (*pem.Block, error) {
	if len(text) > maxKey {
		return nil, fieldError(fieldKey, codeKeyTooLarge, "size", strconv.Itoa(len(text)), "limit", strconv.Itoa(maxKey))
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if len(text) == 0 {
		return nil, fieldError(fieldKey, codeKeyNeeded)
	}
	if code := mistaken(string(text[:min(len(text), 512)])); code != "" {
		return nil, fieldError(fieldKey, code)
	}
	first := ""
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return block, nil
		}
		if first == "" && block.Type != "EC PARAMETERS" {
			first = block.Type
		}
	}
	switch {
	case strings.Contains(first, "CERTIFICATE"):
		return nil, fieldError(fieldKey, codeKeyCertificate)
	case strings.Contains(first, "PUBLIC KEY"):
		return nil, fieldError(fieldKey, codeKeyPublic)
	case bytes.Contains(text, []byte("PRIVATE KEY-----")):
		return nil, fieldError(fieldKey, codeKeyInvalid, "error", "it is cut off or was changed")
	}
	return nil, fieldError(fieldKey, codeKeyInvalid, "error", "there is no BEGIN line of a private key")
}

// mistaken knows the beginnings of files that lie beside private keys.
func mistaken(s string) (code string) {
	first, _, _ := strings.Cut(s, " ")
	switch {
	case strings.HasPrefix(s, "PuTTY-User-Key-File"):
		return codeKeyPutty
	case strings.HasPrefix(s, "---- BEGIN SSH2 PUBLIC KEY"):
		return codeKeyPublic
	case strings.HasSuffix(first, "-cert-v01@openssh.com"):
		return codeKeyCertificate
	case strings.HasPrefix(first, "ssh-"), strings.HasPrefix(first, "ecdsa-sha2-"), strings.HasPrefix(first, "sk-"):
		return codeKeyPublic
	}
	return ""
}

// decodeKey decrypts and parses a PEM block.
func decodeKey(block *pem.Block, passphrase []byte) (key crypto.PrivateKey, encrypted bool, err error) {
	if block.Type == pemEncryptedPKCS8 {
		if len(passphrase) == 0 {
			return nil, true, fieldError(fieldPassphrase, codeKeyEncrypted)
		}
		key, err = parseEncryptedPKCS8(block.Bytes, passphrase)
		return key, true, keyError(err)
	}
	text := pem.EncodeToMemory(block)
	defer clear(text)
	key, err = ssh.ParseRawPrivateKey(text)
	var missing *ssh.PassphraseMissingError
	if !errors.As(err, &missing) {
		return key, false, keyError(err)
	}
	if len(passphrase) == 0 {
		return nil, true, fieldError(fieldPassphrase, codeKeyEncrypted)
	}
	key, err = ssh.ParseRawPrivateKeyWithPassphrase(text, passphrase)
	if err != nil && block.Headers["DEK-Info"] != "" && !unsupported(err) {
		// Only the padding tells whether the passphrase was right (RFC 1423), and one wrong one of 256 has it right.
		err = x509.IncorrectPasswordError
	}
	return key, true, keyError(err)
}

func keyError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, x509.IncorrectPasswordError):
		return fieldError(fieldPassphrase, codeWrongPassphrase)
	case unsupported(err):
		return fieldError(fieldKey, codeKeyUnsupported, "error", plain(err))
	}
	return fieldError(fieldKey, codeKeyInvalid, "error", plain(err))
}

// unsupported reports whether an error is of a key that may be whole, and of a kind that is not read here.
func unsupported(err error) bool {
	text := err.Error()
	return errors.Is(err, errPKCS8Scheme) || strings.Contains(text, "unsupported") || strings.Contains(text, "unhandled") ||
		strings.Contains(text, "unknown") || strings.Contains(text, "exceed")
}

// minRSA is what OpenSSH servers ask of RSA keys, in bits.
const minRSA = 1024

func describe(key crypto.PrivateKey) (kind string, bits int, err error) {
	switch k := key.(type) {
	case *ed25519.PrivateKey, ed25519.PrivateKey:
		return "ed25519", 256, nil
	case *ecdsa.PrivateKey:
		return "ecdsa", k.Curve.Params().BitSize, nil
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSA {
			return "", 0, fmt.Errorf("an RSA key of %d bits is too short", k.N.BitLen())
		}
		return "rsa", k.N.BitLen(), nil
	}
	return "", 0, errors.New("it is neither Ed25519 nor ECDSA nor RSA")
}

// wipeKey overwrites what can be reached of a private key; the runtime may have copied it elsewhere.
func wipeKey(key crypto.PrivateKey) {
	switch k := key.(type) {
	case *ed25519.PrivateKey:
		clear(*k)
	case ed25519.PrivateKey:
		clear(k)
	case *ecdsa.PrivateKey:
		clear(k.D.Bits())
	case *rsa.PrivateKey:
		clear(k.D.Bits())
		for _, p := range k.Primes {
			clear(p.Bits())
		}
	}
}

// plain makes a library's error fit a sentence.
func plain(err error) string {
	s := err.Error()
	for _, prefix := range []string{"ssh: handshake failed: ", "ssh: ", "x509: ", "asn1: "} {
		s = strings.TrimPrefix(s, prefix)
	}
	return strings.TrimSuffix(printable(s), ".")
}
