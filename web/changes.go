package web

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"hostler/db"
	"hostler/server/bootstrap"
	"hostler/server/event"
	"hostler/server/fleet"
	"hostler/server/operation"
	"hostler/ui/live"
	"hostler/ui/page"
)

// receive turns a message of the bus into changes of topics. The bus calls it from one goroutine; it must not
// block, so whatever needs a query is asked when it is rendered.
func (h *hub) receive(topic string, payload []byte) {
	kind, rest, _ := strings.Cut(topic, ".")
	var err error
	switch kind {
	case "host":
		err = with(payload, h.hostChanged)
	case "operation":
		err = with(payload, h.operationChanged)
	case "task":
		err = with(payload, h.taskChanged)
	case "log":
		n, _ := strconv.ParseInt(rest, 10, 64)
		err = with(payload, func(g operation.LogGrew) { h.logGrew(n, g) })
	case "jobs":
		h.mu.Lock()
		defer h.mu.Unlock()
		h.tell(change{topic: "host." + rest, reload: true}, true)
	case "job":
		h.mu.Lock()
		defer h.mu.Unlock()
		h.tell(change{topic: live.TopicJob(rest), reload: true}, false)
	case "job-output":
		h.mu.Lock()
		defer h.mu.Unlock()
		h.tell(change{topic: live.TopicJob(rest), values: h.jobValues(rest)}, false)
	case event.Topic:
		err = with(payload, h.eventRecorded)
	}
	if err != nil {
		h.web.Log.Error("cannot read a change", "topic", topic, "err", err)
	}
}

func with[T any](payload []byte, do func(T)) error {
	var v T
	if err := json.Unmarshal(payload, &v); err != nil {
		return err
	}
	do(v)
	return nil
}

func (h *hub) hostChanged(ch fleet.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := strconv.FormatInt(ch.ID, 10)
	was, known := h.states[ch.ID]
	moved := !known || was != ch.State
	h.states[ch.ID] = ch.State

	// A heartbeat alone is not told again to those who come later: the next one will do.
	list := change{topic: live.TopicHosts, id: id, row: h.hostRow(ch.ID)}
	if moved {
		list.values = h.hostCounts
		h.tell(change{topic: live.TopicOverview, values: h.hostCounts, reload: known}, true)
	}
	h.tell(list, moved)

	own := live.TopicHost(ch.ID)
	if told := moved || ch.Children; told || h.wanted(own) {
		h.tell(change{topic: own, values: h.hostValues(ch.ID), reload: ch.Children}, told)
	}
	if ch.DraftID != nil {
		h.tell(change{topic: live.TopicDraft(*ch.DraftID), id: id, row: h.arrivalRow(ch.ID), values: h.arrivalValues(*ch.DraftID)}, moved)
	}
}

func (h *hub) hostRow(id int64) rowMaker {
	return func(ctx context.Context) (live.Row, bool) {
		host, ok := h.web.Fleet.Get(ctx, id)
		return page.HostRow(ctx, h.web.hostView(host)), ok
	}
}

func (h *hub) hostCounts(ctx context.Context) map[string]string {
	return page.HostCountValues(hostCounts(h.web.Fleet.Counts(ctx)))
}

func (h *hub) hostValues(id int64) valueMaker {
	return func(ctx context.Context) map[string]string {
		host, ok := h.web.Fleet.Get(ctx, id)
		if !ok {
			return nil
		}
		return page.HostValues(ctx, h.web.hostView(host))
	}
}

func (h *hub) arrivalRow(id int64) rowMaker {
	return func(ctx context.Context) (live.Row, bool) {
		host, ok := h.web.Fleet.Get(ctx, id)
		return page.ArrivalRow(ctx, arrivalView(host)), ok
	}
}

func (h *hub) arrivalValues(draftID int64) valueMaker {
	return func(ctx context.Context) map[string]string {
		t, err := h.web.openToken(ctx, draftID)
		if err != nil {
			h.web.Log.Error("cannot read how many hosts a token still admits", "draft", draftID, "err", err)
		}
		return page.ArrivalValues(len(h.web.arrivals(ctx, draftID)), t.UsesLeft)
	}
}

// jobValues are how much a job has written. It is asked when it is told: of two streams that grow, each tells of itself.
func (h *hub) jobValues(id string) valueMaker {
	return func(ctx context.Context) map[string]string {
		j, err := h.web.DB.Job(ctx, id)
		if err != nil {
			h.web.Log.Error("cannot read how much a job has written", "job", id, "err", err)
			return nil
		}
		return page.JobValues(uint64(max(0, j.StdoutSize)), uint64(max(0, j.StderrSize)))
	}
}

func (h *hub) operationChanged(s operation.Summary) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := operationView(s)
	h.tell(change{topic: live.TopicOperations, id: strconv.FormatInt(s.ID, 10), row: func(ctx context.Context) (live.Row, bool) {
		return page.OperationRow(ctx, o), true
	}}, true)
	h.tell(change{topic: live.TopicOverview, reload: true}, true)
	if run, watched := h.runs[s.ID]; watched {
		run.summarise(s)
		// What the hosts have written is grouped anew when the work has ended.
		h.tell(change{topic: live.TopicOperation(s.ID), values: run.values, reload: s.State.Ended() && s.Kind != bootstrap.KindName}, false)
	}
}

