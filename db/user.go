package db

import (
	"context"
	"time"
)

// User is a person who may log in.
type User struct {
	ID           int64  `gorm:"primaryKey"`
	Name         string // unique, as typed
	PasswordHash string // argon2id, PHC string
	Role         string // "administrator"
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Session is a logged-in browser. Only the hash of its cookie is kept.
type Session struct {
	ID         int64  `gorm:"primaryKey"`
	Hash       string // hex SHA-256 of the cookie's value
	UserID     int64
	User       User
	Address    string
	CreatedAt  time.Time
	LastUsedAt time.Time
	ExpiresAt  time.Time
}

// APIToken lets a program act; only its hash is kept.
type APIToken struct {
	ID         int64 `gorm:"primaryKey"`
	Name       string
	Hash       string // hex SHA-256
	CreatedAt  time.Time
	LastUsedAt *time.Time
}

// CreateUser adds a user; ErrDuplicate when the name is taken.
func (d *DB) CreateUser(ctx context.Context, u *User) error {
	return translate("create user", d.write(ctx).Create(u).Error)
}

// CreateFirstUser adds a user only while there is none; ErrDuplicate otherwise. Two browsers that finish the
// set-up page at the same moment must not both win.
func (d *DB) CreateFirstUser(ctx context.Context, u *User) error {
	return d.Tx(ctx, func(tx *DB) error {
		// The row of the setting is the lock: both dialects refuse the second insert.
		if err := tx.write(ctx).Create(&Setting{Name: "first_user", Value: u.Name}).Error; err != nil {
			return translate("create the first user", err)
		}
		n, err := tx.CountUsers(ctx)
		if err != nil {
			return err
		}
		if n > 0 {
			return translate("create the first user", errDuplicated)
		}
		return tx.CreateUser(ctx, u)
	})
}

// UserByName finds a user; ErrNotFound when there is none.
func (d *DB) UserByName(ctx context.Context, name string) (*User, error) {
	var u User
	return &u, translate("find user", d.read(ctx).Where("name = ?", name).Take(&u).Error)
}

// SetPassword replaces a user's password hash and ends the user's sessions.
func (d *DB) SetPassword(ctx context.Context, userID int64, hash string) error {
	return d.Tx(ctx, func(tx *DB) error {
		if err := changed("set password", tx.write(ctx).Model(&User{ID: userID}).Update("password_hash", hash)); err != nil {
			return err
		}
		return translate("end sessions", tx.write(ctx).Where("user_id = ?", userID).Delete(&Session{}).Error)
	})
}

// CountUsers counts users; zero means that the set-up page is open.
func (d *DB) CountUsers(ctx context.Context) (int64, error) {
	var n int64
	return n, translate("count users", d.read(ctx).Model(&User{}).Count(&n).Error)
}

// CreateSession stores a session.
func (d *DB) CreateSession(ctx context.Context, s *Session) error {
	return translate("create session", d.write(ctx).Omit("User").Create(s).Error)
}

// SessionByHash finds an unexpired session with its user; ErrNotFound otherwise.
func (d *DB) SessionByHash(ctx context.Context, hash string, now time.Time) (*Session, error) {
	var s Session
	err := d.read(ctx).Joins("User").Where("sessions.hash = ? AND sessions.expires_at > ?", hash, now).Take(&s).Error
	return &s, translate("find session", err)
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

// DeleteExpiredSessions removes sessions that ended before now and says how many.
func (d *DB) DeleteExpiredSessions(ctx context.Context, now time.Time) (int64, error) {
	g := d.write(ctx).Where("expires_at <= ?", now).Delete(&Session{})
	return g.RowsAffected, translate("delete expired sessions", g.Error)
}

// CreateAPIToken stores a token's hash; ErrDuplicate when the name is taken.
func (d *DB) CreateAPIToken(ctx context.Context, t *APIToken) error {
	return translate("create token", d.write(ctx).Create(t).Error)
}

// APITokenByHash finds a token; ErrNotFound when there is none.
func (d *DB) APITokenByHash(ctx context.Context, hash string) (*APIToken, error) {
	var t APIToken
	return &t, translate("find token", d.read(ctx).Where("hash = ?", hash).Take(&t).Error)
}

// TouchAPIToken notes that a token was used.
func (d *DB) TouchAPIToken(ctx context.Context, id int64, now time.Time) error {
	return translate("touch token", d.write(ctx).Model(&APIToken{ID: id}).Update("last_used_at", now).Error)
}
