package db

import (
	"context"
	"time"
)

// Draft is a wizard run that a person can leave and take up again in any browser. It never holds a secret.
type Draft struct {
	ID          int64 `gorm:"primaryKey"`
	Version     int   // grows with every save
	Step        string
	Cluster     string
	Hosts       string // as typed
	Method      string // "ssh" or "manual"
	SSHUser     string `gorm:"column:ssh_user"`
	SSHPort     int    `gorm:"column:ssh_port"`
	SSHBecome   string `gorm:"column:ssh_become"` // how the user becomes root; "" for the default
	JumpHost    string // through which the hosts are reached; "" for none
	JumpUser    string
	JumpPort    int
	Versions    string // where hosts get the agent from, as JSON; "" for all from the server
	Review      string // steps that an earlier one changed after they were done, separated by commas
	Parallel    int    // hosts at a time; 0 for the default
	Logins      string // further ways to log in, by name, as JSON, without their secrets
	CheckID     *int64 // the operation that checked the connections
	OperationID *int64
	HostCheckID *int64 // the operation that checked its hosts last
	CreatedBy   string
	FinishedAt  *time.Time
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// CreateDraft stores a new draft.
func (d *DB) CreateDraft(ctx context.Context, w *Draft) error {
	return translate("create draft", d.write(ctx).Create(w).Error)
}

// Draft finds a draft; ErrNotFound when there is none.
func (d *DB) Draft(ctx context.Context, id int64) (*Draft, error) {
	var w Draft
	return &w, translate("find draft", d.read(ctx).Where("id = ?", id).Take(&w).Error)
}

// OpenDrafts reads the drafts that are not finished, last used first.
func (d *DB) OpenDrafts(ctx context.Context) ([]Draft, error) {
	var ws []Draft
	return ws, translate("read drafts", d.read(ctx).Where("finished_at IS NULL").Order("updated_at DESC").Limit(50).Find(&ws).Error)
}

// SaveDraft writes a draft that was read at its Version; ErrStale when somebody saved it meanwhile.
func (d *DB) SaveDraft(ctx context.Context, w *Draft) error {
	g := d.write(ctx).Model(&Draft{}).Where("id = ? AND version = ?", w.ID, w.Version).Updates(map[string]any{
		"version": w.Version + 1, "step": w.Step, "cluster": w.Cluster, "hosts": w.Hosts, "method": w.Method,
		"ssh_user": w.SSHUser, "ssh_port": w.SSHPort,
		"ssh_become": w.SSHBecome, "jump_host": w.JumpHost, "jump_user": w.JumpUser, "jump_port": w.JumpPort,
		"versions": w.Versions, "review": w.Review, "parallel": w.Parallel, "logins": w.Logins,
		"check_id": w.CheckID, "operation_id": w.OperationID, "host_check_id": w.HostCheckID, "finished_at": w.FinishedAt,
	})
	if g.Error != nil {
		return translate("save draft", g.Error)
	}
	if g.RowsAffected == 0 {
		return translate("save draft", ErrStale)
	}
	w.Version++
	return nil
}

// DeleteDraft discards a draft.
func (d *DB) DeleteDraft(ctx context.Context, id int64) error {
	return changed("delete draft", d.write(ctx).Where("id = ?", id).Delete(&Draft{}))
}
