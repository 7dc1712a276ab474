package db

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// Certificate is one that the internal CA signed.
type Certificate struct {
	Serial      string `gorm:"primaryKey"` // hex
	AgentSN     string `gorm:"column:agent_sn"`
	Hostname    string
	Fingerprint string // hex SHA-256 of the DER
	KeyHash     string // hex SHA-256 of the public key's SubjectPublicKeyInfo
	TokenID     *int64 // the token that admitted it
	NotBefore   time.Time
	NotAfter    time.Time
	TaskID      *int64 // where that token came from
	DraftID     *int64
	Cluster     string
	RevokedAt   *time.Time
	RevokedBy   string // user or token
	CreatedAt   time.Time
}

// EnrolToken admits agents; only its hash is kept.
type EnrolToken struct {
	ID        int64  `gorm:"primaryKey"`
	Hash      string // hex SHA-256, unique
	Hostname  string // the only host it admits; "" for any
	Cluster   string
	TaskID    *int64 // the bootstrap task it was made for
	DraftID   *int64 // the wizard draft it was made for
	UsesLeft  int
	CreatedAt time.Time
	ExpiresAt time.Time
}

// CreateCertificate records a certificate.
func (d *DB) CreateCertificate(ctx context.Context, c *Certificate) error {
	return translate("record certificate", d.write(ctx).Create(c).Error)
}

// Certificate finds a certificate by its serial number in hex; ErrNotFound when the CA never signed it.
func (d *DB) Certificate(ctx context.Context, serial string) (*Certificate, error) {
	var c Certificate
	return &c, translate("find certificate", d.read(ctx).Where("serial = ?", serial).Take(&c).Error)
}

// CertificateFor finds the certificate that a token already got for a key; ErrNotFound when there is none.
func (d *DB) CertificateFor(ctx context.Context, tokenID int64, keyHash string) (*Certificate, error) {
	var c Certificate
	err := d.read(ctx).Where("token_id = ? AND key_hash = ?", tokenID, keyHash).Order("created_at DESC").Take(&c).Error
	return &c, translate("find certificate", err)
}

// CurrentCertificate finds the newest certificate of an agent that was not revoked, expired or not; ErrNotFound when
// there is none.
func (d *DB) CurrentCertificate(ctx context.Context, agentSN string) (*Certificate, error) {
	var c Certificate
	err := d.read(ctx).Where("agent_sn = ? AND revoked_at IS NULL", agentSN).Order("created_at DESC").Take(&c).Error
	return &c, translate("find certificate", err)
}

// SerialNumberHeld reports whether a host of another name has a certificate for an agent's serial number that was
// not revoked and has not expired by now.
func (d *DB) SerialNumberHeld(ctx context.Context, agentSN, hostname string, now time.Time) (bool, error) {
	var n int64
	err := d.read(ctx).Model(&Certificate{}).
		Where("agent_sn = ? AND hostname <> ? AND revoked_at IS NULL AND not_after > ?", agentSN, hostname, now).Count(&n).Error
	return n > 0, translate("find certificates", err)
}

// KeyCertified reports whether a key was certified for an agent's serial number and host name; expired certificates
// count, revoked ones do not.
func (d *DB) KeyCertified(ctx context.Context, agentSN, hostname, keyHash string) (bool, error) {
	var n int64
	err := d.read(ctx).Model(&Certificate{}).
		Where("agent_sn = ? AND hostname = ? AND key_hash = ? AND revoked_at IS NULL", agentSN, hostname, keyHash).Count(&n).Error
	return n > 0, translate("find certificates", err)
}

// DeleteCertificatesBefore removes at most limit certificates that ended before a time and says how many.
func (d *DB) DeleteCertificatesBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	var serials []string
	err := d.read(ctx).Model(&Certificate{}).Where("not_after < ?", before).Order("not_after").Limit(limit).Pluck("serial", &serials).Error
	if err != nil || len(serials) == 0 {
		return 0, translate("find ended certificates", err)
	}
	g := d.write(ctx).Where("serial IN ?", serials).Delete(&Certificate{})
	return g.RowsAffected, translate("delete ended certificates", g.Error)
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

// UseEnrolToken takes one use; ErrStale when none is left.
func (d *DB) UseEnrolToken(ctx context.Context, id int64) error {
	g := d.write(ctx).Model(&EnrolToken{}).Where("id = ? AND uses_left > 0", id).Update("uses_left", gorm.Expr("uses_left - 1"))
	if g.Error == nil && g.RowsAffected == 0 {
		return ErrStale
	}
	return translate("use enrolment token", g.Error)
}

// EndEnrolTokens takes all uses that are left from a draft's tokens.
func (d *DB) EndEnrolTokens(ctx context.Context, draftID int64, now time.Time) error {
	// Tokens that expired are removed sooner or later; their index also finds the few that have not.
	g := d.write(ctx).Model(&EnrolToken{}).Where("expires_at > ? AND draft_id = ?", now, draftID).Update("uses_left", 0)
	return translate("end enrolment tokens", g.Error)
}

// DeleteExpiredEnrolTokens removes tokens that ended before now.
func (d *DB) DeleteExpiredEnrolTokens(ctx context.Context, now time.Time) (int64, error) {
	g := d.write(ctx).Where("expires_at <= ?", now).Delete(&EnrolToken{})
	return g.RowsAffected, translate("delete expired enrolment tokens", g.Error)
}
