package db

import (
	"context"
	"time"

	"hostler/agent/wire"
)

// JobState is the state of a job.
type JobState string

// The states of a job.
const (
	JobQueued    JobState = "queued"
	JobDelivered JobState = "delivered" // handed to the agent at least once
	JobSucceeded JobState = "succeeded"
	JobFailed    JobState = "failed"
)

// Job is one piece of work for one host.
type Job struct {
	ID          string `gorm:"primaryKey"` // UUID
	HostID      int64
	Action      string
	Payload     wire.Job `gorm:"serializer:json"`
	State       JobState
	ErrCode     int
	Message     string
	CreatedBy   string
	CreatedAt   time.Time
	DeliveredAt *time.Time
	FinishedAt  *time.Time
}

// CreateJob queues a job.
func (d *DB) CreateJob(ctx context.Context, j *Job) error {
	return translate("queue job", d.write(ctx).Create(j).Error)
}

// OpenJobs reads the jobs of a host that have no result, oldest first.
func (d *DB) OpenJobs(ctx context.Context, hostID int64) ([]Job, error) {
	var js []Job
	err := d.read(ctx).Where("host_id = ? AND state IN ?", hostID, []JobState{JobQueued, JobDelivered}).
		Order("created_at, id").Limit(100).Find(&js).Error
	return js, translate("read jobs", err)
}

// HostsWithOpenJobs lists the hosts that have jobs without a result.
func (d *DB) HostsWithOpenJobs(ctx context.Context) ([]int64, error) {
	var ids []int64
	err := d.read(ctx).Model(&Job{}).Where("state IN ?", []JobState{JobQueued, JobDelivered}).Distinct().Pluck("host_id", &ids).Error
	return ids, translate("read jobs", err)
}

// JobsOf reads the newest jobs of a host.
func (d *DB) JobsOf(ctx context.Context, hostID int64, limit int) ([]Job, error) {
	var js []Job
	return js, translate("read jobs", d.read(ctx).Where("host_id = ?", hostID).Order("created_at DESC, id").Limit(limit).Find(&js).Error)
}

// JobByID finds a job; ErrNotFound when there is none.
func (d *DB) JobByID(ctx context.Context, id string) (*Job, error) {
	var j Job
	return &j, translate("find job", d.read(ctx).Where("id = ?", id).Take(&j).Error)
}

// MarkDelivered notes the first delivery of jobs.
func (d *DB) MarkDelivered(ctx context.Context, ids []string, now time.Time) error {
	return translate("mark jobs delivered", d.write(ctx).Model(&Job{}).Where("id IN ? AND state = ?", ids, JobQueued).
		Updates(map[string]any{"state": JobDelivered, "delivered_at": now}).Error)
}

// FinishJob records a result for a host's job. It reports false when the job is not the host's or has one.
func (d *DB) FinishJob(ctx context.Context, hostID int64, r wire.JobResult, now time.Time) (bool, error) {
	state := JobSucceeded
	if r.ErrCode != wire.ErrCodeOK {
		state = JobFailed
	}
	g := d.write(ctx).Model(&Job{}).
		Where("id = ? AND host_id = ? AND state IN ?", r.ID, hostID, []JobState{JobQueued, JobDelivered}).
		Updates(map[string]any{"state": state, "err_code": r.ErrCode, "message": r.Message, "finished_at": now})
	return g.RowsAffected > 0, translate("record job result", g.Error)
}
