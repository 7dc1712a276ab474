package db

import (
	"cmp"
	"context"
	"slices"
	"time"

	"hostler/agent/wire"
)

// JobState is the state of a job.
type JobState string

// The states of a job.
const (
	JobQueued    JobState = "queued"    // waits for its host to report
	JobDelivered JobState = "delivered" // handed to the agent at least once
	JobRunning   JobState = "running"   // the agent says that it has taken it over
	JobSucceeded JobState = "succeeded"
	JobFailed    JobState = "failed"
	JobTimedOut  JobState = "timed_out"
	JobCanceled  JobState = "canceled"
	JobExpired   JobState = "expired" // did not reach its host in time: it certainly did not run
	JobLost      JobState = "lost"    // reached its host, and nobody knows how it ended
)

// JobStates lists all states in the order of a job's life.
var JobStates = []JobState{JobQueued, JobDelivered, JobRunning, JobSucceeded, JobFailed, JobTimedOut, JobCanceled, JobExpired, JobLost}

// openJobs are the states in which a result is still to come.
var openJobs = []JobState{JobQueued, JobDelivered, JobRunning}

// Ended reports whether nothing more is to come; a late result still corrects a lost job.
func (s JobState) Ended() bool { return !slices.Contains(openJobs, s) }

// jobOutcomes are the states that the error codes of results stand for; those that are missing mean JobFailed.
var jobOutcomes = map[int]JobState{
	wire.ErrCodeOK: JobSucceeded, wire.ErrCodeTimeout: JobTimedOut, wire.ErrCodeCanceled: JobCanceled,
	wire.ErrCodeExpired: JobExpired, wire.ErrCodeUnknown: JobLost,
}

// JobOutcome is the state that the error code of a result stands for.
func JobOutcome(errCode int) JobState {
	if s, ok := jobOutcomes[errCode]; ok {
		return s
	}
	return JobFailed
}

// Job is one piece of work for one host.
type Job struct {
	ID     string `gorm:"primaryKey"` // UUID version 7: they sort as they were made
	HostID int64
	Action string
	// Payload is what the agent gets, with whatever secrets it needs. One without an action stands for that of the
	// job's operation; see OperationJob.
	Payload           wire.Job `gorm:"serializer:json"`
	State             JobState
	ErrCode           int
	Message           string
	CreatedBy         string
	CreatedAt         time.Time
	DeliveredAt       *time.Time // for the first time
	FinishedAt        *time.Time
	OperationID       *int64
	TaskID            *int64
	Superseded        bool       // a retry of its task has another job
	Detail            string     // what it is about, never a secret: a child agent's name, a path
	Content           string     // hex SHA-256 of the file that a push delivers
	Timeout           int        // seconds
	Keep              int64      // bytes of each output stream that are kept at most
	ExpiresAt         *time.Time // the agent must have it by then; nil: some time
	DeadlineAt        *time.Time // of a delivered job: without a result by then it is lost
	StartedAt         *time.Time // when the agent was first heard to have it
	CancelRequestedAt *time.Time
	ExitCode          *int
	StdoutSize        int64 // bytes written, kept or not, as far as is known
	StderrSize        int64
	StdoutKept        int64 // bytes in the database
	StderrKept        int64
	Elapsed           int64  // milliseconds
	OutputHash        string // hex SHA-256 of what is kept of both streams; "" when that is nothing
	FileName          string // what a fetch brought; "" for nothing
	FileSize          int64
	FileChecksum      string // hex SHA-256
}

// OperationJob is the payload that the jobs of an operation share.
type OperationJob struct {
	OperationID int64    `gorm:"primaryKey;autoIncrement:false"`
	Payload     wire.Job `gorm:"serializer:json"`
}

// CreateJob queues a job and makes it the one of its task that counts. One that is there already stays as it is; created
// is false then.
func (d *DB) CreateJob(ctx context.Context, j *Job) (created bool, err error) {
	err = d.Tx(ctx, func(tx *DB) error {
		var there int64 // the rows that an insert affects do not tell: MySQL counts those it found
		if err := tx.read(ctx).Model(&Job{}).Where("id = ?", j.ID).Count(&there).Error; err != nil || there > 0 {
			return translate("queue job", err)
		}
		if j.TaskID != nil {
			err := tx.write(ctx).Model(&Job{}).Where("task_id = ? AND id <> ? AND superseded = ?", *j.TaskID, j.ID, false).
				Update("superseded", true).Error
			if err != nil {
				return translate("queue job", err)
			}
		}
		created = true
		return translate("queue job", tx.write(ctx).Create(j).Error)
	})
	return created, err
}

