package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/event"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrSecretsNeeded means that the secrets of the operation are gone and must be given again.
	ErrSecretsNeeded = errors.New("the operation's secrets are needed again")
	// ErrNothingToDo means that no task is in a state that the request is for.
	ErrNothingToDo = errors.New("no task to do this to")
)

// SecretsLinger is how long secrets of an operation with failed tasks are kept after its last task ended, so
// that a mended host can be retried without asking for them.
const SecretsLinger = 30 * time.Minute

// Engine runs operations.
type Engine struct {
	db     *db.DB
	bus    *event.Bus
	events *event.Log
	log    *slog.Logger
	kinds  map[string]Kind

	ctx  context.Context // ends when the server stops
	stop context.CancelCauseFunc
	wg   sync.WaitGroup

	mu   sync.Mutex
	live map[int64]*live
}

// Spec says what to start.
type Spec struct {
	Kind      string
	Title     string
	Cluster   string
	CreatedBy string
	Parallel  int // tasks at a time, at least 1
	Batch     int // tasks of which all must end before another begins; 0: as many as Parallel lets
	// MaxFailures is how many tasks may fail before no more are started: the rest is skipped, and a retry takes it up
	// again. 0: any number.
	MaxFailures int
	// Key, if not empty, is the request's own: the same again starts nothing and finds the operation that the first one
	// started.
	Key     string
	Params  any // JSON; for all tasks; never a secret
	Tasks   []TaskSpec
	Secrets Secrets // may be nil; the engine owns and wipes them
	// Also, if not nil, stores what belongs to the operation together with it.
	Also func(ctx context.Context, tx *db.DB, o *db.Operation) error
}

// TaskSpec is one task of a Spec.
type TaskSpec struct {
	Name   string
	HostID *int64 // nil when the target is no registered host, or not yet
	Params any    // JSON; may be nil
}

// New returns an engine without kinds. Register them, then call Resume.
func New(d *db.DB, bus *event.Bus, events *event.Log, log *slog.Logger) *Engine {
	ctx, stop := context.WithCancelCause(context.Background())
	return &Engine{db: d, bus: bus, events: events, log: log, kinds: map[string]Kind{}, ctx: ctx, stop: stop, live: map[int64]*live{}}
}

// Register adds a kind. It must be called before Resume and Start.
func (e *Engine) Register(k Kind) { e.kinds[k.Name] = k }

// Kind finds a kind by name.
func (e *Engine) Kind(name string) (Kind, bool) {
	k, ok := e.kinds[name]
	return k, ok
}

// Start stores an operation with its tasks and begins to run it.
func (e *Engine) Start(ctx context.Context, s Spec) (o *db.Operation, err error) {
	defer func() {
		if err != nil && s.Secrets != nil {
			s.Secrets.Wipe()
		}
	}()
	if _, ok := e.kinds[s.Kind]; !ok {
		return nil, fmt.Errorf("cannot start operation: unknown kind %q", s.Kind)
	}
	if len(s.Tasks) == 0 {
		return nil, fmt.Errorf("cannot start operation: %w", ErrNothingToDo)
	}
	o, tasks, err := rows(s)
	if err != nil {
		return nil, fmt.Errorf("cannot start operation: %w", err)
	}
	var also func(tx *db.DB) error
	if s.Also != nil {
		also = func(tx *db.DB) error { return s.Also(ctx, tx, o) }
	}
	err = e.db.CreateOperation(ctx, o, tasks, also)
	if s.Key != "" && errors.Is(err, db.ErrDuplicate) {
		if s.Secrets != nil {
			s.Secrets.Wipe()
		}
		return e.db.OperationByKey(ctx, s.Key)
	}
	if err != nil {
		return nil, err
	}
	e.events.Record(ctx, operationEvent(event.OperationStarted, o, s.CreatedBy))
	audit.About(ctx, targetOf(o.ID), nil, map[string]any{"kind": o.Kind, "title": o.Title, "hosts": len(tasks), "first": tasks[0].Name})
	l := &live{op: o, counts: map[db.State]int{db.Pending: len(tasks)}, running: map[int64]*run{}, secrets: s.Secrets}
	l.enqueue(tasks)
	e.mu.Lock()
	e.live[o.ID] = l
	e.mu.Unlock()
	started := *o
	e.pump(l)
	return &started, nil
}

