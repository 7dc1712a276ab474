package db

import (
	"context"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm/clause"

	"hostler/agent/wire"
)

// HostState says what is known of a host's agent.
type HostState string

// The states of a host.
const (
	HostInit      HostState = "init"      // enrolled or registered, no heartbeat yet
	HostWaiting   HostState = "waiting"   // waits for a person, for example an approval
	HostHealthy   HostState = "healthy"   // heartbeats arrive in time
	HostUnhealthy HostState = "unhealthy" // heartbeats arrive and report a child agent that is fatal or killed
	HostLost      HostState = "lost"      // heartbeats stopped
)

// HostStates lists all states in the order of harm, worst first.
var HostStates = []HostState{HostLost, HostUnhealthy, HostWaiting, HostInit, HostHealthy}

// Host is a machine. The agent's serial number is its identity; the name is what it is called.
type Host struct {
	ID           int64  `gorm:"primaryKey"`
	AgentSN      string `gorm:"column:agent_sn"` // UUID, unique
	Name         string // lower case; what the operator called it
	FQDN         string `gorm:"column:fqdn"` // what the host calls itself
	Cluster      string
	Address      string // the address its last connection came from
	State        HostState
	Tags         string
	OSName       string `gorm:"column:os_name"`
	Arch         string
	AgentVersion string
	Facts        *wire.Facts `gorm:"serializer:json"`
	Step         int         // seconds between heartbeats; 0: the server's default
	Trusts       string      // the beginnings of the pins of the authorities that it says it trusts; "" for the one that it was set up with
	CertifiedBy  string      // likewise of the authority that signed the certificate it shows
	// RepositoryKeys are the beginnings of the fingerprints of the signing keys that its package managers trust, and "-" where none asks
	// for one; "" when it has not said.
	RepositoryKeys string
	TaskID         *int64     // the bootstrap task whose token enrolled it
	DraftID        *int64     // the wizard draft whose token enrolled it
	StartedAt      *time.Time // when the agent process started
	LastSeenAt     *time.Time
	RegisteredAt   *time.Time
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// HostQuery filters and pages hosts, ordered by name and id.
type HostQuery struct {
	State  HostState // "" for all
	Search string    // part of a name, the address or the system's name
	After  HostKey   // the last row of the page before
	Limit  int       // rows; 0 means 100, at most 1000
}

// HostKey is a place in the list of hosts.
type HostKey struct {
	Name string
	ID   int64
}

// UpsertHost inserts a host or replaces what registration tells of it, found by its serial number; h.ID is
// set in either case.
func (d *DB) UpsertHost(ctx context.Context, h *Host) error { return d.UpsertHosts(ctx, []*Host{h}) }

// UpsertHosts is UpsertHost for several, all or none. Of two with one serial number the later one counts.
func (d *DB) UpsertHosts(ctx context.Context, hs []*Host) error {
	err := d.Tx(ctx, func(tx *DB) error {
		for some := range slices.Chunk(hs, 100) {
			if err := tx.upsertHosts(ctx, some); err != nil {
				return err
			}
		}
		return nil
	})
	return translate("store hosts", err)
}

func (d *DB) upsertHosts(ctx context.Context, hs []*Host) error {
	rows, sns := make([]Host, len(hs)), make([]string, len(hs))
	for i, h := range hs {
		rows[i], sns[i] = *h, h.AgentSN
	}
	err := d.write(ctx).Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "agent_sn"}},
		DoUpdates: clause.AssignmentColumns([]string{
			"name", "fqdn", "cluster", "address", "state", "tags", "os_name", "arch",
			"agent_version", "facts", "task_id", "draft_id", "registered_at", "updated_at",
		}),
	}).Create(rows).Error
	if err != nil {
		return err
	}
	// MySQL reports other ids when rows were there already.
	rows = nil
	if err := d.read(ctx).Select("id", "agent_sn").Where("agent_sn IN ?", sns).Find(&rows).Error; err != nil {
		return err
	}
	ids := make(map[string]int64, len(rows))
	for _, row := range rows {
		ids[row.AgentSN] = row.ID
	}
	for _, h := range hs {
		h.ID = ids[h.AgentSN]
	}
	return nil
}

// HostByID finds a host; ErrNotFound when there is none.
func (d *DB) HostByID(ctx context.Context, id int64) (*Host, error) {
	var h Host
	return &h, translate("find host", d.read(ctx).Where("id = ?", id).Take(&h).Error)
}

