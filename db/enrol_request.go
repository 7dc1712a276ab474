package db

import (
	"context"
	"time"

	"hostler/agent/wire"
)

// EnrolState says what has become of a request for a certificate.
type EnrolState string

// The states of a request.
const (
	EnrolWaiting EnrolState = "waiting"
	EnrolSigned  EnrolState = "signed"
	EnrolRefused EnrolState = "refused"
)

// EnrolStates lists all states, the one that wants a person first.
var EnrolStates = []EnrolState{EnrolWaiting, EnrolSigned, EnrolRefused}

// EnrolConflict is why a request is signed only when somebody chooses just that one.
type EnrolConflict string

// The conflicts.
const (
	ConflictRevoked EnrolConflict = "revoked" // the host was turned away: its name, its key or its machine
	ConflictKnown   EnrolConflict = "known"   // another key has a certificate for the name
	ConflictTwice   EnrolConflict = "twice"   // another key waits for the name
)

// EnrolConflicts lists all conflicts.
var EnrolConflicts = []EnrolConflict{ConflictRevoked, ConflictKnown, ConflictTwice}

// EnrolRequest is an agent without a token, or with one that does not admit it, that waits for a person.
type EnrolRequest struct {
	ID          int64  `gorm:"primaryKey"`
	KeyHash     string // hex SHA-256 of the public key's SubjectPublicKeyInfo, unique: the fingerprint that the agent tells, too
	Hostname    string
	AgentSN     string `gorm:"column:agent_sn"` // the number that it would like to have
	CSR         string `gorm:"column:csr"`      // PEM
	Address     string
	Machine     string
	Facts       *wire.Facts `gorm:"serializer:json"`
	State       EnrolState
	Conflict    EnrolConflict
	TokenID     *int64 // the token that it came with, which does not admit it
	Refusal     string // the code of why
	DecidedAt   *time.Time
	DecidedBy   string
	Serial      string // of the certificate that it got
	Certificate string // PEM
	CreatedAt   time.Time
	SeenAt      time.Time
}

// EnrolRequestQuery filters and pages requests, ordered by host name and number.
type EnrolRequestQuery struct {
	State  EnrolState // never empty
	Search string     // the beginning of the host's name
	After  HostKey    // the last row of the page before
	Limit  int        // rows; 0 means 100, at most 1000
}

// EnrolRequests reads one page, without requests and certificates themselves; next is nil on the last one.
func (d *DB) EnrolRequests(ctx context.Context, q EnrolRequestQuery) (rs []EnrolRequest, next *HostKey, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, 1000)
	g := d.read(ctx).Omit("csr", "certificate").Where("state = ?", q.State).Order("hostname, id").Limit(limit + 1)
	if q.Search != "" {
		g = g.Where("hostname LIKE ? ESCAPE '!'", escapeLike(q.Search)+"%")
	}
	if q.After != (HostKey{}) {
		g = g.Where("hostname > ? OR (hostname = ? AND id > ?)", q.After.Name, q.After.Name, q.After.ID)
	}
	if err := g.Find(&rs).Error; err != nil {
		return nil, nil, translate("read enrolment requests", err)
	}
	if len(rs) > limit {
		rs = rs[:limit]
		next = &HostKey{Name: rs[limit-1].Hostname, ID: rs[limit-1].ID}
	}
	return rs, next, nil
}

// EnrolRequestsOfToken reads at most limit of the requests of hosts that came with a token which does not admit them, those that
// wait first.
func (d *DB) EnrolRequestsOfToken(ctx context.Context, tokenID int64, limit int) ([]EnrolRequest, error) {
	return d.requestsByTokens(ctx, limit, "token_id = ?", tokenID)
}

// EnrolRequestsOfDraft is EnrolRequestsOfToken for all tokens of a wizard's draft.
func (d *DB) EnrolRequestsOfDraft(ctx context.Context, draftID int64, limit int) ([]EnrolRequest, error) {
	return d.requestsByTokens(ctx, limit, "token_id IN (SELECT id FROM enrol_tokens WHERE draft_id = ?)", draftID)
}