func rows(s Spec) (*db.Operation, []db.Task, error) {
	params, err := json.Marshal(s.Params)
	if err != nil {
		return nil, nil, err
	}
	o := &db.Operation{
		Kind: s.Kind, Title: s.Title, Cluster: s.Cluster, State: db.Pending, Parallel: max(1, s.Parallel),
		Batch: max(0, s.Batch), MaxFailures: max(0, s.MaxFailures), Params: params, CreatedBy: s.CreatedBy,
	}
	if s.Key != "" {
		o.RequestKey = &s.Key
	}
	tasks := make([]db.Task, len(s.Tasks))
	for i, t := range s.Tasks {
		tasks[i] = db.Task{Name: t.Name, State: db.Pending, Attempt: 1, HostID: t.HostID}
		if o.Batch > 0 {
			tasks[i].Batch = i/o.Batch + 1
		}
		if t.Params == nil {
			continue
		}
		if tasks[i].Params, err = json.Marshal(t.Params); err != nil {
			return nil, nil, err
		}
	}
	return o, tasks, nil
}

// Resume takes up what an earlier server left unfinished. Tasks whose kind needs secrets wait for them.
func (e *Engine) Resume(ctx context.Context) error {
	ops, err := e.db.UnfinishedOperations(ctx)
	if err != nil {
		return err
	}
	for i := range ops {
		if err := e.resume(ctx, &ops[i]); err != nil {
			return fmt.Errorf("cannot resume operation %d: %w", ops[i].ID, err)
		}
	}
	return nil
}

func (e *Engine) resume(ctx context.Context, o *db.Operation) error {
	kind, ok := e.kinds[o.Kind]
	if !ok {
		e.log.Warn("an unfinished operation is of a kind this server does not know", "operation", o.ID, "kind", o.Kind)
		return nil
	}
	l, err := e.command(ctx, o.ID)
	if err != nil {
		return err
	}
	defer e.release(l)
	from := []db.State{db.Pending, db.Running, db.Waiting}
	tasks, err := e.pick(ctx, o.ID, nil, from)
	if err != nil && !errors.Is(err, ErrNothingToDo) {
		return err
	}
	if kind.NeedsSecrets {
		_, err = e.moveAll(ctx, l, tasks, from[:2], db.Waiting, ReasonSecrets)
	} else {
		tasks, err = e.moveAll(ctx, l, tasks, from[1:], db.Pending, "")
		l.enqueue(tasks)
	}
	if err != nil {
		return err
	}
	e.log.Info("took up an unfinished operation", "operation", o.ID, "kind", o.Kind, "waits for secrets", kind.NeedsSecrets)
	e.pump(l)
	return nil
}

// Stop ends all running steps and waits for them. What they were doing is taken up by the next Resume.
func (e *Engine) Stop(ctx context.Context) error {
	e.stop(errStopping)
	idle := make(chan struct{})
	go func() { e.wg.Wait(); close(idle) }()
	defer e.wipeAll()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot stop all operations in time: %w", ctx.Err())
	}
}

func (e *Engine) wipeAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.live {
		l.mu.Lock()
		l.wipe()
		l.mu.Unlock()
	}
}

// open returns the in-memory side of an operation, reading it from the database when it has none.
func (e *Engine) open(ctx context.Context, id int64) (*live, error) {
	if db.LimitOf(ctx) != "" { // what is in memory knows of no limit
		if _, err := e.db.Operation(ctx, id); err != nil {
			return nil, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if l, ok := e.live[id]; ok {
		return l, nil
	}
	o, err := e.db.Operation(ctx, id)
	if err != nil {
		return nil, err
	}
	counts, err := e.db.CountTasks(ctx, id)
	if err != nil {
		return nil, err
	}
	l := &live{op: o, counts: counts, running: map[int64]*run{}}
	e.live[id] = l
	return l, nil
}

func operationEvent(kind string, o *db.Operation, actor string) db.Event {
	id := o.ID
	return db.Event{
		Kind: kind, OperationID: &id, Actor: actor,
		Params: map[string]string{"title": o.Title, "operation": strconv.FormatInt(o.ID, 10), "kind": o.Kind},
	}
}
