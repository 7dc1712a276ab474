package db

import (
	"context"
	"time"
)

// SignRule has hosts signed that come without a token, without asking anybody.
type SignRule struct {
	ID        int64     `gorm:"primaryKey" json:"id"`
	Host      string    `json:"host"`     // a host name or a pattern of names
	Networks  string    `json:"networks"` // the only address ranges, separated by commas; "" for any
	Note      string    `json:"note"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
}

// MaxSignRules bounds how many rules there are: each enrolment without a token looks at all.
const MaxSignRules = 500

// SignRules reads all rules, the oldest first.
func (d *DB) SignRules(ctx context.Context) ([]SignRule, error) {
	var rs []SignRule
	return rs, translate("read signing rules", d.read(ctx).Order("id").Limit(MaxSignRules).Find(&rs).Error)
}

// CreateSignRule stores a rule; ErrDuplicate when there are too many.
func (d *DB) CreateSignRule(ctx context.Context, r *SignRule) error {
	return d.Tx(ctx, func(tx *DB) error {
		var n int64
		if err := tx.read(ctx).Model(&SignRule{}).Count(&n).Error; err != nil {
			return translate("count signing rules", err)
		}
		if n >= MaxSignRules {
			return ErrDuplicate
		}
		return translate("store signing rule", tx.write(ctx).Create(r).Error)
	})
}

// DeleteSignRule removes a rule and returns it; ErrNotFound when there is none.
func (d *DB) DeleteSignRule(ctx context.Context, id int64) (*SignRule, error) {
	var r SignRule
	err := d.Tx(ctx, func(tx *DB) error {
		if err := tx.read(ctx).Where("id = ?", id).Take(&r).Error; err != nil {
			return translate("find signing rule", err)
		}
		return changed("remove signing rule", tx.write(ctx).Delete(&SignRule{}, id))
	})
	return &r, err
}