func (h *hub) taskChanged(t operation.TaskView) {
	h.mu.Lock()
	defer h.mu.Unlock()
	task := taskView(t)
	ch := change{topic: live.TopicOperation(t.OperationID), id: strconv.FormatInt(t.ID, 10), row: func(ctx context.Context) (live.Row, bool) {
		return page.TaskRow(ctx, task), true
	}}
	run, watched := h.runs[t.OperationID]
	if watched {
		run.update(task)
		ch.values = run.values
	}
	h.tell(ch, true)
	if watched && run.regroups(t.State) {
		h.tell(change{topic: ch.topic, reload: true}, false)
	}
}

func (h *hub) logGrew(taskID int64, g operation.LogGrew) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tell(change{topic: live.TopicLog(taskID), values: func(context.Context) map[string]string {
		return map[string]string{"size": strconv.FormatInt(g.Size, 10)}
	}}, true)
}

func (h *hub) eventRecorded(e db.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tell(change{topic: live.TopicEvents, id: strconv.FormatInt(e.ID, 10), row: func(ctx context.Context) (live.Row, bool) {
		return page.EventRow(ctx, h.web.eventView(ctx, e)), true
	}}, true)
	h.tell(change{topic: live.TopicOverview, reload: true}, true)
	if e.HostID != nil {
		h.tell(change{topic: live.TopicHost(*e.HostID), reload: true}, true)
	}
}

// watchedRun is an operation whose page is open. It knows the steps of all tasks, because the overall progress
// counts them and a single task's message does not tell it.
type watchedRun struct {
	loading sync.Mutex // held while it is read; never taken with mu held
	mu      sync.Mutex
	loaded  bool // all tasks are known, and not only those that a message told of
	summary *operation.Summary
	tasks   []page.Task
	index   map[int64]int // task id -> place in tasks
}

func newWatchedRun() *watchedRun { return &watchedRun{index: map[int64]int{}} }

// watchRun begins to follow an operation, unless that is done already, and tells a new subscriber how far it is:
// its page may have been made before the last change.
func (h *hub) watchRun(c *connection, id int64) {
	h.mu.Lock()
	run, watched := h.runs[id]
	if !watched {
		run = newWatchedRun()
		h.runs[id] = run
	}
	h.mu.Unlock()
	if err := run.load(c.ctx, h.web, id); err != nil {
		h.web.Log.Error("cannot follow an operation", "operation", id, "err", err)
	}
	c.push(change{topic: live.TopicOperation(id), values: run.values, reload: run.justEnded()})
}

// watchJob lets a job's page load again if what it shows may be older than the subscription: changes of jobs are not kept
// for those who come later.
func (h *hub) watchJob(c *connection, topic string) {
	j, err := h.web.DB.Job(c.ctx, strings.TrimPrefix(topic, "job."))
	if err == nil && (j.FinishedAt == nil || time.Since(*j.FinishedAt) < replayFor) {
		c.push(change{topic: topic, reload: true})
	}
}

// justEnded says whether work on hosts has ended while a page may have been on its way, without what they have written.
func (r *watchedRun) justEnded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.summary
	return s != nil && s.Kind != bootstrap.KindName && s.FinishedAt != nil && time.Since(*s.FinishedAt) < replayFor
}

// regroupMost is up to how many hosts what they have written is grouped anew whenever one has ended. With more of them that
// happens when all have: it is the whole page that is read again.
const regroupMost = 200

// regroups tells whether a page is to show what a host has written, now that its task is in a state.
func (r *watchedRun) regroups(state db.State) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return state.Ended() && r.summary != nil && r.summary.Kind != bootstrap.KindName && len(r.tasks) <= regroupMost
}

// load reads what no message told yet, unless that was done already.
func (r *watchedRun) load(ctx context.Context, w *Web, id int64) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	if r.isLoaded() {
		return nil
	}
	s, err := w.Engine.Summarise(ctx, id)
	if err != nil {
		return err
	}
	tasks, err := w.DB.Tasks(ctx, id)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.summary == nil {
		r.summary = &s
	}
	for _, t := range w.taskViews(s.Kind, tasks) {
		if _, told := r.index[t.ID]; !told {
			r.put(t)
		}
	}
	r.loaded = true
	return nil
}

func (r *watchedRun) isLoaded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaded
}

func (r *watchedRun) summarise(s operation.Summary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary = &s
}

func (r *watchedRun) update(t page.Task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(t)
}

// put adds or replaces a task; r.mu is held.
func (r *watchedRun) put(t page.Task) {
	if i, ok := r.index[t.ID]; ok {
		r.tasks[i] = t
		return
	}
	r.index[t.ID] = len(r.tasks)
	r.tasks = append(r.tasks, t)
}

// values are nil until all tasks are known: progress over some of them would be another number than the page's.
func (r *watchedRun) values(ctx context.Context) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.loaded {
		return nil
	}
	o := operationView(*r.summary)
	o.Progress, o.Batch = page.Progress(r.tasks), page.BatchOf(r.tasks)
	return page.OperationValues(ctx, o)
}

// unwatch forgets what nobody looks at any more; h.mu is held.
func (h *hub) unwatch(topic string) {
	if kind, n, _ := parseTopic(topic); kind == "operation" {
		delete(h.runs, n)
	}
}
