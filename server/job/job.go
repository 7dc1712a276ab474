// Package job queues work for hosts, hands it out with heartbeats and takes results and output. Delivery is at least
// once with idempotent ids: a job is handed out until its agent says that it has it or its result arrived, and the
// agent does it once. What did not reach its host in time has expired and did not run; what reached it and gave no
// result in time is lost, because nobody knows how it ended.
package job

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/clip"
	"hostler/server/event"
)

// Queue holds the jobs of all hosts.
type Queue struct {
	db     *db.DB
	bus    *event.Bus
	events *event.Log
	log    *slog.Logger
	now    func() time.Time
	begun  time.Time // when this server began to listen to agents
	cancel []func()

	mu     sync.Mutex
	open   map[int64]*mark // hosts that may have a job without a result; spares others a query per heartbeat
	shared map[int64]*wire.Job
	waits  map[string]map[chan struct{}]struct{} // by job
	took   map[string]*Duration                  // by action
}

// mark is what is known in memory of a host with open jobs. Every job that is queued makes a new one.
type mark struct {
	named map[string]time.Time // jobs that the agent said it has, and when it said so last
}

// Change is published as "job.<id>" whenever a job's state changed.
type Change struct {
	ID          string      `json:"id"`
	HostID      int64       `json:"host_id"`
	OperationID *int64      `json:"operation_id,omitempty"`
	TaskID      *int64      `json:"task_id,omitempty"`
	Action      string      `json:"action"`
	State       db.JobState `json:"state"`
	Canceling   bool        `json:"canceling,omitempty"` // it was told to end and has not yet
	Late        bool        `json:"late,omitempty"`      // it was given up as lost before, and its result came after all
}

// OutputGrew is published as "job-output.<id>".
type OutputGrew struct {
	Stream wire.Stream `json:"stream"`
	Size   int64       `json:"size"` // bytes written, as far as is known
}

// WakeTopic is where a host's number is published, behind it, when its agent is to report now: "wake.12".
const WakeTopic = "wake"

// NewQueue returns the queue as the database has it. now is the clock. Close ends what it listens to.
func NewQueue(ctx context.Context, d *db.DB, bus *event.Bus, events *event.Log, log *slog.Logger, now func() time.Time) (*Queue, error) {
	q := &Queue{
		db: d, bus: bus, events: events, log: log, now: now, begun: now(),
		open: map[int64]*mark{}, shared: map[int64]*wire.Job{}, waits: map[string]map[chan struct{}]struct{}{},
		took: map[string]*Duration{},
	}
	// Another server may queue a job for a host that reports to this one.
	woken, err := bus.Subscribe(WakeTopic+".*", func(topic string, _ []byte) {
		if id, err := strconv.ParseInt(strings.TrimPrefix(topic, WakeTopic+"."), 10, 64); err == nil {
			q.mark(id)
		}
	})
	if err != nil {
		return nil, err
	}
	q.cancel = append(q.cancel, woken)
	changed, err := bus.Subscribe("job.*", func(topic string, _ []byte) { q.notify(strings.TrimPrefix(topic, "job.")) })
	if err != nil {
		q.Close()
		return nil, err
	}
	q.cancel = append(q.cancel, changed, bus.OnLapse(q.notifyAll))
	ids, err := d.HostsWithOpenJobs(ctx)
	if err != nil {
		q.Close()
		return nil, err
	}
	for _, id := range ids {
		q.mark(id)
	}
	return q, nil
}

// Close ends what the queue listens to.
func (q *Queue) Close() {
	for _, cancel := range q.cancel {
		cancel()
	}
}

// Spec is a job to be queued.
type Spec struct {
	ID          string // "" for a new one
	HostID      int64
	OperationID *int64
	TaskID      *int64
	// Job is what the agent is to do; its id is set here. Shared leaves it to the payload of the operation.
	Job       wire.Job
	Shared    bool
	Content   string        // hex SHA-256 of the file that a push delivers
	ExpiresIn time.Duration // the agent must have it by then; 0: some time
	Actor     string
}

// NewID makes the id of a job. Ids sort as they were made: jobs of one millisecond must keep their order.
func NewID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("cannot make a job's id: %w", err)
	}
	return id.String(), nil
}

// Add queues a job for a host that belongs to no operation and never expires.
func (q *Queue) Add(ctx context.Context, hostID int64, j wire.Job, actor string) (*db.Job, error) {
	return q.Queue(ctx, Spec{HostID: hostID, Job: j, Actor: actor})
}