func (d *DB) requestsByTokens(ctx context.Context, limit int, where string, id int64) ([]EnrolRequest, error) {
	var rs []EnrolRequest
	g := d.read(ctx).Omit("csr", "certificate").Where(where, id).Order("CASE WHEN state = 'waiting' THEN 0 ELSE 1 END, hostname, id").Limit(limit)
	return rs, translate("read enrolment requests", g.Find(&rs).Error)
}

// EnrolRequestByKey finds the request of a key; ErrNotFound when there is none.
func (d *DB) EnrolRequestByKey(ctx context.Context, keyHash string) (*EnrolRequest, error) {
	var r EnrolRequest
	return &r, translate("find enrolment request", d.read(ctx).Where("key_hash = ?", keyHash).Take(&r).Error)
}

// CreateEnrolRequest stores a new request; ErrDuplicate when its key has one.
func (d *DB) CreateEnrolRequest(ctx context.Context, r *EnrolRequest) error {
	return translate("store enrolment request", d.write(ctx).Create(r).Error)
}

// UpdateEnrolRequest stores all of a request.
func (d *DB) UpdateEnrolRequest(ctx context.Context, r *EnrolRequest) error {
	return changed("store enrolment request", d.write(ctx).Select("*").Omit("id").Where("id = ?", r.ID).Updates(r))
}

// ReplaceEnrolRequest stores a request in place of the one that its key had.
func (d *DB) ReplaceEnrolRequest(ctx context.Context, former int64, r *EnrolRequest) error {
	return d.Tx(ctx, func(tx *DB) error {
		if err := tx.write(ctx).Where("id = ?", former).Delete(&EnrolRequest{}).Error; err != nil {
			return translate("replace enrolment request", err)
		}
		return tx.CreateEnrolRequest(ctx, r)
	})
}

// SeeEnrolRequest notes when the agent of a request has asked last.
func (d *DB) SeeEnrolRequest(ctx context.Context, id int64, now time.Time) error {
	return translate("note enrolment request", d.write(ctx).Model(&EnrolRequest{ID: id}).Update("seen_at", now).Error)
}

// SetEnrolConflict notes why a request is not signed together with all others.
func (d *DB) SetEnrolConflict(ctx context.Context, id int64, conflict EnrolConflict) error {
	return translate("note enrolment request", d.write(ctx).Model(&EnrolRequest{ID: id}).Update("conflict", conflict).Error)
}

// CountWaiting counts the requests that wait.
func (d *DB) CountWaiting(ctx context.Context) (n int64, err error) {
	err = d.read(ctx).Model(&EnrolRequest{}).Where("state = ?", EnrolWaiting).Count(&n).Error
	return n, translate("count enrolment requests", err)
}

// CountEnrolRequests counts requests, and those among them without a conflict.
func (d *DB) CountEnrolRequests(ctx context.Context, state EnrolState) (all, clear int, err error) {
	var row struct{ Total, Clear int }
	err = d.read(ctx).Model(&EnrolRequest{}).Where("state = ?", state).
		Select("COUNT(*) AS total, COALESCE(SUM(CASE WHEN conflict = '' THEN 1 ELSE 0 END), 0) AS clear").Scan(&row).Error
	return row.Total, row.Clear, translate("count enrolment requests", err)
}

// LastEnrolRequest is the number of the newest request that waits and has no conflict; 0 when there is none.
func (d *DB) LastEnrolRequest(ctx context.Context) (id int64, err error) {
	err = d.read(ctx).Model(&EnrolRequest{}).Where("state = ? AND conflict = ''", EnrolWaiting).Select("COALESCE(MAX(id), 0)").Scan(&id).Error
	return id, translate("find the last enrolment request", err)
}

// EnrolChoice says which of the requests that wait are meant. Those with a conflict are meant only when they are named.
type EnrolChoice struct {
	IDs   []int64
	Hosts []string
	All   bool  // all without a conflict
	Upto  int64 // with All: the last of them by its number; 0 for no end
}

