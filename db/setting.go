package db

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

var (
	errDuplicated = gorm.ErrDuplicatedKey
	errNotFound   = gorm.ErrRecordNotFound
)

// Setting is one named value that servers share.
type Setting struct {
	Name      string `gorm:"primaryKey"`
	Value     string
	UpdatedAt time.Time
}

// Lease says which server may do a thing of which only one may be done at a time. Fence grows with every
// change of holder, so that work begun under an older lease can be told and refused.
type Lease struct {
	Name      string `gorm:"primaryKey"`
	Holder    string
	Fence     int64
	ExpiresAt time.Time
}

// Setting reads a value; ErrNotFound when it was never set.
func (d *DB) Setting(ctx context.Context, name string) (string, error) {
	var s Setting
	return s.Value, translate("read setting "+name, d.read(ctx).Where("name = ?", name).Take(&s).Error)
}

// SetSetting writes a value.
func (d *DB) SetSetting(ctx context.Context, name, value string) error {
	return translate("write setting "+name, d.write(ctx).
		Clauses(clause.OnConflict{UpdateAll: true}).Create(&Setting{Name: name, Value: value}).Error)
}

// Lease reads who holds a lease, or held it last; ErrNotFound when nobody ever did.
func (d *DB) Lease(ctx context.Context, name string) (*Lease, error) {
	var l Lease
	return &l, translate("read lease "+name, d.read(ctx).Where("name = ?", name).Take(&l).Error)
}

// ReleaseLease ends a lease before its time if holder has it.
func (d *DB) ReleaseLease(ctx context.Context, name, holder string) error {
	g := d.write(ctx).Model(&Lease{}).Where("name = ? AND holder = ?", name, holder).Update("expires_at", time.Unix(0, 0).UTC())
	return translate("release lease "+name, g.Error)
}

// TakeLease makes holder the owner of a lease until expires if nobody else owns it at now. It reports whether
// holder owns it and the fence that goes with the ownership.
func (d *DB) TakeLease(ctx context.Context, name, holder string, now, expires time.Time) (fence int64, owned bool, err error) {
	err = d.Tx(ctx, func(tx *DB) error {
		first := &Lease{Name: name, ExpiresAt: time.Unix(0, 0).UTC()}
		if err := tx.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(first).Error; err != nil {
			return err
		}
		g := tx.write(ctx).Model(&Lease{}).
			Where("name = ? AND (holder = ? OR expires_at <= ?)", name, holder, now).
			Updates(map[string]any{
				"fence":  gorm.Expr("CASE WHEN holder = ? THEN fence ELSE fence + 1 END", holder),
				"holder": holder, "expires_at": expires,
			})
		if g.Error != nil {
			return g.Error
		}
		var l Lease
		if err := tx.write(ctx).Where("name = ?", name).Take(&l).Error; err != nil {
			return err
		}
		fence, owned = l.Fence, l.Holder == holder && l.ExpiresAt.After(now)
		return nil
	})
	return fence, owned, translate("take lease "+name, err)
}
