// Package bearer makes the secrets that admit whoever shows them: sessions, API tokens, enrolment tokens and links. It
// does not know what they are for, and keeps none.
package bearer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// New makes 32 random bytes in a form that fits URLs, headers and shells.
func New() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b)
}

// Hash is how secrets made by New are kept: hex SHA-256. They have 256 random bits, so that a slow hash would add
// nothing.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