// ChosenEnrolRequests reads at most limit of the requests that are chosen and wait, by number, beginning after one.
func (d *DB) ChosenEnrolRequests(ctx context.Context, c EnrolChoice, after int64, limit int) ([]EnrolRequest, error) {
	g := d.read(ctx).Where("state = ? AND id > ?", EnrolWaiting, after).Order("id").Limit(limit)
	if c.All {
		g = g.Where("conflict = ''")
		if c.Upto > 0 {
			g = g.Where("id <= ?", c.Upto)
		}
	} else {
		g = g.Where("id IN ? OR hostname IN ?", c.IDs, c.Hosts)
	}
	var rs []EnrolRequest
	return rs, translate("read enrolment requests", g.Find(&rs).Error)
}

// StoreSigned records certificates and that the requests which they answer are signed, all or none.
func (d *DB) StoreSigned(ctx context.Context, cs []Certificate, rs []EnrolRequest) error {
	return d.Tx(ctx, func(tx *DB) error {
		if err := tx.CreateCertificates(ctx, cs); err != nil {
			return err
		}
		for i := range rs {
			r := &rs[i]
			err := tx.write(ctx).Exec("UPDATE enrol_requests SET state = ?, agent_sn = ?, decided_at = ?, decided_by = ?, serial = ?, certificate = ? WHERE id = ?",
				r.State, r.AgentSN, r.DecidedAt, r.DecidedBy, r.Serial, r.Certificate, r.ID).Error
			if err != nil {
				return translate("store enrolment requests", err)
			}
		}
		return nil
	})
}

// RefuseEnrolRequests refuses requests that wait.
func (d *DB) RefuseEnrolRequests(ctx context.Context, ids []int64, by string, now time.Time) error {
	g := d.write(ctx).Model(&EnrolRequest{}).Where("id IN ? AND state = ?", ids, EnrolWaiting).
		Updates(map[string]any{"state": EnrolRefused, "decided_at": now, "decided_by": by})
	return translate("refuse enrolment requests", g.Error)
}

// AskedTwice are those of some host names that more than one of the waiting requests has.
func (d *DB) AskedTwice(ctx context.Context, hosts []string) (twice []string, err error) {
	err = d.read(ctx).Model(&EnrolRequest{}).Where("state = ? AND hostname IN ?", EnrolWaiting, hosts).Group("hostname").Having("COUNT(*) > 1").
		Pluck("hostname", &twice).Error
	return twice, translate("find enrolment requests", err)
}

// AskingHosts are those of some host names that have a request, whatever its state.
func (d *DB) AskingHosts(ctx context.Context, hosts []string) (asking []string, err error) {
	err = d.read(ctx).Model(&EnrolRequest{}).Where("state IN ? AND hostname IN ?", EnrolStates, hosts).Distinct().Pluck("hostname", &asking).Error
	return asking, translate("find enrolment requests", err)
}

// DeleteEnrolRequestsOf removes all requests for host names, whatever their state, and says how many.
func (d *DB) DeleteEnrolRequestsOf(ctx context.Context, hosts []string) (int64, error) {
	g := d.write(ctx).Where("hostname IN ?", hosts).Delete(&EnrolRequest{})
	return g.RowsAffected, translate("delete enrolment requests", g.Error)
}

// DropWaiting removes a request that still waits, and reports whether it did.
func (d *DB) DropWaiting(ctx context.Context, id int64) (bool, error) {
	g := d.write(ctx).Where("id = ? AND state = ?", id, EnrolWaiting).Delete(&EnrolRequest{})
	return g.RowsAffected == 1, translate("drop an enrolment request", g.Error)
}

// DeleteEnrolRequestsBefore removes at most limit requests in a state whose agents were last heard of before a time, and
// says how many.
func (d *DB) DeleteEnrolRequestsBefore(ctx context.Context, state EnrolState, before time.Time, limit int) (int64, error) {
	var ids []int64
	err := d.read(ctx).Model(&EnrolRequest{}).Where("state = ? AND seen_at < ?", state, before).Order("seen_at").Limit(limit).Pluck("id", &ids).Error
	if err != nil || len(ids) == 0 {
		return 0, translate("find old enrolment requests", err)
	}
	g := d.write(ctx).Where("id IN ?", ids).Delete(&EnrolRequest{})
	return g.RowsAffected, translate("delete old enrolment requests", g.Error)
}
