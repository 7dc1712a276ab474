package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/bootstrap"
	"hostler/server/operation"
	"hostler/server/remote"
	"hostler/ui/page"
)

const (
	operationsPerPage = 50
	logPiece          = 256 << 10 // bytes of log in one answer
	logPage           = 1 << 20   // bytes of log on a task's page
)

// operationsPage is GET /operations.
func (w *Web) operationsPage(c *gin.Context) error {
	sums, next, err := w.findOperations(c, operationsPerPage)
	if err != nil {
		return err
	}
	v := page.OperationsView{Frame: w.frame(c), Operations: operationViews(sums), Paged: c.Query("before") != ""}
	if next > 0 {
		v.Next = strconv.FormatInt(next, 10)
	}
	return show(c, http.StatusOK, page.OperationsPage(v))
}

// findOperations reads the page that ?before= asks for, newest first; next is 0 on the last one.
func (w *Web) findOperations(c *gin.Context, limit int) (sums []operation.Summary, next int64, err error) {
	before, err := queryInt(c, "before", 0, 1, 1<<62)
	if err != nil {
		return nil, 0, err
	}
	ops, err := w.DB.Operations(c.Request.Context(), before, limit+1)
	if err != nil {
		return nil, 0, err
	}
	if len(ops) > limit {
		ops = ops[:limit]
		next = ops[limit-1].ID
	}
	sums, err = w.Engine.SummariseAll(c.Request.Context(), ops)
	return sums, next, err
}

// operationPage is GET /operations/{id}.
func (w *Web) operationPage(c *gin.Context) error { return w.showOperation(c, http.StatusOK, nil) }

func (w *Web) showOperation(c *gin.Context, status int, fields map[string]string) error {
	n, err := pathID(c, "id")
	if err != nil {
		return err
	}
	run, err := w.run(c, n)
	if err != nil {
		return err
	}
	run.unlock.Fields = fields
	var groups []page.Outcome
	rest := 0
	if run.operation.Kind != remote.KindCheck { // what each host found is its own, and has a report
		if groups, rest, err = w.outcomeViews(c.Request.Context(), n); err != nil {
			return err
		}
	}
	return show(c, status, page.OperationPage(page.OperationView{
		Frame: w.frame(c), Operation: run.operation, Tasks: run.tasks, Locked: run.locked, Unlock: run.unlock,
		Outcomes: groups, Rest: rest, Again: againPath(run.action),
	}))
}

// runView is an operation as the pages show it.
type runView struct {
	operation page.Operation
	tasks     []page.Task
	locked    bool
	unlock    page.CredentialsView
	action    string // of its jobs; "" for a bootstrap
}

func (w *Web) run(c *gin.Context, operationID int64) (runView, error) {
	s, err := w.Engine.Summarise(c.Request.Context(), operationID)
	if err != nil {
		return runView{}, err
	}
	tasks, err := w.DB.Tasks(c.Request.Context(), operationID)
	if err != nil {
		return runView{}, err
	}
	v := runView{operation: operationView(s), tasks: w.taskViews(s.Kind, tasks), locked: w.locked(s)}
	v.operation.Progress, v.operation.Batch = page.Progress(v.tasks), page.BatchOf(v.tasks)
	params := bootstrapParams(&s.Operation)
	v.unlock.User, v.unlock.Become = params.User, string(params.Become)
	if j := params.Jump; j != nil {
		v.unlock.Jump = page.JumpView{Host: j.Host, User: j.User, Port: j.Port}
	}
	v.action = workParams(&s.Operation).Action
	return v, nil
}

// locked tells that the operation can go on only with secrets that the server does not have.
func (w *Web) locked(s operation.Summary) bool {
	kind, _ := w.Engine.Kind(s.Kind)
	return kind.NeedsSecrets && !s.HasSecrets && (waits(s.Counts) || s.State.Ended() && s.Counts[db.Failed] > 0)
}

func waits(counts map[db.State]int) bool { return counts[db.Waiting] > 0 }

// bootstrapParams are the parameters of a bootstrap operation; none of another kind.
func bootstrapParams(o *db.Operation) (p bootstrap.Params) {
	if o.Kind == bootstrap.KindName || o.Kind == bootstrap.CheckKindName {
		// Parameters that cannot be read leave the fields empty, and those have defaults.
		_ = json.Unmarshal(o.Params, &p)
	}
	return p
}

