package supervise

import (
	"context"
	"fmt"
	"time"

	"hostler/agent/cgroup"
	"hostler/agent/process"
	"hostler/agent/wire"
)

// requests may wait while a child agent is being started; nobody who sends one holds a lock that this needs.
const requestsQueued = 16

// request is what a child agent is told.
type request struct {
	kind       kind
	definition *Definition
	envs       map[string]string
	limits     *wire.Limits
	ended      *ended
	done       chan error // may be nil; has room for the answer
}

type kind int

const (
	start kind = iota
	stop
	restart
	configure
	remove
	halt // stop, and start again when an agent comes
	redefine
	begin   // those that it comes after are ready
	exited  // the process has ended
	isReady // the readiness check has passed
	unready // or was given up
)

// ended is the end of one process.
type ended struct {
	run *run
	ending
	reason string // of isReady and unready
}

// child looks after one child agent. All fields but the channels and sent belong to the goroutine of run.
type child struct {
	s        *Supervisor
	name     string
	sent     *Definition // the last one that was handed over; guarded by s.mu
	requests chan request
	due      chan struct{} // holds one when it is time to look
	known    chan struct{} // closed when its state is known for the first time
	gone     chan struct{}

	def     *Definition // nil: it has none any more
	mem     memory
	group   *cgroup.Group
	proc    *run // nil: there is no process
	epoch   time.Time
	again   *time.Timer // fires when it is to be started again
	waiting bool        // for those that it comes after
	leave   bool        // nothing is left to look after
	halting bool        // nothing is started any more
	limiter wire.Limiter
	limits  wire.Limits // in force
}

// run is one process of a child agent.
type run struct {
	id      process.ID
	began   time.Time
	def     *Definition // as it was started; nil when an agent before this one did
	oom     int64       // kills by the kernel before it began
	cancel  context.CancelFunc
	ready   bool
	unready bool
	killing string // why the agent has ended it by force
	over    int    // looks in a row at which it was over its CPU limit
	looks   int    // at it so far
	usage   usage

	stopping []request   // who wants it stopped
	again    []request   // who wanted it started when it had just ended
	patience *time.Timer // fires when it has had time enough to stop
	deaf     bool        // that time is over
}

func newChild(s *Supervisor, name string, d *Definition) *child {
	return &child{
		s: s, name: name, def: d, sent: d, requests: make(chan request, requestsQueued), due: make(chan struct{}, 1),
		known: make(chan struct{}), gone: make(chan struct{}), group: s.Groups.Group(name), epoch: time.Now(),
	}
}

// send hands over a request; what arrives after the end is dropped.
func (c *child) send(r request) {
	select {
	case c.requests <- r:
	case <-c.gone:
	default:
		// The queue is full of other requests: wait for room apart, so that no lock is held meanwhile.
		go func() {
			select {
			case c.requests <- r:
			case <-c.gone:
			}
		}()
	}
}

// run looks after the child agent until ctx ends or it is gone.
func (c *child) run(ctx context.Context) {
	c.mem = c.s.recall(c.name)
	c.takeUp(ctx)
	c.show()
	close(c.known)
	for !c.leave {
		c.show()
		select {
		case <-ctx.Done():
			c.detach()
			return
		case r := <-c.requests:
			c.handle(ctx, r)
		case <-timeOf(c.again):
			c.again = nil
			c.mem.Restarts++
			c.start(ctx)
		case <-c.outOfPatience():
			c.proc.patience, c.proc.deaf = nil, true
			c.s.Log.Warn("a child agent does not stop and is killed", "name", c.name, "pid", c.proc.id.PID)
			c.kill(c.proc)
		case <-c.due:
			c.look()
		}
	}
}

func timeOf(t *time.Timer) <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.C
}

func (c *child) outOfPatience() <-chan time.Time {
	if c.proc == nil {
		return nil
	}
	return timeOf(c.proc.patience)
}

func (c *child) handle(ctx context.Context, r request) {
	if c.halting && (r.kind == start || r.kind == restart || r.kind == configure || r.kind == begin) {
		c.answer(r, fmt.Errorf("%s: %w: the host is shutting down", c.name, ErrNotRunning))
		return
	}
	switch r.kind {
	case start:
		c.mem.Want = wantUp
		if c.proc != nil && len(c.proc.stopping) > 0 {
			c.proc.stopping = append(c.proc.stopping, r) // it is started, and this answered, when it has ended
			c.keep(true)
			return
		}
		if c.proc != nil && !c.proc.id.Lives() {
			c.proc.again = append(c.proc.again, r) // its end is about to be noticed
			return
		}
		c.answer(r, c.startNow(ctx))
	case stop, restart, remove, halt:
		c.stop(ctx, r)
	case configure:
		c.configure(ctx, r)
	case redefine:
		c.redefine(ctx, r.definition)
	case begin:
		if c.waiting {
			c.waiting = false
			_ = c.launch(ctx) // its failure is the child's state
		}
	case exited:
		if r.ended.run == c.proc {
			c.ended(ctx, r.ended.ending)
			for _, again := range r.ended.run.again {
				c.answer(again, c.startNow(ctx))
			}
		}
	case isReady, unready:
		if r.ended.run == c.proc {
			c.proc.ready, c.proc.unready = r.kind == isReady, r.kind == unready
			c.mem.Reason = r.ended.reason
		}
	}
}

// answer tells who asked that it is done, and not before everybody can see it.
func (c *child) answer(r request, err error) {
	c.show()
	if r.done != nil {
		r.done <- err
	}
}

