package db

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// State is the state of an operation, a task or a step.
type State string

// The states.
const (
	Pending  State = "pending"
	Running  State = "running"
	Waiting  State = "waiting" // for something a person must give; the reason is beside it
	Done     State = "done"
	Failed   State = "failed"
	Skipped  State = "skipped" // taken out of the run by a person, or never begun; the reason is beside it
	Canceled State = "canceled"
)

// Ended reports whether nothing more will happen unless somebody asks for it.
func (s State) Ended() bool { return s == Done || s == Failed || s == Skipped || s == Canceled }

// Operation is something a person started and watches: one title, many tasks.
type Operation struct {
	ID       int64 `gorm:"primaryKey"`
	Kind     string
	Title    string
	Cluster  string
	State    State
	Parallel int // tasks at a time
	Batch    int // tasks of which all must end before another begins; 0: as many as Parallel lets
	// MaxFailures is how many tasks may fail before no more are started; 0: any number.
	MaxFailures int
	Forgiven    int     // failed tasks that do not count towards MaxFailures, because somebody went on in spite of them
	RequestKey  *string // of the request that started it; unique, so that the same one sent twice starts it once
	Params      []byte  // JSON, known to the kind; never a secret
	CreatedBy   string
	CreatedAt   time.Time
	StartedAt   *time.Time
	FinishedAt  *time.Time
}

// Problem is a failure that a person can act on. Args fill the texts of Code in the reader's language.
type Problem struct {
	Code  string            `gorm:"column:error_code" json:"code,omitempty"`
	Cause string            `gorm:"column:error_cause" json:"cause,omitempty"` // English, plain
	Hint  string            `gorm:"column:error_hint" json:"hint,omitempty"`   // English, how to mend it
	Args  map[string]string `gorm:"column:error_args;serializer:json" json:"args,omitempty"`
}

// Task is an operation's work on one host.
type Task struct {
	ID          int64 `gorm:"primaryKey"`
	OperationID int64
	Name        string // the target, for example a host name
	State       State
	Reason      string  // of a waiting or a skipped task, a code: "secrets"
	Problem     Problem `gorm:"embedded"`
	Params      []byte  // JSON, known to the kind
	Memory      []byte  // JSON that a step left for the steps and runs after it
	StepIndex   int     // where the next run goes on; earlier steps are done
	Step        string  // the step that runs, failed or was the last
	Attempt     int     // 1 for the first run
	HostID      *int64
	Batch       int     // 1 for the first; 0: the operation has none
	JobID       *string // of the attempt's job
	LogSize     int64   // bytes of log written
	Note        string  // what a finished task has to show, for example the system found
	StartedAt   *time.Time
	FinishedAt  *time.Time
	UpdatedAt   time.Time
}

// Step is one step of a task in its latest run. A row exists once the step was started.
type Step struct {
	TaskID     int64 `gorm:"primaryKey;autoIncrement:false"`
	Seq        int   `gorm:"primaryKey;autoIncrement:false"`
	Name       string
	State      State
	LogOffset  int64 // where in the task's log the step begins
	StartedAt  *time.Time
	FinishedAt *time.Time
}

// LogChunk is a piece of a task's log; Start is its first byte's offset.
type LogChunk struct {
	TaskID int64 `gorm:"primaryKey;autoIncrement:false"`
	Start  int64 `gorm:"primaryKey;autoIncrement:false"`
	Body   []byte
}

// CreateOperation stores an operation with its tasks; IDs are set. ErrDuplicate when its RequestKey is known. also, if not nil, stores what belongs to it.
func (d *DB) CreateOperation(ctx context.Context, o *Operation, tasks []Task, also func(tx *DB) error) error {
	return d.Tx(ctx, func(tx *DB) error {
		if err := tx.write(ctx).Create(o).Error; err != nil {
			return translate("create operation", err)
		}
		for i := range tasks {
			tasks[i].OperationID = o.ID
		}
		if err := tx.write(ctx).CreateInBatches(tasks, 200).Error; err != nil {
			return translate("create tasks", err)
		}
		if also == nil {
			return nil
		}
		return also(tx)
	})
}

// Operation finds an operation; ErrNotFound when there is none.
func (d *DB) Operation(ctx context.Context, id int64) (*Operation, error) {
	var o Operation
	return &o, translate("find operation", d.read(ctx).Where("id = ?", id).Take(&o).Error)
}

