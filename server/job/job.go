// Package job queues work for hosts, hands it out with heartbeats and takes results. Delivery is at least
// once with idempotent ids: a job is handed out again until its result arrived, and the agent does it once.
package job

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
)

// MaxResults bounds the results in one message.
const MaxResults = 256

// Queue holds the jobs of all hosts.
type Queue struct {
	db     *db.DB
	bus    *event.Bus
	events *event.Log

	mu   sync.Mutex
	open map[int64]bool // hosts that have a job without a result; spares others a query per heartbeat
}

// NewQueue returns the queue as the database has it.
func NewQueue(ctx context.Context, d *db.DB, bus *event.Bus, events *event.Log) (*Queue, error) {
	ids, err := d.HostsWithOpenJobs(ctx)
	if err != nil {
		return nil, err
	}
	q := &Queue{db: d, bus: bus, events: events, open: map[int64]bool{}}
	for _, id := range ids {
		q.open[id] = true
	}
	return q, nil
}

// Add queues a job for a host; its id is set here.
func (q *Queue) Add(ctx context.Context, hostID int64, j wire.Job, actor string) (*db.Job, error) {
	id, err := uuid.NewV7() // they sort as they were made: jobs of one millisecond must keep their order
	if err != nil {
		return nil, fmt.Errorf("cannot make a job's id: %w", err)
	}
	j.ID = id.String()
	row := &db.Job{ID: j.ID, HostID: hostID, Action: j.Action, Payload: j, State: db.JobQueued, CreatedBy: actor, CreatedAt: db.Now()}
	if err := q.db.CreateJob(ctx, row); err != nil {
		return nil, err
	}
	q.mu.Lock()
	q.open[hostID] = true
	q.mu.Unlock()
	q.publish(hostID)
	return row, nil
}

// Deliver returns the jobs of a host that have no result yet, for the answer to its heartbeat.
func (q *Queue) Deliver(ctx context.Context, hostID int64) ([]wire.Job, error) {
	q.mu.Lock()
	open := q.open[hostID]
	q.mu.Unlock()
	if !open {
		return nil, nil
	}
	rows, err := q.db.OpenJobs(ctx, hostID)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, q.recheck(ctx, hostID)
	}
	jobs := make([]wire.Job, len(rows))
	var fresh []string
	for i, r := range rows {
		jobs[i] = r.Payload
		if r.State == db.JobQueued {
			fresh = append(fresh, r.ID)
		}
	}
	if len(fresh) == 0 {
		return jobs, nil
	}
	defer q.publish(hostID)
	return jobs, q.db.MarkDelivered(ctx, fresh, db.Now())
}

// recheck clears a host's mark if it is still without open jobs: one may be queued between the two looks.
func (q *Queue) recheck(ctx context.Context, hostID int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	rows, err := q.db.OpenJobs(ctx, hostID)
	if err == nil && len(rows) == 0 {
		delete(q.open, hostID)
	}
	return err
}

// Finish records results, all of them or none. A result for a job that is another host's, is unknown or has one
// already changes nothing and is acknowledged all the same, because sending it again would not help. More than
// MaxResults are refused with a *wire.Error.
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
	var finished []db.Event
	err := q.db.Tx(ctx, func(tx *db.DB) error {
		for _, r := range results {
			r.Message = clip(r.Message)
			recorded, err := tx.FinishJob(ctx, hostID, r, db.Now())
			if err != nil {
				return err
			}
			if recorded {
				finished = append(finished, finishedEvent(hostID, hostName, r))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	q.events.RecordAll(ctx, finished)
	q.publish(hostID)
	return nil
}

func finishedEvent(hostID int64, hostName string, r wire.JobResult) db.Event {
	severity := db.SeverityInfo
	if r.ErrCode != wire.ErrCodeOK {
		severity = db.SeverityWarning
	}
	return db.Event{
		Kind: event.JobFinished, Severity: severity, HostID: &hostID,
		Params: map[string]string{"host": hostName, "job": r.ID, "errcode": strconv.Itoa(r.ErrCode), "message": r.Message},
	}
}

// publish tells pages that a host's jobs changed.
func (q *Queue) publish(hostID int64) {
	q.bus.Publish("jobs."+strconv.FormatInt(hostID, 10), struct{}{})
}

// clip bounds what an agent may put into the database with one result.
func clip(s string) string {
	const most = 64 << 10
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}
