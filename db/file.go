package db

import (
	"context"
	"time"

	"gorm.io/gorm/clause"
)

// File is a file that was uploaded to be pushed to hosts.
type File struct {
	Checksum  string `gorm:"primaryKey"` // hex SHA-256 of its content
	Size      int64
	CreatedBy string
	CreatedAt time.Time
	UsedAt    time.Time // when it was last uploaded, or an operation with it started
}

// CreateFile records an uploaded file; one that is there already counts as used now.
func (d *DB) CreateFile(ctx context.Context, f *File) error {
	return translate("record file", d.write(ctx).Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "checksum"}}, DoUpdates: clause.AssignmentColumns([]string{"used_at"}),
	}).Create(f).Error)
}

// UseFile finds a file and keeps it from being removed for a while; ErrNotFound when there is none.
func (d *DB) UseFile(ctx context.Context, checksum string, now time.Time) (*File, error) {
	if err := changed("find file", d.write(ctx).Model(&File{}).Where("checksum = ?", checksum).Update("used_at", now)); err != nil {
		return nil, err
	}
	var f File
	return &f, translate("find file", d.read(ctx).Where("checksum = ?", checksum).Take(&f).Error)
}

// UnusedFiles lists at most limit files that were not used since a time and that no job names.
func (d *DB) UnusedFiles(ctx context.Context, since time.Time, limit int) ([]string, error) {
	var sums []string
	err := d.read(ctx).Model(&File{}).Where("used_at < ?", since).
		Where("NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.content = files.checksum)").
		Order("used_at").Limit(limit).Pluck("checksum", &sums).Error
	return sums, translate("find unused files", err)
}

// DeleteUnusedFile removes a file's record unless it is used again, and reports whether it did.
func (d *DB) DeleteUnusedFile(ctx context.Context, checksum string, since time.Time) (bool, error) {
	g := d.write(ctx).Where("checksum = ? AND used_at < ?", checksum, since).
		Where("NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.content = files.checksum)").Delete(&File{})
	return g.RowsAffected > 0, translate("delete unused file", g.Error)
}

// KnownJobs returns those of the ids that jobs have.
func (d *DB) KnownJobs(ctx context.Context, ids []string) (map[string]bool, error) {
	known := map[string]bool{}
	var found []string
	if err := d.read(ctx).Model(&Job{}).Where("id IN ?", ids).Pluck("id", &found).Error; err != nil {
		return nil, translate("find jobs", err)
	}
	for _, id := range found {
		known[id] = true
	}
	return known, nil
}

// KnownFiles returns those of the checksums that uploaded files have.
func (d *DB) KnownFiles(ctx context.Context, checksums []string) (map[string]bool, error) {
	known := map[string]bool{}
	var found []string
	if err := d.read(ctx).Model(&File{}).Where("checksum IN ?", checksums).Pluck("checksum", &found).Error; err != nil {
		return nil, translate("find files", err)
	}
	for _, sum := range found {
		known[sum] = true
	}
	return known, nil
}