// OperationByKey finds the operation that a request has started; ErrNotFound when there is none.
func (d *DB) OperationByKey(ctx context.Context, key string) (*Operation, error) {
	var o Operation
	return &o, translate("find operation", d.read(ctx).Where("request_key = ?", key).Take(&o).Error)
}

// Operations reads one page, newest first, of those with an id below before (0: from the newest).
func (d *DB) Operations(ctx context.Context, before int64, limit int) ([]Operation, error) {
	g := d.read(ctx).Order("id DESC").Limit(limit)
	if before > 0 {
		g = g.Where("id < ?", before)
	}
	var os []Operation
	return os, translate("read operations", g.Find(&os).Error)
}

// UnfinishedOperations reads those that a restart must take up again.
func (d *DB) UnfinishedOperations(ctx context.Context) ([]Operation, error) {
	var os []Operation
	err := d.read(ctx).Where("state IN ?", []State{Pending, Running, Waiting}).Order("id").Find(&os).Error
	return os, translate("read operations", err)
}

// SaveOperation writes an operation's state and times, and which failures do not count.
func (d *DB) SaveOperation(ctx context.Context, o *Operation) error {
	return translate("save operation", d.write(ctx).Model(o).Select("State", "StartedAt", "FinishedAt", "Forgiven").Updates(o).Error)
}

// Task finds a task; ErrNotFound when there is none.
func (d *DB) Task(ctx context.Context, id int64) (*Task, error) {
	var t Task
	return &t, translate("find task", d.read(ctx).Where("id = ?", id).Take(&t).Error)
}

// Tasks reads the tasks of an operation in the order they were given.
func (d *DB) Tasks(ctx context.Context, operationID int64) ([]Task, error) {
	var ts []Task
	return ts, translate("read tasks", d.read(ctx).Where("operation_id = ?", operationID).Order("id").Find(&ts).Error)
}

// OvertakenTasks finds the failed tasks whose failure has a code that says their job is lost, and whose job has a result
// all the same. Their id and their operation's are set, nothing else.
func (d *DB) OvertakenTasks(ctx context.Context, code string) ([]Task, error) {
	var ts []Task
	err := d.read(ctx).Model(&Task{}).Select("tasks.id", "tasks.operation_id").
		Joins("JOIN operations ON operations.id = tasks.operation_id").
		Joins("JOIN jobs ON jobs.id = tasks.job_id").
		Where("operations.state IN ? AND tasks.state = ? AND tasks.error_code = ?", []State{Pending, Running, Waiting, Failed}, Failed, code).
		Where("jobs.state <> ?", JobLost).Order("tasks.id").Find(&ts).Error
	return ts, translate("find tasks that results have overtaken", err)
}

// SaveTask writes everything of a task that a run changes.
func (d *DB) SaveTask(ctx context.Context, t *Task) error {
	return translate("save task", d.write(ctx).Model(t).Select("*").Omit("id", "operation_id", "name").Updates(t).Error)
}

// SetTaskParams replaces what a task was started with.
func (d *DB) SetTaskParams(ctx context.Context, id int64, params []byte) error {
	return translate("save task", d.write(ctx).Model(&Task{ID: id}).Update("params", params).Error)
}

// TaskMove changes the state of many tasks that do not run.
type TaskMove struct {
	OperationID int64
	Only        []int64 // tasks; nil for all of the operation
	Except      []int64 // tasks to leave alone: those that run
	From, To    State
	Reason      string // of a waiting task
	At          time.Time
}

// MoveTasks changes the tasks that are in state From and says how many there were. Tasks that become pending
// lose their failure, and begin a new attempt unless they only waited; tasks that end get their time.
func (d *DB) MoveTasks(ctx context.Context, m TaskMove) (n int, err error) {
	set := map[string]any{"state": m.To, "reason": m.Reason, "updated_at": m.At}
	switch {
	case m.To.Ended():
		set["finished_at"] = m.At
	case m.To == Pending:
		set["finished_at"], set["error_code"], set["error_cause"], set["error_hint"], set["error_args"] = nil, "", "", "", nil
		if m.From.Ended() {
			set["attempt"], set["job_id"] = gorm.Expr("attempt + 1"), nil
		}
	}
	move := func(tx *DB, only []int64) error {
		g := tx.write(ctx).Model(&Task{}).Where("operation_id = ? AND state = ?", m.OperationID, m.From)
		if only != nil {
			g = g.Where("id IN ?", only)
		}
		if len(m.Except) > 0 {
			g = g.Where("id NOT IN ?", m.Except)
		}
		g = g.Updates(set)
		n += int(g.RowsAffected)
		return g.Error
	}
	err = d.Tx(ctx, func(tx *DB) error {
		n = 0
		if m.Only == nil {
			return move(tx, nil)
		}
		for chunk := range slices.Chunk(m.Only, maxPlaceholders) {
			if err := move(tx, chunk); err != nil {
				return err
			}
		}
		return nil
	})
	return n, translate("move tasks", err)
}

