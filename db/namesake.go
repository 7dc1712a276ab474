package db

import (
	"context"
	"time"

	"gorm.io/gorm/clause"
)

// KeptNamesake is a host that somebody has said may share its name with others.
type KeptNamesake struct {
	Hostname string `gorm:"primaryKey"`
	AgentSN  string `gorm:"column:agent_sn;primaryKey"`
	KeptBy   string
	KeptAt   time.Time
}

// KeepNamesakes stores that hosts may share their names. Those that are stored already stay as they are.
func (d *DB) KeepNamesakes(ctx context.Context, ks []KeptNamesake) error {
	return translate("keep namesakes", d.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&ks).Error)
}

// KeptNamesakes are the hosts of these names that may share them, by serial number.
func (d *DB) KeptNamesakes(ctx context.Context, names []string) (map[string]KeptNamesake, error) {
	var ks []KeptNamesake
	err := d.read(ctx).Where("hostname IN ?", names).Find(&ks).Error
	kept := make(map[string]KeptNamesake, len(ks))
	for _, k := range ks {
		kept[k.AgentSN] = k
	}
	return kept, translate("read namesakes", err)
}
