package bootstrap

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // old keys are read, none is made
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // the scheme's default, RFC 8018
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/scrypt"
)

// pemEncryptedPKCS8 is the PEM type of RFC 5958 keys that are encrypted; neither the standard library nor
// x/crypto reads them, and ssh-keygen -m PKCS8 and openssl genpkey make them.
const pemEncryptedPKCS8 = "ENCRYPTED PRIVATE KEY"

var errPKCS8Scheme = errors.New("the key file is encrypted in a way that is not known")

// Bounds of the work that a key file may ask for.
const (
	maxIterations   = 10_000_000
	maxScryptMemory = 64 << 20 // bytes
	maxScryptRuns   = 16       // over all of that memory
)

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
)

// hashes are the pseudo-random functions of PBKDF2 by object identifier; none given means SHA-1.
var hashes = map[string]func() hash.Hash{
	"":                    sha1.New,
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.8":  sha256.New224,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

// blockCipher is one of PBES2's encryption schemes.
type blockCipher struct {
	keyLen int
	open   func(key []byte) (cipher.Block, error)
}

var ciphers = map[string]blockCipher{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
}

// parseEncryptedPKCS8 reads an EncryptedPrivateKeyInfo (RFC 5958) that uses PBES2 (RFC 8018) with PBKDF2 or
// scrypt (RFC 7914). A wrong passphrase gives x509.IncorrectPasswordError.
func parseEncryptedPKCS8(der, passphrase []byte) (crypto.PrivateKey, error) {
	var envelope struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	if _, err := asn1.Unmarshal(der, &envelope); err != nil {
		return nil, err
	}
	if !envelope.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, fmt.Errorf("%w (%s)", errPKCS8Scheme, envelope.Algorithm.Algorithm)
	}
	var params struct{ KeyDerivation, Encryption pkix.AlgorithmIdentifier }
	if _, err := asn1.Unmarshal(envelope.Algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, err
	}
	scheme, ok := ciphers[params.Encryption.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("%w (%s)", errPKCS8Scheme, params.Encryption.Algorithm)
	}
	var iv []byte
	if _, err := asn1.Unmarshal(params.Encryption.Parameters.FullBytes, &iv); err != nil {
		return nil, err
	}
	key, err := deriveKey(params.KeyDerivation, passphrase, scheme.keyLen)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := scheme.open(key)
	if err != nil {
		return nil, err
	}
	data := envelope.Data
	if len(iv) != block.BlockSize() || len(data) == 0 || len(data)%block.BlockSize() != 0 {
		return nil, errors.New("its encrypted part is damaged")
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(data, data)
	defer clear(data)
	private, err := x509.ParsePKCS8PrivateKey(data)
	if err == nil {
		return private, nil
	}
	// What a wrong passphrase decrypts to does not have the shape of a key (RFC 5208), of whatever algorithm.
	var shape struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	if _, broken := asn1.Unmarshal(data, &shape); broken != nil {
		return nil, x509.IncorrectPasswordError
	}
	return nil, err
}

func deriveKey(kdf pkix.AlgorithmIdentifier, passphrase []byte, keyLen int) ([]byte, error) {
	switch {
	case kdf.Algorithm.Equal(oidPBKDF2):
		var p struct {
			Salt       []byte
			Iterations int
			KeyLength  int                      `asn1:"optional"`
			PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &p); err != nil {
			return nil, err
		}
		name := ""
		if p.PRF.Algorithm != nil {
			name = p.PRF.Algorithm.String()
		}
		h, ok := hashes[name]
		if !ok || p.Iterations < 1 || p.Iterations > maxIterations {
			return nil, errPKCS8Scheme
		}
		return pbkdf2.Key(h, string(passphrase), p.Salt, p.Iterations, keyLen)
	case kdf.Algorithm.Equal(oidScrypt):
		var p struct {
			Salt      []byte
			N, R, P   int
			KeyLength int `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &p); err != nil {
			return nil, err
		}
		if !affordable(p.N, p.R, p.P) {
			return nil, errPKCS8Scheme
		}
		return scrypt.Key(passphrase, p.Salt, p.N, p.R, p.P, keyLen)
	}
	return nil, fmt.Errorf("%w (%s)", errPKCS8Scheme, kdf.Algorithm)
}

// affordable tells whether the server can spare what scrypt takes: 128·n·r bytes, RFC 7914 section 2.
func affordable(n, r, p int) bool {
	const blocks = maxScryptMemory / 128
	return n > 1 && r >= 1 && p >= 1 && p <= maxScryptRuns && n <= blocks && r <= blocks/n
}
