// Package totp makes and checks time-based one-time passwords (RFC 6238) as authenticator apps show them: SHA-1, six digits,
// thirty seconds. It does not know whose they are, and keeps nothing.
package totp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what RFC 6238 and every app use; HMAC does not need SHA-1 to be free of collisions
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"
)

const (
	secretSize = 20 // bytes; RFC 4226 recommends 160 bits
	period     = 30 * time.Second
	digits     = 6
	modulus    = 1_000_000 // ten to the number of digits
	skew       = 1         // steps that the clocks may differ by, either way (RFC 6238, 5.2)
)

// Secret is what an app and the server share.
type Secret []byte

// NewSecret makes a secret.
func NewSecret() Secret {
	s := make(Secret, secretSize)
	_, _ = rand.Read(s) // never fails since Go 1.24
	return s
}

// Text is the secret as a person types it into an app: base32 without padding.
func (s Secret) Text() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(s)
}

// Parse reads what Text wrote.
func Parse(text string) (Secret, error) {
	return base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
}

// URL is what apps read from a QR code. https://github.com/google/google-authenticator/wiki/Key-Uri-Format
func (s Secret) URL(issuer, account string) string {
	// Everything is escaped as in a path, for a "+" would be read as itself by many apps.
	return "otpauth://totp/" + url.PathEscape(issuer) + ":" + url.PathEscape(account) + "?secret=" + s.Text() + "&issuer=" + url.PathEscape(issuer)
}

// Step is the number of the period that a time is in.
func Step(t time.Time) int64 { return t.Unix() / int64(period/time.Second) }

// Code is the password of a step.
func (s Secret) Code(step int64) string {
	return fmt.Sprintf("%0*d", digits, s.number(step)%modulus)
}

// number is HOTP's truncation (RFC 4226, 5.3): 31 bits of the HMAC, from where its last four bits say.
func (s Secret) number(step int64) uint32 {
	mac := hmac.New(sha1.New, s)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash takes everything
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
}

// Match finds the step whose password a code is, among those near a time. Whoever accepts it keeps the step, and accepts none up to
// it again.
func (s Secret) Match(code string, now time.Time) (step int64, ok bool) {
	for at := Step(now) - skew; at <= Step(now)+skew; at++ {
		if subtle.ConstantTimeCompare([]byte(s.Code(at)), []byte(code)) == 1 {
			step, ok = at, true
		}
	}
	return step, ok
}
