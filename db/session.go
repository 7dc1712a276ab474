package db

import (
	"context"
	"time"
)

// Session is a logged-in browser. Only the hash of its cookie is kept.
type Session struct {
	ID         int64  `gorm:"primaryKey"`
	Hash       string // hex SHA-256 of the cookie's value
	UserID     int64
	User       User
	Address    string
	Browser    string // as it calls itself
	CreatedAt  time.Time
	LastUsedAt time.Time
	ExpiresAt  time.Time
	AwaitsCode bool   // the password was right, and the second factor is still to be shown; it admits to nothing
	Issuer     string // of the identity provider that told who it is; "" for a password
}

// CreateSession stores a session.
func (d *DB) CreateSession(ctx context.Context, s *Session) error {
	return translate("create session", d.write(ctx).Omit("User").Create(s).Error)
}

// SessionByHash finds an unexpired session of an enabled user, with the user; ErrNotFound otherwise.
func (d *DB) SessionByHash(ctx context.Context, hash string, now time.Time) (*Session, error) {
	return d.sessionBy(ctx, hash, false, now)
}

// LoginByHash finds an unexpired login of an enabled user that awaits its code, with the user; ErrNotFound otherwise.
func (d *DB) LoginByHash(ctx context.Context, hash string, now time.Time) (*Session, error) {
	return d.sessionBy(ctx, hash, true, now)
}

func (d *DB) sessionBy(ctx context.Context, hash string, awaitsCode bool, now time.Time) (*Session, error) {
	var s Session
	g := d.read(ctx).Joins("User").Where("sessions.hash = ? AND sessions.expires_at > ? AND sessions.awaits_code = ?", hash, now, awaitsCode)
	err := g.Take(&s).Error
	if err == nil && s.User.DisabledAt != nil {
		err = errNotFound
	}
	return &s, translate("find session", err)
}

// Session finds a session by number, with the user; ErrNotFound when it is gone.
func (d *DB) Session(ctx context.Context, id int64) (*Session, error) {
	var s Session
	return &s, translate("find session", d.read(ctx).Joins("User").Where("sessions.id = ?", id).Take(&s).Error)
}

// Sessions reads the unexpired sessions of a user, the newest first, with the user; userID 0 is everybody.
func (d *DB) Sessions(ctx context.Context, userID int64, now time.Time, limit int) ([]Session, error) {
	g := d.read(ctx).Joins("User").Where("sessions.expires_at > ? AND sessions.awaits_code = ?", now, false).Order("sessions.id DESC").Limit(limit)
	if userID != 0 {
		g = g.Where("sessions.user_id = ?", userID)
	}
	var ss []Session
	return ss, translate("list sessions", g.Find(&ss).Error)
}

// TouchSession notes that a session was used and moves its end.
func (d *DB) TouchSession(ctx context.Context, id int64, now, expires time.Time) error {
	return translate("touch session", d.write(ctx).Model(&Session{ID: id}).
		Updates(map[string]any{"last_used_at": now, "expires_at": expires}).Error)
}

// DeleteSession ends a session; a session that is gone already is no error.
func (d *DB) DeleteSession(ctx context.Context, hash string) error {
	return translate("end session", d.write(ctx).Where("hash = ?", hash).Delete(&Session{}).Error)
}

// EndSession ends a session by number; ErrNotFound when it is gone or not the user's. userID 0 is anybody.
func (d *DB) EndSession(ctx context.Context, userID, id int64) error {
	g := d.write(ctx).Where("id = ?", id)
	if userID != 0 {
		g = g.Where("user_id = ?", userID)
	}
	return changed("end session", g.Delete(&Session{}))
}

// EndOtherSessions ends all sessions of a user but the one with a hash, and says how many.
func (d *DB) EndOtherSessions(ctx context.Context, userID int64, keep string) (int64, error) {
	g := d.write(ctx).Where("user_id = ? AND hash <> ?", userID, keep).Delete(&Session{})
	return g.RowsAffected, translate("end sessions", g.Error)
}

// DeleteExpiredSessions removes sessions that ended before now and says how many.
func (d *DB) DeleteExpiredSessions(ctx context.Context, now time.Time) (int64, error) {
	g := d.write(ctx).Where("expires_at <= ?", now).Delete(&Session{})
	return g.RowsAffected, translate("delete expired sessions", g.Error)
}
