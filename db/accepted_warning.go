package db

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm/clause"
)

// AcceptedWarning is what a check warns of on a host, of which somebody has said that it may stay.
type AcceptedWarning struct {
	HostID     int64  `gorm:"primaryKey;autoIncrement:false"`
	Check      string `gorm:"column:check_name;primaryKey"`
	Code       string `gorm:"primaryKey"` // what was found; a warning of something else is another one
	Reason     string
	AcceptedBy string
	AcceptedAt time.Time
}

// AcceptWarnings stores that warnings may stay. Those that are stored already stay as they are.
func (d *DB) AcceptWarnings(ctx context.Context, ws []AcceptedWarning) error {
	return translate("accept warnings", d.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(ws, 100).Error)
}

// UnacceptWarnings forgets that a check's warnings may stay on hosts.
func (d *DB) UnacceptWarnings(ctx context.Context, check string, hostIDs []int64) error {
	for some := range slices.Chunk(hostIDs, 500) {
		if err := d.write(ctx).Where("check_name = ? AND host_id IN ?", check, some).Delete(&AcceptedWarning{}).Error; err != nil {
			return translate("take back what was accepted", err)
		}
	}
	return nil
}

// AcceptedWarningHeads reads what may stay on all hosts, by host, without the reasons.
func (d *DB) AcceptedWarningHeads(ctx context.Context) (all []AcceptedWarning, err error) {
	g := d.read(ctx).Select("host_id", "check_name", "code").Order("host_id, check_name, code").Find(&all)
	return all, translate("read which warnings were accepted", g.Error)
}

// AcceptedWarnings reads what may stay on hosts.
func (d *DB) AcceptedWarnings(ctx context.Context, hostIDs []int64) ([]AcceptedWarning, error) {
	var all []AcceptedWarning
	for some := range slices.Chunk(hostIDs, 500) {
		var found []AcceptedWarning
		if err := d.read(ctx).Where("host_id IN ?", some).Find(&found).Error; err != nil {
			return nil, translate("read the accepted warnings", err)
		}
		all = append(all, found...)
	}
	return all, nil
}
