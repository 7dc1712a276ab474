package db

import (
	"context"
	"time"
)

// Mirror is a channel of a repository that is kept as an upstream is.
type Mirror struct {
	ID          int64 `gorm:"primaryKey"`
	Repository  string
	Channel     string
	Definition  []byte     // JSON, known to package mirror; never a secret
	OperationID *int64     // of its last run
	NextAt      *time.Time // when it is due; nil when only people start it
	CreatedBy   string
	CreatedAt   time.Time
}

// maxMirrors bounds how many are listed.
const maxMirrors = 1000

// Mirrors reads those of a repository, or all when it is "".
func (d *DB) Mirrors(ctx context.Context, repository string) ([]Mirror, error) {
	g := d.read(ctx).Order("repository, channel").Limit(maxMirrors)
	if repository != "" {
		g = g.Where("repository = ?", repository)
	}
	var ms []Mirror
	return ms, translate("read mirrors", g.Find(&ms).Error)
}

// DueMirrors reads those whose time has come, the longest ago first.
func (d *DB) DueMirrors(ctx context.Context, now time.Time) ([]Mirror, error) {
	var ms []Mirror
	return ms, translate("read mirrors", d.read(ctx).Where("next_at <= ?", now).Order("next_at").Limit(maxMirrors).Find(&ms).Error)
}

// Mirror finds one; ErrNotFound when there is none.
func (d *DB) Mirror(ctx context.Context, id int64) (*Mirror, error) {
	var m Mirror
	return &m, translate("find mirror", d.read(ctx).Where("id = ?", id).Take(&m).Error)
}

// CreateMirror stores one; ErrDuplicate when its channel has one already.
func (d *DB) CreateMirror(ctx context.Context, m *Mirror) error {
	return translate("store mirror", d.write(ctx).Create(m).Error)
}

// SaveMirror stores what may change of one: its definition, its last run and its next time.
func (d *DB) SaveMirror(ctx context.Context, m *Mirror) error {
	g := d.write(ctx).Model(&Mirror{ID: m.ID}).Select("definition", "operation_id", "next_at").Updates(m)
	return changed("save mirror", g)
}

// DeleteMirror removes one and returns it; ErrNotFound when there is none.
func (d *DB) DeleteMirror(ctx context.Context, id int64) (*Mirror, error) {
	var m Mirror
	err := d.Tx(ctx, func(tx *DB) error {
		if err := tx.read(ctx).Where("id = ?", id).Take(&m).Error; err != nil {
			return translate("find mirror", err)
		}
		return changed("remove mirror", tx.write(ctx).Delete(&Mirror{}, id))
	})
	return &m, err
}

// DeleteMirrorsOf removes those of a repository.
func (d *DB) DeleteMirrorsOf(ctx context.Context, repository string) error {
	return translate("remove mirrors", d.write(ctx).Where("repository = ?", repository).Delete(&Mirror{}).Error)
}
