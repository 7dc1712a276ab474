package job

import (
	"context"
	"encoding/json"
	"time"

	"hostler/agent/wire"
	"hostler/db"
)

// Bounds of one answer. Agents read a megabyte at most.
const (
	openMost    = 1000      // jobs of a host that are looked at
	deliverMost = 64        // jobs in one answer
	bytesMost   = 768 << 10 // of JSON in one answer
	// MaxBytes is the most JSON that one job may be.
	MaxBytes = 512 << 10
)

const (
	// grace is how long after its time a job may still give a result before it counts as lost: the answer may wait
	// for a network that is away.
	grace = 5 * time.Minute
	// sharedKept is how many operations' payloads are kept in memory.
	sharedKept = 64
)

// Delivery is what the answer to a heartbeat brings.
type Delivery struct {
	Jobs   []wire.Job
	Cancel []string // ids of jobs to end
}

// Deliver returns the jobs of a host that its agent has to be given, and those that it is to end. progress are the jobs
// that the agent says it has; one that says nothing gets all that have no result.
func (q *Queue) Deliver(ctx context.Context, hostID int64, progress []wire.JobProgress) (Delivery, error) {
	var d Delivery
	seen := q.heard(hostID, progress)
	if seen == nil {
		return d, nil
	}
	rows, err := q.db.OpenJobs(ctx, hostID, openMost)
	if err != nil {
		return d, err
	}
	if len(rows) == 0 {
		q.unmark(hostID, seen)
		return d, nil
	}
	has := make(map[string]bool, len(progress))
	for _, p := range progress {
		has[p.ID] = true
	}
	var running []string
	var due []db.Job
	now := q.now()
	for _, r := range rows {
		if r.CancelRequestedAt != nil {
			d.Cancel = append(d.Cancel, r.ID)
		}
		switch {
		case has[r.ID] && r.State == db.JobDelivered:
			running = append(running, r.ID)
		case !has[r.ID] && r.CancelRequestedAt == nil && (r.ExpiresAt == nil || r.ExpiresAt.After(now)):
			due = append(due, r)
		}
	}
	if err := q.running(ctx, hostID, running, now); err != nil {
		return d, err
	}
	d.Jobs, err = q.handOver(ctx, due, now)
	return d, err
}

// heard notes which jobs an agent has, and returns the host's mark; nil when the host has no open jobs.
func (q *Queue) heard(hostID int64, progress []wire.JobProgress) *mark {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.open[hostID]
	if m == nil {
		return nil
	}
	now := q.now()
	clear(m.named)
	for _, p := range progress[:min(len(progress), openMost)] {
		m.named[p.ID] = now
	}
	return m
}

// unmark clears the mark of a host without open jobs, unless a job was queued since it was seen: that makes a new mark.
func (q *Queue) unmark(hostID int64, seen *mark) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open[hostID] == seen {
		delete(q.open, hostID)
	}
}

// running notes that the agent of a host has taken jobs over.
func (q *Queue) running(ctx context.Context, hostID int64, ids []string, now time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := q.db.MarkRunning(ctx, hostID, ids, now); err != nil {
		return err
	}
	q.changedAll(ctx, ids)
	return nil
}

// handOver makes the messages of jobs, as many as one answer may have, and notes that they are delivered.
func (q *Queue) handOver(ctx context.Context, due []db.Job, now time.Time) ([]wire.Job, error) {
	due = due[:min(len(due), deliverMost)]
	if len(due) == 0 {
		return nil, nil
	}
	messages, err := q.messages(ctx, due, now)
	if err != nil {
		return nil, err
	}
	due = due[:len(messages)]
	var fresh []db.Delivery
	for _, r := range due {
		if r.State == db.JobQueued {
			fresh = append(fresh, db.Delivery{ID: r.ID, Deadline: deadline(&r, now)})
		}
	}
	if len(fresh) == 0 {
		return messages, nil
	}
	ids, err := q.db.MarkDelivered(ctx, fresh, now)
	if err != nil {
		return nil, err
	}
	marked := map[string]bool{}
	for _, id := range ids {
		marked[id] = true
	}
	jobs := messages[:0]
	for i, r := range due {
		if r.State != db.JobQueued || marked[r.ID] {
			jobs = append(jobs, messages[i])
		}
	}
	q.changedAll(ctx, ids)
	return jobs, nil
}

// deadline is when a job that is delivered now must have its result: it may begin until it expires.
func deadline(j *db.Job, now time.Time) time.Time {
	begin := now
	if j.ExpiresAt != nil && j.ExpiresAt.After(now) {
		begin = *j.ExpiresAt
	}
	return begin.Add(time.Duration(j.Timeout)*time.Second + grace)
}

// messages makes what is sent of jobs, the first ones that fit into one answer.
func (q *Queue) messages(ctx context.Context, due []db.Job, now time.Time) ([]wire.Job, error) {
	ids := make([]string, len(due))
	for i, r := range due {
		ids[i] = r.ID
	}
	payloads, err := q.db.JobPayloads(ctx, ids)
	if err != nil {
		return nil, err
	}
	messages, size := make([]wire.Job, 0, len(due)), 0
	for _, r := range due {
		m, err := q.payload(ctx, payloads[r.ID], r.OperationID)
		if err != nil {
			return nil, err
		}
		m.ID, m.Timeout = r.ID, r.Timeout
		if r.ExpiresAt != nil {
			m.BeginWithin = max(1, int(r.ExpiresAt.Sub(now)/time.Second))
		}
		text, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		if size += len(text); size > bytesMost && len(messages) > 0 {
			break
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// payload is what an agent gets: the job's own payload, or the one that it shares with others of its operation.
func (q *Queue) payload(ctx context.Context, own wire.Job, operationID *int64) (wire.Job, error) {
	if own.Action != "" {
		return own, nil
	}
	shared, err := q.sharedJob(ctx, operationID)
	if err != nil {
		return wire.Job{}, err
	}
	return *shared, nil
}

// Find finds a job with its payload whole; db.ErrNotFound when there is none.
func (q *Queue) Find(ctx context.Context, id string) (*db.Job, error) {
	j, err := q.db.JobByID(ctx, id)
	if err != nil {
		return nil, err
	}
	j.Payload, err = q.payload(ctx, j.Payload, j.OperationID)
	j.Payload.ID = id
	return j, err
}

// sharedJob is the payload that the jobs of an operation share. It never changes, and thousands of hosts ask for it.
func (q *Queue) sharedJob(ctx context.Context, operationID *int64) (*wire.Job, error) {
	if operationID == nil {
		return nil, db.ErrNotFound
	}
	q.mu.Lock()
	j := q.shared[*operationID]
	q.mu.Unlock()
	if j != nil {
		return j, nil
	}
	row, err := q.db.OperationJob(ctx, *operationID)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.shared) >= sharedKept {
		clear(q.shared)
	}
	q.shared[*operationID] = &row.Payload
	return &row.Payload, nil
}

// namedSince returns when the agent of a host last said that it has a job; the zero time when it did not.
func (q *Queue) namedSince(hostID int64, id string) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if m := q.open[hostID]; m != nil {
		return m.named[id]
	}
	return time.Time{}
}
