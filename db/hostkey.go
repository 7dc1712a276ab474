package db

import (
	"context"
	"time"

	"gorm.io/gorm/clause"
)

// SSHHostKey is an SSH host key that was trusted on first use.
type SSHHostKey struct {
	Target      string `gorm:"primaryKey"` // "name:port", lower case
	Algorithm   string `gorm:"primaryKey"` // "ssh-ed25519"
	Key         string // authorized_keys form without comment
	Fingerprint string // "SHA256:…"
	CreatedAt   time.Time
}

// SSHHostKeys reads the keys known of a target.
func (d *DB) SSHHostKeys(ctx context.Context, target string) ([]SSHHostKey, error) {
	var ks []SSHHostKey
	return ks, translate("read host keys", d.read(ctx).Where("target = ?", target).Order("algorithm").Find(&ks).Error)
}

// TrustSSHHostKey keeps a key unless one of its algorithm is kept already.
func (d *DB) TrustSSHHostKey(ctx context.Context, k *SSHHostKey) error {
	return translate("keep host key", d.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(k).Error)
}

// ForgetSSHHostKeys removes those of a target's keys that have the fingerprints, so that its next key is trusted. It
// says how many it removed.
func (d *DB) ForgetSSHHostKeys(ctx context.Context, target string, fingerprints []string) (int64, error) {
	tx := d.write(ctx).Where("target = ? AND fingerprint IN ?", target, fingerprints).Delete(&SSHHostKey{})
	return tx.RowsAffected, translate("forget host keys", tx.Error)
}
