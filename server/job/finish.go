package job

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/clip"
	"hostler/server/event"
)

// MaxResults bounds the results in one message.
const MaxResults = 256

// Finish records results, all of them or none. A result for a job that is another host's, is unknown or has one
// already changes nothing and is acknowledged all the same, because sending it again would not help. A job that was
// given up as lost takes a late one. More than MaxResults are refused with a *wire.Error.
func (q *Queue) Finish(ctx context.Context, hostID int64, hostName string, results []wire.JobResult) error {
	if len(results) > MaxResults {
		return &wire.Error{
			Code: "too_many_results", Message: fmt.Sprintf("a message has %d results, and may have %d", len(results), MaxResults),
			Hint: "send them in several messages",
		}
	}
	if len(results) == 0 {
		return nil
	}
	var done []ending
	err := q.db.Tx(ctx, func(tx *db.DB) error {
		done = nil
		for _, r := range results {
			e, err := q.finish(ctx, tx, hostID, r)
			if err != nil {
				return err
			}
			if e.job != nil {
				done = append(done, e)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	q.ended(ctx, done, hostName)
	return nil
}

// ending is a job that has just ended.
type ending struct {
	job  *db.Job
	late bool // it was given up before
}

// finish records one result; the ending has no job when there was nothing to record.
func (q *Queue) finish(ctx context.Context, tx *db.DB, hostID int64, r wire.JobResult) (e ending, err error) {
	before, err := tx.Job(ctx, r.ID)
	if errors.Is(err, db.ErrNotFound) {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	r.Message, r.Elapsed = clip.Text(r.Message, 64<<10), max(0, r.Elapsed)
	if r.File != nil && r.ErrCode == wire.ErrCodeOK && !strings.EqualFold(r.File.Checksum, "SHA256:"+before.FileChecksum) {
		r.ErrCode, r.Message = wire.ErrCodeChecksum, "what the server has is not what the host sent"
	}
	recorded, err := tx.FinishJob(ctx, hostID, r, q.now())
	if err != nil || !recorded {
		return e, err
	}
	if before.StdoutKept+before.StderrKept > 0 {
		if err := tx.HashOutput(ctx, r.ID); err != nil {
			return e, err
		}
	}
	e.late = before.State == db.JobLost
	e.job, err = tx.Job(ctx, r.ID)
	return e, err
}

// ended tells the world of jobs of one host that have ended.
func (q *Queue) ended(ctx context.Context, done []ending, hostName string) {
	var events []db.Event
	for _, e := range done {
		q.observe(e.job)
		// An operation tells of its jobs itself, but not when a result comes after its end.
		if e.job.OperationID == nil || e.late {
			events = append(events, finishedEvent(e.job, hostName))
		}
	}
	q.events.RecordAll(ctx, events)
	for _, e := range done {
		q.changed(e.job, e.late)
	}
}

func finishedEvent(j *db.Job, hostName string) db.Event {
	severity := db.SeverityWarning
	if j.State == db.JobSucceeded || j.State == db.JobCanceled {
		severity = db.SeverityInfo
	}
	return db.Event{
		Kind: event.JobFinished, Severity: severity, HostID: &j.HostID, OperationID: j.OperationID,
		Params: map[string]string{
			"host": hostName, "job": j.ID, "action": j.Action, "detail": j.Detail, "state": string(j.State),
			"errcode": strconv.Itoa(j.ErrCode), "message": clip.Text(j.Message, 1000),
		},
	}
}

// ErrEnded means that a job has ended and cannot be canceled.
var ErrEnded = errors.New("the job has ended")

// Cancel ends a job: at once if its agent has not got it, and otherwise by telling the agent, again with every
// heartbeat until the result is there. Doing it twice is no error; ErrEnded when the job has a result.
func (q *Queue) Cancel(ctx context.Context, id, hostName string) (*db.Job, error) {
	now := q.now()
	done, err := q.db.CancelQueuedJob(ctx, id, "canceled before it was handed over", now)
	if err != nil {
		return nil, err
	}
	asked := false
	if !done {
		if asked, err = q.db.RequestCancel(ctx, id, now, now.Add(grace)); err != nil {
			return nil, err
		}
	}
	j, err := q.db.Job(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case done:
		q.ended(ctx, []ending{{job: j}}, hostName)
	case asked:
		q.changed(j, false)
		q.Wake(j.HostID)
	case j.State.Ended():
		return j, ErrEnded
	}
	return j, nil
}

// Duration sums up how long the jobs of an action took.
type Duration struct {
	Count   int64
	Seconds float64
}

// observe notes how long a job took on its host.
func (q *Queue) observe(j *db.Job) {
	if j.Elapsed <= 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	d := q.took[j.Action]
	if d == nil {
		d = &Duration{}
		q.took[j.Action] = d
	}
	d.Count++
	d.Seconds += (time.Duration(j.Elapsed) * time.Millisecond).Seconds()
}

// Durations returns how long jobs took since the server started, by action.
func (q *Queue) Durations() map[string]Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make(map[string]Duration, len(q.took))
	for action, d := range q.took {
		out[action] = *d
	}
	return out
}
