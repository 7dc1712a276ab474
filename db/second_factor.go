package db

import (
	"context"
	"time"

	"gorm.io/gorm/clause"
)

// RecoveryCode stands in for a second factor once. Only its hash is kept, until it is used.
type RecoveryCode struct {
	UserID int64  `gorm:"primaryKey"`
	Hash   string `gorm:"primaryKey"` // hex SHA-256
}

// OfferSecondFactor keeps the sealed secret that a user is shown. It counts once it is confirmed.
func (d *DB) OfferSecondFactor(ctx context.Context, userID int64, sealed string) error {
	return changed("offer a second factor", d.write(ctx).Model(&User{ID: userID}).Update("otp_offered", sealed))
}

// SetSecondFactor makes the secret that a user was offered the user's second factor, with the hashes of recovery codes, and ends
// the user's sessions but for the one whose hash is keep: they began without it. step is that of the code which confirmed it.
// ErrStale when another one was offered meanwhile.
func (d *DB) SetSecondFactor(ctx context.Context, userID int64, sealed string, step int64, at time.Time, codes []string, keep string) error {
	return d.Tx(ctx, func(tx *DB) error {
		g := tx.write(ctx).Model(&User{ID: userID}).Where("otp_offered = ?", sealed).
			Updates(map[string]any{"otp_secret": sealed, "otp_offered": "", "otp_step": step, "otp_since": at})
		if g.Error == nil && g.RowsAffected == 0 {
			return ErrStale
		}
		if g.Error != nil {
			return translate("set the second factor", g.Error)
		}
		if err := tx.SetRecoveryCodes(ctx, userID, codes); err != nil {
			return err
		}
		return translate("end sessions", tx.write(ctx).Where("user_id = ? AND hash <> ?", userID, keep).Delete(&Session{}).Error)
	})
}

// RemoveSecondFactor removes a user's second factor with its recovery codes.
func (d *DB) RemoveSecondFactor(ctx context.Context, userID int64) error {
	return d.Tx(ctx, func(tx *DB) error {
		err := changed("remove the second factor", tx.write(ctx).Model(&User{ID: userID}).
			Updates(map[string]any{"otp_secret": "", "otp_offered": "", "otp_step": 0, "otp_since": nil}))
		if err != nil {
			return err
		}
		return tx.SetRecoveryCodes(ctx, userID, nil)
	})
}

// UseStep notes that the code of a step was used, and reports whether it was the first use: of two that show the same code at
// once, one is refused.
func (d *DB) UseStep(ctx context.Context, userID, step int64) (bool, error) {
	g := d.write(ctx).Model(&User{ID: userID}).Where("otp_step < ?", step).UpdateColumn("otp_step", step)
	return g.RowsAffected == 1, translate("note the code", g.Error)
}

// SetRecoveryCodes replaces the hashes of a user's recovery codes.
func (d *DB) SetRecoveryCodes(ctx context.Context, userID int64, hashes []string) error {
	return d.Tx(ctx, func(tx *DB) error {
		// Whoever replaces them waits for others that do.
		if err := tx.write(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Where("id = ?", userID).Take(&User{}).Error; err != nil {
			return translate("find user", err)
		}
		if err := tx.write(ctx).Where("user_id = ?", userID).Delete(&RecoveryCode{}).Error; err != nil || len(hashes) == 0 {
			return translate("drop recovery codes", err)
		}
		codes := make([]RecoveryCode, len(hashes))
		for i, hash := range hashes {
			codes[i] = RecoveryCode{UserID: userID, Hash: hash}
		}
		return translate("keep recovery codes", tx.write(ctx).Create(&codes).Error)
	})
}

// UseRecoveryCode uses a recovery code up and reports whether it was there.
func (d *DB) UseRecoveryCode(ctx context.Context, userID int64, hash string) (bool, error) {
	g := d.write(ctx).Where("user_id = ? AND hash = ?", userID, hash).Delete(&RecoveryCode{})
	return g.RowsAffected == 1, translate("use a recovery code", g.Error)
}

// CountRecoveryCodes counts those that a user has left.
func (d *DB) CountRecoveryCodes(ctx context.Context, userID int64) (int64, error) {
	var n int64
	return n, translate("count recovery codes", d.read(ctx).Model(&RecoveryCode{}).Where("user_id = ?", userID).Count(&n).Error)
}
