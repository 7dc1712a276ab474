package db

import "context"

// PretendNewer makes the database look as if a newer program had migrated it.
func (d *DB) PretendNewer(ctx context.Context) error {
	return d.write(ctx).Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)").Error
}

// MigrateTo brings the schema to a version, also to an older one.
func (d *DB) MigrateTo(ctx context.Context, version int64) error {
	p, err := d.provider()
	if err != nil {
		return err
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if have > version {
		_, err = p.DownTo(ctx, version)
	} else {
		_, err = p.UpTo(ctx, version)
	}
	return err
}

// Execute runs one statement.
func (d *DB) Execute(ctx context.Context, statement string, args ...any) error {
	return d.write(ctx).Exec(statement, args...).Error
}