// Queue queues a job and wakes its host. One with the same id that is there already stays as it is.
func (q *Queue) Queue(ctx context.Context, s Spec) (*db.Job, error) {
	if s.ID == "" {
		id, err := NewID()
		if err != nil {
			return nil, err
		}
		s.ID = id
	}
	now := q.now()
	row := &db.Job{
		ID: s.ID, HostID: s.HostID, Action: s.Job.Action, State: db.JobQueued, CreatedBy: s.Actor, CreatedAt: now,
		OperationID: s.OperationID, TaskID: s.TaskID, Detail: detail(&s.Job), Content: s.Content,
		Timeout: s.Job.Timeout, Keep: keep(&s.Job),
	}
	if row.Timeout == 0 {
		row.Timeout = int(DefaultTimeout(s.Job.Action) / time.Second)
	}
	if s.ExpiresIn > 0 {
		expires := now.Add(s.ExpiresIn)
		row.ExpiresAt = &expires
	}
	row.Payload.ID = s.ID
	if !s.Shared {
		row.Payload = s.Job
		row.Payload.ID = s.ID
	}
	created, err := q.db.CreateJob(ctx, row)
	if err != nil {
		return nil, err
	}
	q.mark(s.HostID)
	q.Wake(s.HostID)
	if !created {
		return q.db.Job(ctx, s.ID)
	}
	q.changed(row, false)
	return row, nil
}

// Wake lets a host's agent report now, if it keeps a channel open for that.
func (q *Queue) Wake(hostID int64) {
	q.bus.Publish(WakeTopic+"."+strconv.FormatInt(hostID, 10), struct{}{})
}

func (q *Queue) mark(hostID int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	fresh := &mark{named: map[string]time.Time{}}
	if old := q.open[hostID]; old != nil {
		fresh.named = old.named
	}
	q.open[hostID] = fresh
}

// changed tells pages and waiting tasks that a job's state changed.
func (q *Queue) changed(j *db.Job, late bool) {
	q.bus.Publish("job."+j.ID, Change{
		ID: j.ID, HostID: j.HostID, OperationID: j.OperationID, TaskID: j.TaskID, Action: j.Action, State: j.State,
		Canceling: j.CancelRequestedAt != nil && !j.State.Ended(), Late: late,
	})
	q.bus.Publish("jobs."+strconv.FormatInt(j.HostID, 10), struct{}{})
}

// changedAll reads jobs again and tells that they changed. What it cannot read the next look at the database shows.
func (q *Queue) changedAll(ctx context.Context, ids []string) {
	for _, id := range ids {
		j, err := q.db.Job(ctx, id)
		if err != nil {
			q.log.Error("cannot tell that a job changed", "job", id, "err", err)
			continue
		}
		q.changed(j, false)
	}
}

// Timeouts of actions, unless a job has its own. The agent is told them, so that both count alike.
var timeouts = map[string]time.Duration{
	wire.ActionInstall: 30 * time.Minute, wire.ActionUpgrade: 30 * time.Minute, wire.ActionUpgradeAgent: 30 * time.Minute,
	wire.ActionExec: 10 * time.Minute, wire.ActionPush: time.Hour, wire.ActionFetch: time.Hour, wire.ActionLog: 2 * time.Minute,
	wire.ActionCheck: 3 * time.Minute, wire.ActionRemoveAgent: 30 * time.Minute,
}

// DefaultTimeout is how long the work of an action may take unless its job says otherwise.
func DefaultTimeout(action string) time.Duration {
	if d, ok := timeouts[action]; ok {
		return d
	}
	return 10 * time.Minute
}

// Bounds of the output that is kept of one stream of a job, in bytes.
const (
	keepLeast = 1 << 20
	keepMost  = 16 << 20
)

// keep is how much output of each stream of a job is kept.
func keep(j *wire.Job) int64 {
	var want int64
	switch {
	case j.Exec != nil:
		want = j.Exec.Keep
	case j.Log != nil:
		want = j.Log.Bytes
	}
	return min(max(want, keepLeast), keepMost)
}

// detail says what a job is about. Commands and scripts may hold secrets: they are never part of it.
func detail(j *wire.Job) string {
	switch {
	case j.Push != nil:
		return clip.Text(j.Push.Path, 255)
	case j.Fetch != nil:
		return clip.Text(j.Fetch.Path, 255)
	case j.Action == wire.ActionUpgradeAgent:
		return clip.Text(j.Version, 255)
	}
	return clip.Text(j.Name, 255)
}