// HostBySN finds a host by its agent's serial number; ErrNotFound when there is none.
func (d *DB) HostBySN(ctx context.Context, sn string) (*Host, error) {
	var h Host
	return &h, translate("find host", d.read(ctx).Where("agent_sn = ?", sn).Take(&h).Error)
}

// HostByName finds the host of a name that was seen last; ErrNotFound when there is none.
func (d *DB) HostByName(ctx context.Context, name string) (*Host, error) {
	var h Host
	err := d.read(ctx).Where("name = ?", name).Order("last_seen_at DESC, id DESC").Take(&h).Error
	return &h, translate("find host", err)
}

// Namesake finds the host of a name, seen last, whose serial number is another; ErrNotFound when there is none.
func (d *DB) Namesake(ctx context.Context, name, sn string) (*Host, error) {
	var h Host
	err := d.read(ctx).Where("name = ? AND agent_sn <> ?", name, sn).Order("last_seen_at DESC, id DESC").Take(&h).Error
	return &h, translate("find host", err)
}

// AllHosts reads every host; used once, when the in-memory table is filled at start.
func (d *DB) AllHosts(ctx context.Context) ([]Host, error) {
	var hs []Host
	return hs, translate("read hosts", d.read(ctx).Order("name, id").Find(&hs).Error)
}

// Hosts reads one page; next is nil on the last one.
func (d *DB) Hosts(ctx context.Context, q HostQuery) (hosts []Host, next *HostKey, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, 1000)
	g := d.read(ctx).Order("name, id").Limit(limit + 1)
	if q.State != "" {
		g = g.Where("state = ?", q.State)
	}
	if q.Search != "" {
		like := "%" + escapeLike(q.Search) + "%"
		g = g.Where("name LIKE ? ESCAPE '!' OR fqdn LIKE ? ESCAPE '!' OR address LIKE ? ESCAPE '!' OR os_name LIKE ? ESCAPE '!'", like, like, like, like)
	}
	if q.After != (HostKey{}) {
		g = g.Where("name > ? OR (name = ? AND id > ?)", q.After.Name, q.After.Name, q.After.ID)
	}
	if err := g.Find(&hosts).Error; err != nil {
		return nil, nil, translate("read hosts", err)
	}
	if len(hosts) > limit {
		hosts = hosts[:limit]
		last := hosts[limit-1]
		next = &HostKey{Name: last.Name, ID: last.ID}
	}
	return hosts, next, nil
}

// HostSeen is what a heartbeat, or its absence, changes in a host's row.
type HostSeen struct {
	ID         int64
	State      HostState
	LastSeenAt *time.Time // nil for a host that never sent one
	StartedAt  *time.Time
	Version    string
	Address    string

	Trusts, CertifiedBy, RepositoryKeys string
}

// FlushHosts writes what is new of many hosts in one transaction. Rows must be sorted by id: two servers that lock in
// the same order cannot deadlock.
func (d *DB) FlushHosts(ctx context.Context, rows []HostSeen) error {
	return d.Tx(ctx, func(tx *DB) error {
		for _, r := range rows {
			err := tx.write(ctx).Exec("UPDATE hosts SET state = ?, last_seen_at = ?, started_at = ?, agent_version = ?, address = ?, trusts = ?, certified_by = ?, repository_keys = ? WHERE id = ?",
				r.State, r.LastSeenAt, r.StartedAt, r.Version, r.Address, r.Trusts, r.CertifiedBy, r.RepositoryKeys, r.ID).Error
			if err != nil {
				return translate("store heartbeats", err)
			}
		}
		return nil
	})
}

// DeleteHost forgets a host with all that is of it alone: its child agents, jobs with their output, and checks. Operations, events
// and certificates stay: they are history. One that is not there is no error.
func (d *DB) DeleteHost(ctx context.Context, id int64) error {
	return translate("forget host", d.write(ctx).Delete(&Host{}, "id = ?", id).Error)
}

// SetHostStep sets a host's heartbeat interval in seconds.
func (d *DB) SetHostStep(ctx context.Context, id int64, step int) error {
	return translate("set host step", d.write(ctx).Model(&Host{ID: id}).Update("step", step).Error)
}

var likeEscaper = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

func escapeLike(s string) string { return likeEscaper.Replace(s) }
