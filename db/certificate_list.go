package db

import (
	"context"
	"slices"
	"strings"
	"time"
)

// CertificateState says what a certificate is good for.
type CertificateState string

// The states of a certificate.
const (
	CertificateValid   CertificateState = "valid"
	CertificateRevoked CertificateState = "revoked"
	CertificateExpired CertificateState = "expired" // and was not revoked before
)

// CertificateStates lists all states, those in use first.
var CertificateStates = []CertificateState{CertificateValid, CertificateRevoked, CertificateExpired}

// State is the certificate's state at a time.
func (c *Certificate) State(now time.Time) CertificateState {
	switch {
	case c.RevokedAt != nil:
		return CertificateRevoked
	case !c.NotAfter.After(now):
		return CertificateExpired
	}
	return CertificateValid
}

// ValidCertificatesOf reads the valid certificates of hosts of some names, the newest first.
func (d *DB) ValidCertificatesOf(ctx context.Context, hosts []string, now time.Time) ([]Certificate, error) {
	var cs []Certificate
	err := d.read(ctx).Where("hostname IN ? AND revoked_at IS NULL AND not_after > ?", hosts, now).Order("created_at DESC, serial").Find(&cs).Error
	return cs, translate("find certificates", err)
}

// CertificateQuery filters and pages certificates, ordered by host name and serial number.
type CertificateQuery struct {
	State  CertificateState // "" for all
	Now    time.Time        // at which they are in that state
	Search string           // the beginning of the host's name
	After  CertificateKey   // the last row of the page before
	Limit  int              // rows; 0 means 100, at most 1000
}

// CertificateKey is a place in the list of certificates.
type CertificateKey struct{ Hostname, Serial string }

// Certificates reads one page; next is nil on the last one.
func (d *DB) Certificates(ctx context.Context, q CertificateQuery) (cs []Certificate, next *CertificateKey, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, 1000)
	g := d.read(ctx).Order("hostname, serial").Limit(limit + 1)
	switch q.State {
	case CertificateValid:
		g = g.Where("revoked_at IS NULL AND not_after > ?", q.Now)
	case CertificateRevoked:
		g = g.Where("revoked_at IS NOT NULL")
	case CertificateExpired:
		g = g.Where("revoked_at IS NULL AND not_after <= ?", q.Now)
	}
	if q.Search != "" {
		g = g.Where("hostname LIKE ? ESCAPE '!'", escapeLike(q.Search)+"%")
	}
	if q.After != (CertificateKey{}) {
		g = g.Where("hostname > ? OR (hostname = ? AND serial > ?)", q.After.Hostname, q.After.Hostname, q.After.Serial)
	}
	if err := g.Find(&cs).Error; err != nil {
		return nil, nil, translate("read certificates", err)
	}
	if len(cs) > limit {
		cs = cs[:limit]
		next = &CertificateKey{cs[limit-1].Hostname, cs[limit-1].Serial}
	}
	return cs, next, nil
}

// Denial is a certificate that is refused although it has not expired.
type Denial struct {
	Serial   string    `json:"serial"`
	NotAfter time.Time `json:"not_after"`
}

// Denials reads all revoked certificates that have not expired by now.
func (d *DB) Denials(ctx context.Context, now time.Time) ([]Denial, error) {
	var ds []Denial
	err := d.read(ctx).Model(&Certificate{}).Where("revoked_at IS NOT NULL AND not_after > ?", now).Find(&ds).Error
	return ds, translate("read revoked certificates", err)
}

// Revocation says which certificates to revoke: those with a serial number and all those of a host name.
type Revocation struct {
	Serials []string
	Hosts   []string
	By      string
	At      time.Time
}

