package db

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm/clause"
)

// ErrLastAdministrator means that a change would leave nobody who may administer.
var ErrLastAdministrator = errors.New("somebody must stay administrator")

// RoleAdministrator is the role that at least one enabled user keeps.
const RoleAdministrator = "administrator"

// User is a person who may log in.
type User struct {
	ID           int64  `gorm:"primaryKey"`
	Name         string // unique, as typed
	PasswordHash string // argon2id, PHC string
	Role         string // "administrator", "operator" or "auditor"
	DisabledAt   *time.Time
	LastLoginAt  *time.Time
	CreatedAt    time.Time
	UpdatedAt    time.Time

	OTPSecret  string     `gorm:"column:otp_secret"`  // sealed; "": there is no second factor
	OTPOffered string     `gorm:"column:otp_offered"` // sealed; one that is shown and not confirmed
	OTPStep    int64      `gorm:"column:otp_step"`    // the last whose code was used
	OTPSince   *time.Time `gorm:"column:otp_since"`

	HostLabels string // tags that the hosts have that this person may know of; "" for all hosts

	Issuer, Subject string // of the identity provider by which this person logs in; "" for none
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

// User finds a user by number; ErrNotFound when there is none.
func (d *DB) User(ctx context.Context, id int64) (*User, error) {
	var u User
	return &u, translate("find user", d.read(ctx).Where("id = ?", id).Take(&u).Error)
}

// UserByName finds a user; ErrNotFound when there is none.
func (d *DB) UserByName(ctx context.Context, name string) (*User, error) {
	var u User
	return &u, translate("find user", d.read(ctx).Where("name = ?", name).Take(&u).Error)
}

// UserBySubject finds the user of an identity provider; ErrNotFound when there is none.
func (d *DB) UserBySubject(ctx context.Context, issuer, subject string) (*User, error) {
	var u User
	return &u, translate("find user", d.read(ctx).Where("subject = ? AND issuer = ?", subject, issuer).Take(&u).Error)
}

// Users reads the users whose names come after one, at most limit, by name.
func (d *DB) Users(ctx context.Context, after string, limit int) ([]User, error) {
	var us []User
	return us, translate("list users", d.read(ctx).Where("name > ?", after).Order("name").Limit(limit).Find(&us).Error)
}

// CountUsers counts users; zero means that the set-up page is open.
func (d *DB) CountUsers(ctx context.Context) (int64, error) {
	var n int64
	return n, translate("count users", d.read(ctx).Model(&User{}).Count(&n).Error)
}

// SetPassword replaces a user's password hash and ends the user's sessions, but for the one whose hash is keep.
func (d *DB) SetPassword(ctx context.Context, userID int64, hash, keep string) error {
	return d.Tx(ctx, func(tx *DB) error {
		if err := changed("set password", tx.write(ctx).Model(&User{ID: userID}).Update("password_hash", hash)); err != nil {
			return err
		}
		return translate("end sessions", tx.write(ctx).Where("user_id = ? AND hash <> ?", userID, keep).Delete(&Session{}).Error)
	})
}

// NoteLogin keeps when a user logged in last.
func (d *DB) NoteLogin(ctx context.Context, userID int64, at time.Time) error {
	return translate("note the login", d.write(ctx).Model(&User{ID: userID}).UpdateColumn("last_login_at", at).Error)
}

// SetRole changes what a user may do; ErrLastAdministrator, ErrNotFound when somebody limited would be administrator.
func (d *DB) SetRole(ctx context.Context, userID int64, role string) error {
	return d.keepingAdministrator(ctx, func(tx *DB) error {
		g := tx.write(ctx).Model(&User{ID: userID})
		if role == RoleAdministrator {
			g = g.Where("host_labels = ''") // an administrator is not limited
		}
		return changed("set role", g.Update("role", role))
	})
}

// SetHostLabels changes which hosts a user may know of; ErrNotFound when an administrator would be limited.
func (d *DB) SetHostLabels(ctx context.Context, userID int64, tags string) error {
	g := d.write(ctx).Model(&User{ID: userID})
	if tags != "" {
		g = g.Where("role <> ?", RoleAdministrator)
	}
	return changed("limit user", g.Update("host_labels", tags))
}

// DisableUser keeps a user from logging in and ends the user's sessions; nil lets the user in again. ErrLastAdministrator.
func (d *DB) DisableUser(ctx context.Context, userID int64, at *time.Time) error {
	return d.keepingAdministrator(ctx, func(tx *DB) error {
		if err := changed("disable user", tx.write(ctx).Model(&User{ID: userID}).Update("disabled_at", at)); err != nil || at == nil {
			return err
		}
		return translate("end sessions", tx.write(ctx).Where("user_id = ?", userID).Delete(&Session{}).Error)
	})
}

// RemoveUser removes a user with all sessions and tokens; ErrLastAdministrator.
func (d *DB) RemoveUser(ctx context.Context, userID int64) error {
	return d.keepingAdministrator(ctx, func(tx *DB) error {
		if err := tx.write(ctx).Where("user_id = ?", userID).Delete(&APIToken{}).Error; err != nil {
			return translate("end tokens", err)
		}
		return changed("remove user", tx.write(ctx).Delete(&User{ID: userID}))
	})
}

// IsLastAdministrator reports whether nobody else may administer.
func (d *DB) IsLastAdministrator(ctx context.Context, u *User) (bool, error) {
	if u.Role != RoleAdministrator || u.DisabledAt != nil {
		return false, nil
	}
	var others int64
	g := d.read(ctx).Model(&User{}).Where("role = ? AND disabled_at IS NULL AND id <> ?", RoleAdministrator, u.ID).Count(&others)
	return others == 0, translate("find administrators", g.Error)
}

// keepingAdministrator takes a change back when it leaves no enabled administrator. Whoever makes such a change waits
// for others that do: of two administrators that remove each other, one fails.
func (d *DB) keepingAdministrator(ctx context.Context, change func(tx *DB) error) error {
	return d.Tx(ctx, func(tx *DB) error {
		administrators := func() (ids []int64, err error) {
			g := tx.write(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Model(&User{}).Order("id")
			return ids, translate("find administrators", g.Where("role = ? AND disabled_at IS NULL", RoleAdministrator).Pluck("id", &ids).Error)
		}
		if _, err := administrators(); err != nil {
			return err
		}
		if err := change(tx); err != nil {
			return err
		}
		left, err := administrators()
		if err == nil && len(left) == 0 {
			err = ErrLastAdministrator
		}
		return err
	})
}
