package db

import (
	"context"
	"slices"
	"time"
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
	Tags        string // what its host is tagged with when it registers first
	Machine     string // what the host said its machine id was; "" when it said nothing
	RevokedAt   *time.Time
	RevokedBy   string // user or token
	// Authority is the beginning of the pin of the authority that signed it; "" in what former versions have recorded and nobody has
	// named since.
	Authority    string
	RenewAskedAt *time.Time // when somebody wanted it renewed before its time
	CreatedAt    time.Time
}

// CreateCertificate records a certificate.
func (d *DB) CreateCertificate(ctx context.Context, c *Certificate) error {
	return translate("record certificate", d.write(ctx).Create(c).Error)
}

// CreateCertificates records certificates.
func (d *DB) CreateCertificates(ctx context.Context, cs []Certificate) error {
	if len(cs) == 0 {
		return nil
	}
	return translate("record certificates", d.write(ctx).CreateInBatches(cs, 100).Error)
}

// Certificate finds a certificate by its serial number in hex; ErrNotFound when the CA never signed it.
func (d *DB) Certificate(ctx context.Context, serial string) (*Certificate, error) {
	var c Certificate
	return &c, translate("find certificate", d.read(ctx).Where("serial = ?", serial).Take(&c).Error)
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

// NameAuthority names the authority of the certificates that were recorded when there was only one.
func (d *DB) NameAuthority(ctx context.Context, authority string) error {
	var one []string // most starts find none, and need not wait for writers
	err := d.read(ctx).Model(&Certificate{}).Where("authority = ''").Limit(1).Pluck("serial", &one).Error
	if err != nil || len(one) == 0 {
		return translate("find certificates", err)
	}
	return translate("name the authority of certificates", d.write(ctx).Model(&Certificate{}).Where("authority = ''").Update("authority", authority).Error)
}

// CertificatesOf reads the serial numbers of the certificates of an authority that are valid at a time.
func (d *DB) CertificatesOf(ctx context.Context, authority string, now time.Time) (serials []string, err error) {
	err = d.read(ctx).Model(&Certificate{}).Where("authority = ? AND not_after > ? AND revoked_at IS NULL", authority, now).Pluck("serial", &serials).Error
	return serials, translate("find certificates", err)
}

// CertificatesBeside reads the serial numbers of the certificates that are valid at a time and say the same agent as c, but for those of c's key.
func (d *DB) CertificatesBeside(ctx context.Context, c *Certificate, now time.Time) (serials []string, err error) {
	err = d.read(ctx).Model(&Certificate{}).
		Where("agent_sn = ? AND key_hash <> ? AND revoked_at IS NULL AND not_after > ?", c.AgentSN, c.KeyHash, now).Pluck("serial", &serials).Error
	return serials, translate("find certificates", err)
}

// AskRenewal notes that the valid certificates of some hosts are to be renewed, and returns them. When one of the hosts has none,
// nothing is noted and unknown lists those.
func (d *DB) AskRenewal(ctx context.Context, hosts []string, now time.Time) (asked []Certificate, unknown []string, err error) {
	err = d.Tx(ctx, func(tx *DB) error {
		asked, unknown = nil, nil
		valid := tx.write(ctx).Where("hostname IN ? AND revoked_at IS NULL AND not_after > ?", hosts, now)
		if err := valid.Order("hostname, serial").Find(&asked).Error; err != nil {
			return translate("find certificates", err)
		}
		found := map[string]bool{}
		for i := range asked {
			found[asked[i].Hostname] = true
			asked[i].RenewAskedAt = &now
		}
		for _, host := range hosts {
			if !found[host] {
				unknown = append(unknown, host)
			}
		}
		if len(unknown) > 0 {
			return nil
		}
		for part := range slices.Chunk(asked, 500) {
			serials := make([]string, len(part))
			for i := range part {
				serials[i] = part[i].Serial
			}
			if err := tx.write(ctx).Model(&Certificate{}).Where("serial IN ?", serials).Update("renew_asked_at", now).Error; err != nil {
				return translate("note renewals", err)
			}
		}
		return nil
	})
	return asked, unknown, err
}

// CountCertificatesOfKey counts the certificates on record that a key got.
func (d *DB) CountCertificatesOfKey(ctx context.Context, keyHash string) (int64, error) {
	var n int64
	err := d.read(ctx).Model(&Certificate{}).Where("key_hash = ?", keyHash).Count(&n).Error
	return n, translate("count certificates", err)
}

// CertifiedHosts are those of some host names that have a certificate on record, valid or not.
func (d *DB) CertifiedHosts(ctx context.Context, hosts []string) (certified []string, err error) {
	err = d.read(ctx).Model(&Certificate{}).Where("hostname IN ?", hosts).Distinct().Pluck("hostname", &certified).Error
	return certified, translate("find certificates", err)
}

// DeleteCertificatesBefore removes at most limit certificates that ended before a time and says how many. The last one of a
// host stays when it was revoked, and while the host is registered: it is what a host is known by that was turned away, or is
// removed one day.
func (d *DB) DeleteCertificatesBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	var serials []string
	later := d.read(ctx).Table("certificates AS later").Select("1").
		Where("later.hostname = certificates.hostname AND later.created_at > certificates.created_at")
	host := d.read(ctx).Table("hosts").Select("1").Where("hosts.agent_sn = certificates.agent_sn")
	err := d.read(ctx).Model(&Certificate{}).Where("not_after < ? AND (EXISTS (?) OR revoked_at IS NULL AND NOT EXISTS (?))", before, later, host).
		Order("not_after").Limit(limit).Pluck("serial", &serials).Error
	if err != nil || len(serials) == 0 {
		return 0, translate("find ended certificates", err)
	}
	g := d.write(ctx).Where("serial IN ?", serials).Delete(&Certificate{})
	return g.RowsAffected, translate("delete ended certificates", g.Error)
}
