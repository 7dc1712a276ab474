package db

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm/clause"

	"hostler/agent/wire"
)

// HostCheck is what a host's last check found.
type HostCheck struct {
	HostID      int64 `gorm:"primaryKey;autoIncrement:false"`
	OperationID int64
	JobID       string
	CheckedAt   time.Time
	Findings    *wire.Findings `gorm:"serializer:json"`
}

// KeepHostCheck stores what was found, in place of what the check before found.
func (d *DB) KeepHostCheck(ctx context.Context, c *HostCheck) error {
	err := d.write(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "host_id"}},
		DoUpdates: clause.AssignmentColumns([]string{"operation_id", "job_id", "checked_at", "findings"}),
	}).Create(c).Error
	return translate("store a host's check", err)
}

// HostCheckHeads reads all hosts' last checks without what they found.
func (d *DB) HostCheckHeads(ctx context.Context) (all []HostCheck, err error) {
	return all, translate("read which hosts were checked", d.read(ctx).Omit("findings").Find(&all).Error)
}

// HostChecks reads the last checks of hosts; those that were never checked have none.
func (d *DB) HostChecks(ctx context.Context, hostIDs []int64) ([]HostCheck, error) {
	var all []HostCheck
	for some := range slices.Chunk(hostIDs, 500) {
		var found []HostCheck
		if err := d.read(ctx).Where("host_id IN ?", some).Find(&found).Error; err != nil {
			return nil, translate("read the hosts' checks", err)
		}
		all = append(all, found...)
	}
	return all, nil
}