// CreateOperationJob stores the payload that the jobs of an operation share.
func (d *DB) CreateOperationJob(ctx context.Context, j *OperationJob) error {
	return translate("store an operation's job", d.write(ctx).Create(j).Error)
}

// OperationJob finds the payload that the jobs of an operation share; ErrNotFound when there is none.
func (d *DB) OperationJob(ctx context.Context, operationID int64) (*OperationJob, error) {
	var j OperationJob
	err := d.read(ctx).Where("operation_id = ?", operationID).Take(&j).Error
	return &j, translate("find an operation's job", err)
}

// DeleteOperationJobsBefore removes what the jobs of operations that ended before a time shared, and says how many: a script
// may hold secrets, and nobody needs it any more.
func (d *DB) DeleteOperationJobsBefore(ctx context.Context, before time.Time) (int64, error) {
	ended := d.read(ctx).Model(&Operation{}).Select("id").Where("finished_at < ?", before)
	g := d.write(ctx).Where("operation_id IN (?)", ended).Delete(&OperationJob{})
	return g.RowsAffected, translate("delete old jobs of operations", g.Error)
}

// OpenJobs reads the jobs of a host that have no result, oldest first, without their payloads.
func (d *DB) OpenJobs(ctx context.Context, hostID int64, limit int) ([]Job, error) {
	var js []Job
	// In the order of the index: by the ids alone all jobs that the host ever had would be looked at.
	err := d.read(ctx).Omit("payload").Where("host_id = ? AND state IN ?", hostID, openJobs).Order("state, id").Limit(limit).Find(&js).Error
	slices.SortFunc(js, func(a, b Job) int { return cmp.Compare(a.ID, b.ID) })
	return js, translate("read jobs", err)
}

// JobPayloads reads the payloads of jobs by their ids.
func (d *DB) JobPayloads(ctx context.Context, ids []string) (map[string]wire.Job, error) {
	var js []Job
	if err := d.read(ctx).Select("id", "payload").Where("id IN ?", ids).Find(&js).Error; err != nil {
		return nil, translate("read jobs", err)
	}
	payloads := make(map[string]wire.Job, len(js))
	for _, j := range js {
		payloads[j.ID] = j.Payload
	}
	return payloads, nil
}

// HostsWithOpenJobs lists the hosts that have jobs without a result.
func (d *DB) HostsWithOpenJobs(ctx context.Context) ([]int64, error) {
	var ids []int64
	err := d.read(ctx).Model(&Job{}).Where("state IN ?", openJobs).Distinct().Pluck("host_id", &ids).Error
	return ids, translate("read jobs", err)
}

// JobByID finds a job with its payload; ErrNotFound when there is none.
func (d *DB) JobByID(ctx context.Context, id string) (*Job, error) {
	var j Job
	return &j, translate("find job", d.read(ctx).Where("id = ?", id).Take(&j).Error)
}

// Job finds a job without its payload; ErrNotFound when there is none.
func (d *DB) Job(ctx context.Context, id string) (*Job, error) {
	var j Job
	return &j, translate("find job", d.read(ctx).Omit("payload").Where("id = ?", id).Take(&j).Error)
}

// Delivery is the handing over of one job.
type Delivery struct {
	ID       string
	Deadline time.Time // for its result
}