// maxPlaceholders is how many values one statement may hold; SQLite and MySQL both bound it.
const maxPlaceholders = 500

// CountTasks counts an operation's tasks by state.
func (d *DB) CountTasks(ctx context.Context, operationID int64) (map[State]int, error) {
	counts, err := d.CountTasksOf(ctx, []int64{operationID})
	return counts[operationID], err
}

// CountTasksOf counts the tasks of many operations by state.
func (d *DB) CountTasksOf(ctx context.Context, operationIDs []int64) (map[int64]map[State]int, error) {
	var rows []struct {
		OperationID int64
		State       State
		N           int
	}
	err := d.read(ctx).Model(&Task{}).Select("operation_id, state, COUNT(*) AS n").
		Where("operation_id IN ?", operationIDs).Group("operation_id, state").Find(&rows).Error
	counts := map[int64]map[State]int{}
	for _, id := range operationIDs {
		counts[id] = map[State]int{}
	}
	for _, r := range rows {
		counts[r.OperationID][r.State] = r.N
	}
	return counts, translate("count tasks", err)
}

// SaveStep inserts or replaces a step.
func (d *DB) SaveStep(ctx context.Context, s *Step) error {
	return translate("save step", d.write(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(s).Error)
}

// StepsOf reads the steps of many tasks, in order.
func (d *DB) StepsOf(ctx context.Context, taskIDs []int64) (map[int64][]Step, error) {
	steps := map[int64][]Step{}
	for chunk := range slices.Chunk(taskIDs, maxPlaceholders) {
		var rows []Step
		if err := d.read(ctx).Where("task_id IN ?", chunk).Order("task_id, seq").Find(&rows).Error; err != nil {
			return nil, translate("read steps", err)
		}
		for _, s := range rows {
			steps[s.TaskID] = append(steps[s.TaskID], s)
		}
	}
	return steps, nil
}

// AppendLog stores a chunk. Storing the same chunk twice is no error.
func (d *DB) AppendLog(ctx context.Context, c *LogChunk) error {
	return translate("append to log", d.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(c).Error)
}

// LogSize is the number of bytes in a task's log.
func (d *DB) LogSize(ctx context.Context, taskID int64) (int64, error) {
	var last []LogChunk
	if err := d.read(ctx).Where("task_id = ?", taskID).Order("start DESC").Limit(1).Find(&last).Error; err != nil {
		return 0, translate("read log size", err)
	}
	if len(last) == 0 {
		return 0, nil
	}
	return last[0].Start + int64(len(last[0].Body)), nil
}

// ReadLog reads a task's log from offset, at most about limit bytes, and says where to go on.
func (d *DB) ReadLog(ctx context.Context, taskID, offset int64, limit int) (body []byte, next int64, err error) {
	if offset < 0 {
		offset = 0
	}
	next = offset
	// Chunks are at most maxChunk long, so the one that holds offset starts no earlier than that.
	from := offset - MaxChunk
	for len(body) < limit {
		var chunks []LogChunk
		err := d.read(ctx).Where("task_id = ? AND start > ?", taskID, from).Order("start").Limit(16).Find(&chunks).Error
		if err != nil {
			return nil, offset, translate("read log", err)
		}
		if len(chunks) == 0 {
			break
		}
		for _, c := range chunks {
			from = c.Start
			end := c.Start + int64(len(c.Body))
			if end <= next || len(body) >= limit {
				continue
			}
			body = append(body, c.Body[max(0, next-c.Start):]...)
			next = end
		}
	}
	return body, next, nil
}

// MaxChunk is the most bytes that one log chunk may hold.
const MaxChunk = 32 << 10

// DeleteLogsBefore removes the logs of operations that ended before a time and says how many chunks went.
func (d *DB) DeleteLogsBefore(ctx context.Context, t time.Time) (int64, error) {
	ended := d.read(ctx).Model(&Task{}).Select("tasks.id").
		Joins("JOIN operations ON operations.id = tasks.operation_id").Where("operations.finished_at < ?", t)
	g := d.write(ctx).Where("task_id IN (?)", ended).Delete(&LogChunk{})
	return g.RowsAffected, translate("delete old logs", g.Error)
}
