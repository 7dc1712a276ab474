package db

import "context"

// Target is what a task works on that has not ended.
type Target struct {
	Name        string
	OperationID int64
}

// OpenTargets reads what the tasks of all operations of a kind work on that have not ended, by name.
func (d *DB) OpenTargets(ctx context.Context, kind string) ([]Target, error) {
	open := []State{Pending, Running, Waiting}
	var ts []Target
	err := d.read(ctx).Model(&Task{}).Select("tasks.name, tasks.operation_id").
		Joins("JOIN operations ON operations.id = tasks.operation_id").
		Where("operations.kind = ? AND operations.state IN ? AND tasks.state IN ?", kind, open, open).
		Order("tasks.name, tasks.operation_id").Scan(&ts).Error
	return ts, translate("read open tasks", err)
}
