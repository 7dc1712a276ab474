package db

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// EnrolToken admits agents; only its hash is kept.
type EnrolToken struct {
	ID        int64  `gorm:"primaryKey"`
	Hash      string // hex SHA-256, unique
	Note      string // what it was made for, in a person's words
	Hostname  string // the only host it admits, or a pattern of names; "" for any
	Networks  string // the only address ranges that it admits from, separated by commas; "" for any
	Cluster   string
	Tags      string
	TaskID    *int64 // the bootstrap task it was made for
	DraftID   *int64 // the wizard draft it was made for
	Uses      int    // hosts that it was made for
	UsesLeft  int
	CreatedBy string // user, token, or "" for the server itself
	CreatedAt time.Time
	ExpiresAt time.Time
	EndedAt   *time.Time // when somebody ended it before its time
	EndedBy   string
}

// EnrolTokenState says what a token is good for.
type EnrolTokenState string

// The states of an enrolment token.
const (
	EnrolTokenOpen    EnrolTokenState = "open"
	EnrolTokenUsed    EnrolTokenState = "used"    // no use is left
	EnrolTokenExpired EnrolTokenState = "expired" // with uses left
	EnrolTokenEnded   EnrolTokenState = "ended"   // before its time
)

// EnrolTokenStates lists all states, the one in use first.
var EnrolTokenStates = []EnrolTokenState{EnrolTokenOpen, EnrolTokenUsed, EnrolTokenExpired, EnrolTokenEnded}

// State is the token's state at a time.
func (t *EnrolToken) State(now time.Time) EnrolTokenState {
	switch {
	case t.EndedAt != nil:
		return EnrolTokenEnded
	case t.UsesLeft <= 0:
		return EnrolTokenUsed
	case !t.ExpiresAt.After(now):
		return EnrolTokenExpired
	}
	return EnrolTokenOpen
}

// EnrolTokenQuery filters and pages tokens, newest first.
type EnrolTokenQuery struct {
	State  EnrolTokenState // "" for all
	Now    time.Time       // at which they are in that state
	Before int64           // ids below this; 0: from the newest
	Limit  int             // rows; 0 means 100, at most 1000
}

// EnrolTokens reads one page; next is 0 on the last one.
func (d *DB) EnrolTokens(ctx context.Context, q EnrolTokenQuery) (ts []EnrolToken, next int64, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, 1000)
	g := d.read(ctx).Order("id DESC").Limit(limit + 1)
	switch q.State {
	case EnrolTokenOpen:
		g = g.Where("ended_at IS NULL AND uses_left > 0 AND expires_at > ?", q.Now)
	case EnrolTokenUsed:
		g = g.Where("ended_at IS NULL AND uses_left <= 0")
	case EnrolTokenExpired:
		g = g.Where("ended_at IS NULL AND uses_left > 0 AND expires_at <= ?", q.Now)
	case EnrolTokenEnded:
		g = g.Where("ended_at IS NOT NULL")
	}
	if q.Before > 0 {
		g = g.Where("id < ?", q.Before)
	}
	if err := g.Find(&ts).Error; err != nil {
		return nil, 0, translate("read enrolment tokens", err)
	}
	if len(ts) > limit {
		ts = ts[:limit]
		next = ts[limit-1].ID
	}
	return ts, next, nil
}

// CreateEnrolToken records a token's hash.
func (d *DB) CreateEnrolToken(ctx context.Context, t *EnrolToken) error {
	return translate("create enrolment token", d.write(ctx).Create(t).Error)
}

// EnrolToken finds a token by its hash, used up and expired ones too; ErrNotFound when there is none.
func (d *DB) EnrolToken(ctx context.Context, hash string) (*EnrolToken, error) {
	var t EnrolToken
	return &t, translate("find enrolment token", d.read(ctx).Where("hash = ?", hash).Take(&t).Error)
}

// EnrolTokenByHandle finds a token by the beginning of its hash; ErrNotFound when there is none.
func (d *DB) EnrolTokenByHandle(ctx context.Context, handle string) (*EnrolToken, error) {
	var t EnrolToken
	return &t, translate("find enrolment token", d.read(ctx).Where("hash LIKE ? ESCAPE '!'", escapeLike(handle)+"%").Take(&t).Error)
}

// EnrolTokenByID finds a token by its number; ErrNotFound when there is none.
func (d *DB) EnrolTokenByID(ctx context.Context, id int64) (*EnrolToken, error) {
	var t EnrolToken
	return &t, translate("find enrolment token", d.read(ctx).Where("id = ?", id).Take(&t).Error)
}

// AdmittedBy reads at most limit of the certificates that a token admitted, newest first. Renewals count, too.
func (d *DB) AdmittedBy(ctx context.Context, tokenID int64, limit int) ([]Certificate, error) {
	var cs []Certificate
	err := d.read(ctx).Where("token_id = ?", tokenID).Order("created_at DESC, serial").Limit(limit).Find(&cs).Error
	return cs, translate("find certificates", err)
}

// UseEnrolToken takes one use; ErrStale when none is left.
func (d *DB) UseEnrolToken(ctx context.Context, id int64) error {
	g := d.write(ctx).Model(&EnrolToken{}).Where("id = ? AND uses_left > 0 AND ended_at IS NULL", id).
		Update("uses_left", gorm.Expr("uses_left - 1"))
	if g.Error == nil && g.RowsAffected == 0 {
		return ErrStale
	}
	return translate("use enrolment token", g.Error)
}

// EndEnrolToken ends a token before its time and reports whether it was still open then.
func (d *DB) EndEnrolToken(ctx context.Context, id int64, by string, now time.Time) (ended bool, err error) {
	g := d.write(ctx).Model(&EnrolToken{}).Where("id = ? AND ended_at IS NULL AND uses_left > 0 AND expires_at > ?", id, now).
		Updates(map[string]any{"ended_at": now, "ended_by": by})
	return g.RowsAffected > 0, translate("end enrolment token", g.Error)
}

// EndEnrolTokens ends what is open of a draft's tokens.
func (d *DB) EndEnrolTokens(ctx context.Context, draftID int64, now time.Time) error {
	// Tokens that expired are removed sooner or later; their index also finds the few that have not.
	g := d.write(ctx).Model(&EnrolToken{}).Where("expires_at > ? AND draft_id = ? AND ended_at IS NULL AND uses_left > 0", now, draftID).
		Update("ended_at", now)
	return translate("end enrolment tokens", g.Error)
}

// DraftHadEnrolToken says whether a token was made for a draft, be it open or not.
func (d *DB) DraftHadEnrolToken(ctx context.Context, draftID int64) (bool, error) {
	var n int64
	err := d.read(ctx).Model(&EnrolToken{}).Where("draft_id = ?", draftID).Limit(1).Count(&n).Error
	return n > 0, translate("find enrolment tokens of a draft", err)
}

// DeleteExpiredEnrolTokens removes tokens that expired before a time.
func (d *DB) DeleteExpiredEnrolTokens(ctx context.Context, before time.Time) (int64, error) {
	g := d.write(ctx).Where("expires_at <= ?", before).Delete(&EnrolToken{})
	return g.RowsAffected, translate("delete expired enrolment tokens", g.Error)
}
