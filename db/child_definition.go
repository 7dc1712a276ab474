package db

import (
	"context"
	"time"

	"gorm.io/gorm/clause"
)

// ChildDefinition is a version of a child agent that was installed on some host, so that it can be installed on others.
type ChildDefinition struct {
	Name       string    `gorm:"primaryKey" json:"name"`
	Version    string    `gorm:"primaryKey" json:"version"` // "" when nobody said it
	URL        string    `json:"url"`
	Checksum   string    `json:"checksum"`   // "SHA256:<hex>"
	Definition string    `json:"definition"` // "" when the package brings one
	UsedBy     string    `json:"used_by"`
	UsedAt     time.Time `json:"used_at"`
}

// maxDefinitions bounds how many are listed.
const maxDefinitions = 1000

// RememberChildDefinition stores what was installed, in place of what was known of this version.
func (d *DB) RememberChildDefinition(ctx context.Context, c *ChildDefinition) error {
	err := d.write(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "name"}, {Name: "version"}},
		DoUpdates: clause.AssignmentColumns([]string{"url", "checksum", "definition", "used_by", "used_at"}),
	}).Create(c).Error
	return translate("remember a child agent", err)
}

// ChildDefinitions lists what was installed, by name, of each name the last used version first.
func (d *DB) ChildDefinitions(ctx context.Context) ([]ChildDefinition, error) {
	var all []ChildDefinition
	return all, translate("read child agents", d.read(ctx).Order("name, used_at DESC, version").Limit(maxDefinitions).Find(&all).Error)
}

// ChildDefinition finds a version that was installed; of an empty version the last used one. ErrNotFound when there is none.
func (d *DB) ChildDefinition(ctx context.Context, name, version string) (*ChildDefinition, error) {
	g := d.read(ctx).Where("name = ?", name).Order("used_at DESC, version")
	if version != "" {
		g = g.Where("version = ?", version)
	}
	var c ChildDefinition
	return &c, translate("find a child agent", g.Take(&c).Error)
}

// ForgetChildDefinition takes a version off the list; ErrNotFound when it is not there.
func (d *DB) ForgetChildDefinition(ctx context.Context, name, version string) error {
	g := d.write(ctx).Where("name = ? AND version = ?", name, version).Delete(&ChildDefinition{})
	if g.Error == nil && g.RowsAffected == 0 {
		return ErrNotFound
	}
	return translate("forget a child agent", g.Error)
}