// RevokeCertificates revokes what is valid of the certificates that r names and returns it. When one of the serial
// numbers or host names has no certificate at all, nothing is revoked and unknown lists those.
func (d *DB) RevokeCertificates(ctx context.Context, r Revocation) (revoked []Certificate, unknown *Revocation, err error) {
	err = d.Tx(ctx, func(tx *DB) error {
		unknown, revoked = nil, nil
		serials, err := tx.uncertified(ctx, "serial", r.Serials)
		if err != nil {
			return err
		}
		hosts, err := tx.uncertified(ctx, "hostname", r.Hosts)
		if err != nil {
			return err
		}
		if len(serials)+len(hosts) > 0 {
			unknown = &Revocation{Serials: serials, Hosts: hosts}
			return nil
		}
		valid := tx.write(ctx).Where("(serial IN ? OR hostname IN ?) AND revoked_at IS NULL AND not_after > ?", r.Serials, r.Hosts, r.At)
		if err := valid.Order("hostname, serial").Find(&revoked).Error; err != nil {
			return translate("find certificates", err)
		}
		for part := range slices.Chunk(revoked, 500) {
			keys := make([]string, len(part))
			for i := range part {
				part[i].RevokedAt, part[i].RevokedBy = &r.At, r.By
				keys[i] = part[i].Serial
			}
			err := tx.write(ctx).Model(&Certificate{}).Where("serial IN ?", keys).Updates(map[string]any{"revoked_at": r.At, "revoked_by": r.By}).Error
			if err != nil {
				return translate("revoke certificates", err)
			}
		}
		return nil
	})
	return revoked, unknown, err
}

// RevokeAgent revokes all certificates of an agent that are not revoked yet, those that have expired, too: by the same key it
// would get another one. It returns them.
func (d *DB) RevokeAgent(ctx context.Context, agentSN, by string, at time.Time) (revoked []Certificate, err error) {
	err = d.Tx(ctx, func(tx *DB) error {
		revoked = nil
		if err := tx.write(ctx).Where("agent_sn = ? AND revoked_at IS NULL", agentSN).Order("serial").Find(&revoked).Error; err != nil {
			return err
		}
		return tx.write(ctx).Model(&Certificate{}).Where("agent_sn = ? AND revoked_at IS NULL", agentSN).
			Updates(map[string]any{"revoked_at": at, "revoked_by": by}).Error
	})
	return revoked, translate("revoke certificates", err)
}

// uncertified returns those of the values that no certificate has in a column.
func (d *DB) uncertified(ctx context.Context, column string, values []string) ([]string, error) {
	if len(values) == 0 {
		return nil, nil
	}
	var found []string
	if err := d.read(ctx).Model(&Certificate{}).Distinct(column).Where(column+" IN ?", values).Pluck(column, &found).Error; err != nil {
		return nil, translate("find certificates", err)
	}
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return slices.Contains(found, v) }), nil
}

// Traces are what a host that comes back may be known by. It may have another name or another key, but seldom both, and on
// another machine.
type Traces struct {
	Hostname string
	KeyHash  string
	Machine  string // "" is none
}

// LatestCertificates reads the newest certificate of each trace, whatever has become of it. One certificate may be that of
// more than one trace.
func (d *DB) LatestCertificates(ctx context.Context, t Traces) ([]Certificate, error) {
	var parts []string
	var values []any
	for _, by := range []struct{ column, value string }{{"hostname", t.Hostname}, {"key_hash", t.KeyHash}, {"machine", t.Machine}} {
		if by.value != "" {
			parts = append(parts, "SELECT * FROM (SELECT * FROM certificates WHERE "+by.column+" = ? ORDER BY created_at DESC LIMIT 1) AS by_"+by.column)
			values = append(values, by.value)
		}
	}
	var found []Certificate
	return found, translate("find certificates", d.read(ctx).Raw(strings.Join(parts, " UNION ALL "), values...).Scan(&found).Error)
}

// KnownTraces says of each of some hosts whether there is a certificate of one of its traces.
func (d *DB) KnownTraces(ctx context.Context, ts []Traces) ([]bool, error) {
	known := make([]bool, len(ts))
	for _, by := range []struct {
		column string
		value  func(t *Traces) string
	}{
		{"hostname", func(t *Traces) string { return t.Hostname }},
		{"key_hash", func(t *Traces) string { return t.KeyHash }},
		{"machine", func(t *Traces) string { return t.Machine }},
	} {
		var values, found []string
		for i := range ts {
			if value := by.value(&ts[i]); value != "" {
				values = append(values, value)
			}
		}
		if len(values) == 0 {
			continue
		}
		if err := d.read(ctx).Model(&Certificate{}).Where(by.column+" IN ?", values).Distinct().Pluck(by.column, &found).Error; err != nil {
			return nil, translate("find certificates", err)
		}
		for i := range ts {
			known[i] = known[i] || slices.Contains(found, by.value(&ts[i]))
		}
	}
	return known, nil
}
