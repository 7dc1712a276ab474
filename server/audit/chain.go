package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hostler/db"
)

// Bounds of fields, in characters, as the database has them.
const (
	maxActor   = 255
	maxAddress = 64
	maxCode    = 64
	maxTarget  = 512
)

// canonical brings an entry into the form in which it comes back from the database.
func canonical(e *db.AuditEntry) {
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	e.Actor, e.Address, e.Target = clip(e.Actor, maxActor), clip(e.Address, maxAddress), clip(e.Target, maxTarget)
	e.Action, e.Code, e.Request = clip(e.Action, maxCode), clip(e.Code, maxCode), clip(e.Request, maxCode)
}

// clip bounds a text that may be anybody's, and takes out what no database keeps as it is.
func clip(s string, most int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "�"), "\x00", "�")
	for utf8.RuneCountInString(s) > most {
		_, last := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-last]
	}
	return s
}

// digest is the hash that ties an entry to the one before it: SHA-256 of that one's hash and of the entry's fields in
// this order, each behind its length and a colon.
func digest(before string, e *db.AuditEntry) string {
	h := sha256.New()
	for _, field := range []string{
		before, strconv.FormatInt(e.ID, 10), e.Time.UTC().Format(time.RFC3339Nano), e.Actor, e.Address, e.Action, e.Target,
		string(e.Result), e.Code, e.Request, string(e.Was), string(e.Became),
	} {
		write(h, field)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func write(h hash.Hash, field string) {
	_, _ = fmt.Fprintf(h, "%d:", len(field)) // a hash takes everything
	_, _ = io.WriteString(h, field)
}

// sealOf proves who wrote a hash: HMAC-SHA-256 under the key. what tells apart what is sealed.
func (r *Reader) sealOf(what, hash string) string {
	h := hmac.New(sha256.New, r.key)
	write(h, what)
	write(h, hash)
	return hex.EncodeToString(h.Sum(nil))
}

func (r *Reader) sealed(what, hash, seal string) bool {
	return len(r.key) > 0 && hmac.Equal([]byte(r.sealOf(what, hash)), []byte(seal))
}

const entrySeal = "entry"

// chain makes entries follow another.
func (r *Reader) chain(newest db.AuditHead, es []db.AuditEntry) {
	for i := range es {
		e := &es[i]
		e.ID = newest.Entry + 1
		e.Hash = digest(newest.Hash, e)
		e.Seal = r.sealOf(entrySeal, e.Hash)
		newest.Entry, newest.Hash = e.ID, e.Hash
	}
}