// workParams are the parameters of work on hosts; none of a bootstrap.
func workParams(o *db.Operation) (p remote.Params) {
	if o.Kind != bootstrap.KindName && o.Kind != bootstrap.CheckKindName {
		// Parameters that cannot be read leave out what can be done again.
		_ = json.Unmarshal(o.Params, &p)
	}
	return p
}

// taskPage is GET /operations/{id}/tasks/{task}: steps and log, also with scripts off.
func (w *Web) taskPage(c *gin.Context) error {
	s, t, err := w.task(c)
	if err != nil {
		return err
	}
	steps, err := w.stepsOf(c, s.Kind, []int64{t.ID})
	if err != nil {
		return err
	}
	text, next, err := w.DB.ReadLog(c.Request.Context(), t.ID, 0, logPage)
	if err != nil {
		return err
	}
	size, err := w.DB.LogSize(c.Request.Context(), t.ID)
	if err != nil {
		return err
	}
	v := page.TaskView{
		Frame: w.frame(c), Operation: operationView(s), Task: taskView(w.Engine.View(s.Kind, t)), Log: string(text), Truncated: next < size,
	}
	v.Task.LogSize = size
	if w.Fleet.Name(c.Request.Context(), v.Task.HostID) == "" {
		v.Task.HostID = 0
	}
	for _, step := range steps[t.ID] {
		v.Steps = append(v.Steps, page.Step{
			Name: step.Name, State: string(step.State), Started: at(step.StartedAt), Finished: at(step.FinishedAt), LogOffset: step.LogOffset,
		})
	}
	return show(c, http.StatusOK, page.TaskPage(v))
}

// task finds the task that the path names, and its operation.
func (w *Web) task(c *gin.Context) (s operation.Summary, t *db.Task, err error) {
	operationID, err := pathID(c, "id")
	if err != nil {
		return s, nil, err
	}
	taskID, err := pathID(c, "task")
	if err != nil {
		return s, nil, err
	}
	if t, err = w.DB.Task(c.Request.Context(), taskID); err != nil {
		return s, nil, err
	}
	if t.OperationID != operationID {
		return s, nil, db.ErrNotFound
	}
	s, err = w.Engine.Summarise(c.Request.Context(), operationID)
	return s, t, err
}