// takeUp finds the process that an agent before this one has left, or how things stood.
func (c *child) takeUp(ctx context.Context) {
	sameBoot := c.mem.Boot == process.Boot()
	id := c.mem.Process
	switch {
	case sameBoot && id.PID > 0 && passGate(ctx, id):
		c.adopt(ctx, id)
		if c.mem.Want == wantDown {
			c.stop(ctx, request{kind: stop}) // the agent before this one was about to
		}
	case sameBoot && id.PID > 0 && c.mem.AtGate:
		c.mem.Process = process.ID{} // nothing of the program has run
		c.begin(ctx)
	case sameBoot && id.PID > 0 && c.mem.Status == wire.ChildRunning:
		// It ended while no agent was there. Only one that was replaced in place can still learn how.
		c.proc = &run{id: id, began: c.beganAt(), cancel: func() {}}
		if c.mem.Want == wantDown {
			c.proc.stopping = []request{{kind: stop}} // it was told to
		}
		c.ended(ctx, reap(id))
	case sameBoot:
		c.settle(ctx)
	default:
		c.mem.Process, c.mem.Strikes, c.mem.Restarts, c.mem.Again, c.mem.Status, c.mem.Reason = process.ID{}, 0, 0, 0, "", ""
		c.mem.Halted = false
		c.mem.Boot = process.Boot()
		c.begin(ctx)
	}
}

// settle goes on from where an agent before this one left a child agent without a process.
func (c *child) settle(ctx context.Context) {
	switch {
	case c.mem.Halted:
		c.mem.Halted = false
		c.begin(ctx)
	case c.mem.Again > 0 && c.mem.Want != wantDown:
		c.again = time.NewTimer(max(0, c.mem.Again-sinceBoot()))
	case c.mem.Status == wire.ChildFatal || c.mem.Status == wire.ChildStopped || c.mem.Status == wire.ChildKilled:
	default:
		c.begin(ctx)
	}
}

// begin starts what is to run by itself.
func (c *child) begin(ctx context.Context) {
	c.mem.Status = wire.ChildStopped
	if c.mem.Want == wantDown || c.mem.Want == wantDefault && (c.def == nil || !c.def.Enabled) {
		return
	}
	c.start(ctx)
}

func (c *child) beganAt() time.Time { return time.Now().Add(c.mem.Began - sinceBoot()) }

// adopt looks after a process that is there already.
func (c *child) adopt(ctx context.Context, id process.ID) {
	c.proc = &run{id: id, began: c.beganAt(), oom: c.group.OOMKills()}
	c.mem.Status, c.mem.Again = wire.ChildRunning, 0
	c.s.Log.Info("child agent adopted", "name", c.name, "pid", id.PID)
	c.chooseLimiter()
	if _, err := c.limit(); err != nil {
		c.s.Log.Error("the limits of a child agent are not in force", "name", c.name, "error", err)
	}
	c.watch(ctx, c.proc)
}

// watch waits for a process's end and for its readiness.
func (c *child) watch(ctx context.Context, r *run) {
	ctx, r.cancel = context.WithCancel(ctx)
	c.s.work.Go(func() {
		end, err := await(ctx, r.id)
		if err == nil {
			c.send(request{kind: exited, ended: &ended{run: r, ending: end}})
		}
	})
	if c.def == nil || c.def.Ready.Kind == "" || c.def.Ready.Kind == "none" {
		r.ready = true
		return
	}
	check := c.def.Ready
	at, err := c.place()
	c.s.work.Go(func() {
		if err == nil {
			err = check.await(ctx, at)
		}
		if ctx.Err() != nil {
			return
		} else if err != nil {
			c.send(request{kind: unready, ended: &ended{run: r, reason: err.Error()}})
			return
		}
		c.send(request{kind: isReady, ended: &ended{run: r}})
	})
}

// detach leaves the process to the next agent.
func (c *child) detach() {
	if c.proc != nil {
		c.proc.cancel()
	}
	c.keep(false)
}

// keep writes down what is to be remembered.
func (c *child) keep(durable bool) {
	c.mem.Boot = process.Boot()
	if err := c.s.remember(c.name, &c.mem, durable); err != nil {
		c.s.Log.Error("the state of a child agent is lost when the agent restarts", "name", c.name, "error", err)
	}
}

// show makes the state known.
func (c *child) show() {
	v := &view{ChildAgent: wire.ChildAgent{
		Name: c.name, Status: c.mem.Status, Reason: c.mem.Reason, Restarts: c.mem.Restarts, LastExit: c.mem.LastExit,
	}}
	v.waiting = c.waiting
	switch {
	case c.proc != nil:
		v.Version = c.mem.Version
	case c.def != nil:
		v.Version = c.def.Version
	}
	if c.limits != (wire.Limits{}) {
		limits := c.limits
		v.Limits, v.LimitedBy = &limits, c.limiter
	}
	if r := c.proc; r != nil {
		v.PID, v.Ready, v.unready, v.began = r.id.PID, r.ready, r.unready, r.began
		v.Memory, v.cpu, v.cpuAt = r.usage.memory, r.usage.cpu, r.usage.at
	}
	c.s.show(c.name, v)
}

func (c *child) emit(kind wire.EventKind, severity wire.Severity, params map[string]string) {
	c.s.Emit(wire.Event{Kind: kind, Severity: severity, Child: c.name, Params: params})
}
