package db

import (
	"context"
	"time"
)

// APIToken lets a program act; only its hash is kept.
type APIToken struct {
	ID         int64 `gorm:"primaryKey"`
	Name       string
	Hash       string // hex SHA-256
	Role       string // that of a User
	UserID     *int64 // whose it is; nil: nobody's, made on the server's command line
	HostLabels string // as of a User; those of the user whose it is hold, too
	CreatedBy  string
	CreatedAt  time.Time
	LastUsedAt *time.Time
	ExpiresAt  *time.Time // nil: it does not end by itself
	User       *User
}

// CreateAPIToken stores a token's hash; ErrDuplicate when the name is taken.
func (d *DB) CreateAPIToken(ctx context.Context, t *APIToken) error {
	return translate("create token", d.write(ctx).Omit("User").Create(t).Error)
}

// APITokenByHash finds an unexpired token, with its user if it has one, who is enabled; ErrNotFound otherwise.
func (d *DB) APITokenByHash(ctx context.Context, hash string, now time.Time) (*APIToken, error) {
	var t APIToken
	err := d.read(ctx).Joins("User").Where("api_tokens.hash = ? AND (api_tokens.expires_at IS NULL OR api_tokens.expires_at > ?)", hash, now).Take(&t).Error
	if err == nil && t.UserID != nil && (t.User == nil || t.User.DisabledAt != nil) {
		err = errNotFound
	}
	return &t, translate("find token", err)
}

// APIToken finds a token by number; ErrNotFound when there is none.
func (d *DB) APIToken(ctx context.Context, id int64) (*APIToken, error) {
	var t APIToken
	return &t, translate("find token", d.read(ctx).Where("id = ?", id).Take(&t).Error)
}

// APITokenByName finds a token; ErrNotFound when there is none.
func (d *DB) APITokenByName(ctx context.Context, name string) (*APIToken, error) {
	var t APIToken
	return &t, translate("find token", d.read(ctx).Where("name = ?", name).Take(&t).Error)
}

// APITokens reads the tokens whose names come after one, at most limit, by name; userID 0 is everybody's and nobody's.
func (d *DB) APITokens(ctx context.Context, userID int64, after string, limit int) ([]APIToken, error) {
	g := d.read(ctx).Joins("User").Where("api_tokens.name > ?", after).Order("api_tokens.name").Limit(limit)
	if userID != 0 {
		g = g.Where("api_tokens.user_id = ?", userID)
	}
	var ts []APIToken
	return ts, translate("list tokens", g.Find(&ts).Error)
}

// TouchAPIToken notes that a token was used.
func (d *DB) TouchAPIToken(ctx context.Context, id int64, now time.Time) error {
	return translate("touch token", d.write(ctx).Model(&APIToken{ID: id}).Update("last_used_at", now).Error)
}

// DeleteAPIToken ends a token; ErrNotFound when it is gone or not the user's. userID 0 is anybody.
func (d *DB) DeleteAPIToken(ctx context.Context, userID, id int64) error {
	g := d.write(ctx).Where("id = ?", id)
	if userID != 0 {
		g = g.Where("user_id = ?", userID)
	}
	return changed("end token", g.Delete(&APIToken{}))
}

// DeleteExpiredAPITokens removes tokens that ended before a time and says how many.
func (d *DB) DeleteExpiredAPITokens(ctx context.Context, before time.Time) (int64, error) {
	g := d.write(ctx).Where("expires_at <= ?", before).Delete(&APIToken{})
	return g.RowsAffected, translate("delete expired tokens", g.Error)
}