// stepReply is a step of a task's latest run; those that were not begun are pending.
type stepReply struct {
	Name       string     `json:"name"`  // stable
	Title      string     `json:"title"` // in the reader's language
	State      db.State   `json:"state"`
	LogOffset  int64      `json:"log_offset"` // where in the log the step begins
	StartedAt  *time.Time `json:"started_at,omitempty"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
}

// stepsOf reads the steps of tasks and adds those that the kind has besides.
func (w *Web) stepsOf(c *gin.Context, kind string, taskIDs []int64) (map[int64][]stepReply, error) {
	rows, err := w.DB.StepsOf(c.Request.Context(), taskIDs)
	if err != nil {
		return nil, err
	}
	k, _ := w.Engine.Kind(kind)
	out := make(map[int64][]stepReply, len(taskIDs))
	for _, taskID := range taskIDs {
		begun := map[int]db.Step{}
		for _, s := range rows[taskID] {
			begun[s.Seq] = s
		}
		steps := make([]stepReply, 0, len(k.Steps))
		for i, s := range k.Steps {
			r := stepReply{Name: s.Name, Title: page.StepTitle(c.Request.Context(), s.Name), State: db.Pending}
			if b, ok := begun[i]; ok {
				r.State, r.LogOffset, r.StartedAt, r.FinishedAt = b.State, b.LogOffset, b.StartedAt, b.FinishedAt
			}
			steps = append(steps, r)
		}
		out[taskID] = steps
	}
	return out, nil
}

// operationReply is an operation in the API.
type operationReply struct {
	ID         int64            `json:"id"`
	Kind       string           `json:"kind"`
	Title      string           `json:"title"`
	Cluster    string           `json:"cluster"`
	State      db.State         `json:"state"`
	Counts     map[db.State]int `json:"counts"`
	HasSecrets bool             `json:"has_secrets"` // a retry need not give them again
	Parallel   int              `json:"parallel"`
	Batch      int              `json:"batch"`      // 0: none
	StopAfter  int              `json:"stop_after"` // failures; 0: never
	CreatedBy  string           `json:"created_by"`
	CreatedAt  time.Time        `json:"created_at"`
	StartedAt  *time.Time       `json:"started_at"`
	FinishedAt *time.Time       `json:"finished_at"`
}

type operationDetailReply struct {
	operationReply
	Tasks []taskReply `json:"tasks"`
}

type taskReply struct {
	operation.TaskView
	Steps []stepReply `json:"steps"`
}

type operationsReply struct {
	Items []operationReply `json:"items"`
	Next  int64            `json:"next"` // for ?before=; 0 on the last page
}

func replyOf(s operation.Summary) operationReply {
	return operationReply{
		ID: s.ID, Kind: s.Kind, Title: s.Title, Cluster: s.Cluster, State: s.State, Counts: s.Counts, HasSecrets: s.HasSecrets,
		Parallel: s.Parallel, Batch: s.Batch, StopAfter: s.MaxFailures, CreatedBy: s.CreatedBy, CreatedAt: s.CreatedAt, StartedAt: s.StartedAt, FinishedAt: s.FinishedAt,
	}
}

// taskReply tells of a task in the reader's language.
func (w *Web) taskReply(c *gin.Context, kind string, t *db.Task, steps []stepReply) taskReply {
	v := w.Engine.View(kind, t)
	problem := page.Problem(v.Problem)
	v.Problem.Cause, v.Problem.Hint = problem.CauseIn(c.Request.Context()), problem.HintIn(c.Request.Context())
	return taskReply{v, steps}
}

// listOperations is GET operations.
func (w *Web) listOperations(c *gin.Context) error {
	limit, err := queryInt(c, "limit", operationsPerPage, 1, 500)
	if err != nil {
		return err
	}
	sums, next, err := w.findOperations(c, int(limit))
	if err != nil {
		return err
	}
	reply := operationsReply{Items: make([]operationReply, len(sums)), Next: next}
	for i, s := range sums {
		reply.Items[i] = replyOf(s)
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// getOperation is GET operations/{id}.
func (w *Web) getOperation(c *gin.Context) error {
	n, err := pathID(c, "id")
	if err != nil {
		return err
	}
	s, err := w.Engine.Summarise(c.Request.Context(), n)
	if err != nil {
		return err
	}
	tasks, err := w.DB.Tasks(c.Request.Context(), n)
	if err != nil {
		return err
	}
	ids := make([]int64, len(tasks))
	for i := range tasks {
		ids[i] = tasks[i].ID
	}
	steps, err := w.stepsOf(c, s.Kind, ids)
	if err != nil {
		return err
	}
	reply := operationDetailReply{operationReply: replyOf(s), Tasks: make([]taskReply, len(tasks))}
	for i := range tasks {
		reply.Tasks[i] = w.taskReply(c, s.Kind, &tasks[i], steps[tasks[i].ID])
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// getTask is GET operations/{id}/tasks/{task}.
func (w *Web) getTask(c *gin.Context) error {
	s, t, err := w.task(c)
	if err != nil {
		return err
	}
	steps, err := w.stepsOf(c, s.Kind, []int64{t.ID})
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, w.taskReply(c, s.Kind, t, steps[t.ID]))
	return nil
}

// getTaskLog is GET operations/{id}/tasks/{task}/log. X-Log-Next is the offset to go on from.
func (w *Web) getTaskLog(c *gin.Context) error {
	_, t, err := w.task(c)
	if err != nil {
		return err
	}
	offset, err := queryInt(c, "offset", 0, 0, 1<<62)
	if err != nil {
		return err
	}
	text, next, err := w.DB.ReadLog(c.Request.Context(), t.ID, offset, logPiece)
	if err != nil {
		return err
	}
	c.Header("X-Log-Next", strconv.FormatInt(next, 10))
	c.Data(http.StatusOK, "text/plain; charset=utf-8", text)
	return nil
}