// MarkDelivered notes the first delivery of jobs and returns the ids of those that were still queued: no others may be
// handed over, because they may have been canceled or have expired meanwhile.
func (d *DB) MarkDelivered(ctx context.Context, jobs []Delivery, now time.Time) (marked []string, err error) {
	err = d.Tx(ctx, func(tx *DB) error {
		marked = nil
		for _, j := range jobs {
			g := tx.write(ctx).Model(&Job{}).
				Where("id = ? AND state = ? AND (expires_at IS NULL OR expires_at > ?)", j.ID, JobQueued, now).
				Updates(map[string]any{"state": JobDelivered, "delivered_at": now, "deadline_at": j.Deadline})
			if g.Error != nil {
				return translate("mark jobs delivered", g.Error)
			}
			if g.RowsAffected > 0 {
				marked = append(marked, j.ID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return marked, nil
}

// MarkRunning notes that the agent of a host has taken jobs over, and returns how many of them it had not before.
func (d *DB) MarkRunning(ctx context.Context, hostID int64, ids []string, now time.Time) (int64, error) {
	g := d.write(ctx).Model(&Job{}).Where("id IN ? AND host_id = ? AND state = ?", ids, hostID, JobDelivered).
		Updates(map[string]any{"state": JobRunning, "started_at": now})
	return g.RowsAffected, translate("mark jobs running", g.Error)
}

// FinishJob records a result for a host's job. It reports false when the job is not the host's or has one; a job that
// was given up as lost takes one that knows more.
func (d *DB) FinishJob(ctx context.Context, hostID int64, r wire.JobResult, now time.Time) (bool, error) {
	set := map[string]any{
		"state": JobOutcome(r.ErrCode), "err_code": r.ErrCode, "message": r.Message, "finished_at": now,
		"exit_code": r.ExitCode, "elapsed": r.Elapsed,
	}
	if r.Stdout > 0 {
		set["stdout_size"] = r.Stdout
	}
	if r.Stderr > 0 {
		set["stderr_size"] = r.Stderr
	}
	g := d.write(ctx).Model(&Job{}).Where("id = ? AND host_id = ?", r.ID, hostID)
	if r.ErrCode == wire.ErrCodeUnknown {
		g = g.Where("state IN ?", openJobs)
	} else {
		g = g.Where("state IN ?", append(slices.Clone(openJobs), JobLost))
	}
	g = g.Updates(set)
	return g.RowsAffected > 0, translate("record job result", g.Error)
}

// CancelQueuedJob ends a job that its agent has not got, and reports whether it did.
func (d *DB) CancelQueuedJob(ctx context.Context, id, message string, now time.Time) (bool, error) {
	g := d.write(ctx).Model(&Job{}).Where("id = ? AND state = ?", id, JobQueued).Updates(map[string]any{
		"state": JobCanceled, "err_code": wire.ErrCodeCanceled, "message": message, "finished_at": now, "cancel_requested_at": now,
	})
	return g.RowsAffected > 0, translate("cancel job", g.Error)
}

// RequestCancel notes that a job which its agent has is to end, and that its result must be there by deadline. It
// reports whether that is news.
func (d *DB) RequestCancel(ctx context.Context, id string, now, deadline time.Time) (bool, error) {
	g := d.write(ctx).Model(&Job{}).
		Where("id = ? AND state IN ? AND cancel_requested_at IS NULL", id, []JobState{JobDelivered, JobRunning}).
		Updates(map[string]any{"cancel_requested_at": now, "deadline_at": deadline})
	return g.RowsAffected > 0, translate("cancel job", g.Error)
}

// ExpiredJobs finds at most limit jobs that were not handed over in time, without their payloads.
func (d *DB) ExpiredJobs(ctx context.Context, now time.Time, limit int) ([]Job, error) {
	var js []Job
	err := d.read(ctx).Omit("payload").Where("state = ? AND expires_at <= ?", JobQueued, now).Order("expires_at").Limit(limit).Find(&js).Error
	return js, translate("find expired jobs", err)
}

// OverdueJobs finds at most limit delivered jobs whose results are missing, without their payloads.
func (d *DB) OverdueJobs(ctx context.Context, now time.Time, limit int) ([]Job, error) {
	var js []Job
	err := d.read(ctx).Omit("payload").Where("state IN ? AND deadline_at <= ?", []JobState{JobDelivered, JobRunning}, now).
		Order("deadline_at").Limit(limit).Find(&js).Error
	return js, translate("find overdue jobs", err)
}

// ExpireJob ends a job that is still queued, and reports whether it was.
func (d *DB) ExpireJob(ctx context.Context, id, message string, now time.Time) (bool, error) {
	g := d.write(ctx).Model(&Job{}).Where("id = ? AND state = ?", id, JobQueued).Updates(map[string]any{
		"state": JobExpired, "err_code": wire.ErrCodeExpired, "message": message, "finished_at": now,
	})
	return g.RowsAffected > 0, translate("expire job", g.Error)
}

// LoseJob gives up a job that its agent has got and whose deadline is over, and reports whether it was still so.
func (d *DB) LoseJob(ctx context.Context, id, message string, now time.Time) (bool, error) {
	g := d.write(ctx).Model(&Job{}).
		Where("id = ? AND state IN ? AND deadline_at <= ?", id, []JobState{JobDelivered, JobRunning}, now).
		Updates(map[string]any{"state": JobLost, "err_code": wire.ErrCodeUnknown, "message": message, "finished_at": now})
	return g.RowsAffected > 0, translate("give up job", g.Error)
}

// ExtendJob moves the deadline of a job that its agent is known to work on.
func (d *DB) ExtendJob(ctx context.Context, id string, deadline time.Time) error {
	g := d.write(ctx).Model(&Job{}).Where("id = ? AND state IN ?", id, []JobState{JobDelivered, JobRunning}).Update("deadline_at", deadline)
	return translate("extend job", g.Error)
}

// SetJobFile notes what a fetch brought.
func (d *DB) SetJobFile(ctx context.Context, id, name string, size int64, checksum string) error {
	return translate("note a job's file", d.write(ctx).Model(&Job{}).Where("id = ?", id).
		Updates(map[string]any{"file_name": name, "file_size": size, "file_checksum": checksum}).Error)
}
