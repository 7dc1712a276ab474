// Package supervise starts, watches, limits and restarts the child agents of a host.
//
// Each child agent has a file in agents.d, which says what it is, and a file in the state directory, which says what is
// to be remembered of it. The agent may stop, crash or be replaced at any instant: the processes go on, and the next
// agent finds the same ones, one of each. Processes are known by number, start and boot, so that nothing else is ever
// signalled. The package never talks to the server; what is worth telling goes out through Options.Emit.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"hostler/agent/cgroup"
	"hostler/agent/process"
	"hostler/agent/wire"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrNoChild means that there is no child agent of that name.
	ErrNoChild = errors.New("there is no such child agent")
	// ErrDefinition means that a definition, envs or limits cannot be used.
	ErrDefinition = errors.New("it cannot be used as it is")
	// ErrNotRunning means that a child agent did not start, or did not become ready.
	ErrNotRunning = errors.New("it does not run")
)

// sampleEvery is how often the processes, the logs and the clock are looked at.
const sampleEvery = 2 * time.Second

// Options is what a Supervisor works with. All but Sample must be set.
type Options struct {
	Dir      string // definitions, *.ini; may be missing
	StateDir string // a file of ours per child agent
	LogDir   string // a directory per child agent with what it writes
	Groups   *cgroup.Tree
	Log      *slog.Logger
	Emit     func(wire.Event) // must not block
	Sample   time.Duration    // between looks at processes, logs and the clock; 0: two seconds
}

// Supervisor looks after the child agents of a directory. Its methods may be called from any goroutine.
type Supervisor struct {
	Options

	mu       sync.Mutex
	children map[string]*child
	views    map[string]*view
	problems map[string]string // by file, those that were told
	writing  map[string]bool   // files of definitions that somebody is writing, as far as the kernel tells it
	changed  chan struct{}     // closed and made anew whenever a view changes
	started  chan struct{}     // closed once Run has begun with the children
	news     chan struct{}     // holds one if a heartbeat would say something new

	looking sync.Mutex // guards what the last look at the host's processes saw
	tree    process.Tree
	treeAt  time.Time

	ctx  context.Context // of Run
	work sync.WaitGroup
}

// New makes a Supervisor; Run does the work.
func New(options Options) *Supervisor {
	if options.Sample == 0 {
		options.Sample = sampleEvery
	}
	return &Supervisor{
		Options: options, children: map[string]*child{}, views: map[string]*view{}, problems: map[string]string{},
		writing: map[string]bool{}, changed: make(chan struct{}), started: make(chan struct{}), news: make(chan struct{}, 1),
	}
}

// Run adopts the processes that an agent before this one has left, starts those that are to run, and looks after all of
// them until ctx ends. It leaves them running.
func (s *Supervisor) Run(ctx context.Context) {
	for _, dir := range []string{s.StateDir, s.LogDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			s.Log.Error("child agents cannot be looked after", "error", err)
		}
	}
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	if w, err := watch(s.Dir); err == nil {
		s.work.Go(func() { w.run(ctx, s) })
	} else {
		s.Log.Warn("changed definitions are noticed at heartbeats only", "error", err)
	}
	s.Reload()
	s.mu.Lock()
	found := slices.Collect(maps.Values(s.children))
	s.mu.Unlock()
	for _, c := range found {
		<-c.known
	}
	close(s.started)
	s.pace(ctx)
	s.work.Wait()
}

// pace has everything looked at that has to be looked at again and again, until ctx ends. All of it is looked at together:
// to be woken costs an idle agent more than to look.
func (s *Supervisor) pace(ctx context.Context) {
	tick := time.NewTicker(s.Sample)
	defer tick.Stop()
	apart := wallApart()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		for _, c := range s.children {
			select {
			case c.due <- struct{}{}:
			default: // it has not come to the look before
			}
		}
		s.mu.Unlock()
		now := wallApart()
		s.clockStepped(now - apart)
		apart = now
	}
}

// Started is closed once Run has found out which child agents there are and which of them run.
func (s *Supervisor) Started() <-chan struct{} { return s.started }

// News receives when a child agent has come, has gone or is in another state than before.
func (s *Supervisor) News() <-chan struct{} { return s.news }

// Reload reads the definitions anew. What has a new definition goes on as it is until it is started again; what has none
// any more is not started again.
func (s *Supervisor) Reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || s.ctx.Err() != nil {
		return
	}
	l := load(s.Dir, s.writing)
	s.tell(l)
	for _, name := range s.names(l) {
		c := s.children[name]
		d := l.definitions[name]
		switch {
		case c != nil:
			if !reflect.DeepEqual(c.sent, d) && (d != nil || !l.hides(c.sent)) {
				c.sent = d
				c.send(request{kind: redefine, definition: d})
			}
		case d != nil || s.recall(name).Process.Lives():
			s.look(name, d)
		}
	}
}

// names are those that are defined, looked after or remembered.
func (s *Supervisor) names(l loaded) []string {
	all := map[string]bool{}
	for name := range l.definitions {
		all[name] = true
	}
	for name := range s.children {
		all[name] = true
	}
	files, _ := filepath.Glob(filepath.Join(globEscapes.Replace(s.StateDir), "*.json"))
	for _, file := range files {
		all[filepath.Base(file[:len(file)-len(".json")])] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// hides says whether the file of a definition is there and cannot be used, or nobody knows which files there are: what it
// defined before goes on as if nothing had changed.
func (l *loaded) hides(former *Definition) bool {
	return former != nil && (l.problems[former.File] != nil || l.problems[l.dir] != nil)
}

// look begins to look after a child agent; s.mu is held.
func (s *Supervisor) look(name string, d *Definition) {
	c := newChild(s, name, d)
	s.children[name] = c
	s.work.Go(func() {
		c.run(s.ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.children[name] == c {
			delete(s.children, name)
			delete(s.views, name)
			s.tellNews()
		}
		close(c.gone)
	})
}

// tell reports definitions that cannot be used, once; s.mu is held.
func (s *Supervisor) tell(l loaded) {
	now := map[string]string{}
	for _, file := range slices.Sorted(maps.Keys(l.problems)) {
		if s.writing[file] {
			continue // what it is to say is not known yet
		}
		text := l.problems[file].Error()
		now[file] = text
		if s.problems[file] != text {
			s.Log.Error("a child agent's definition is not used", "error", text)
			s.Emit(wire.ConfigRefused(file, l.problems[file], s.keeps(&l, file)))
		}
	}
	for _, d := range l.definitions {
		for _, key := range d.Unknown {
			text := "a setting is not known and not used: " + key
			if now[d.File] = text; s.problems[d.File] != text {
				s.Log.Warn("a setting is not known and not used", "file", d.File, "setting", key)
			}
		}
	}
	s.problems = now
}

// keeps says whether a child agent goes on by what a file has defined before; s.mu is held.
func (s *Supervisor) keeps(l *loaded, file string) bool {
	for _, c := range s.children {
		if c.sent != nil && (c.sent.File == file || file == l.dir) && l.definitions[c.name] == nil {
			return true
		}
	}
	return false
}

// Start starts a child agent that does not run; its strikes are forgotten. It returns once the process is there.
func (s *Supervisor) Start(ctx context.Context, name string) error {
	return s.ask(ctx, name, request{kind: start})
}

// Stop stops a child agent, and what it has left behind. It stays stopped until it is told to start.
func (s *Supervisor) Stop(ctx context.Context, name string) error {
	return s.ask(ctx, name, request{kind: stop})
}

// Restart is Stop and Start, with the definition as it is now.
func (s *Supervisor) Restart(ctx context.Context, name string) error {
	s.Reload()
	return s.ask(ctx, name, request{kind: restart})
}

// Configure changes what is kept with a child agent: envs over those of its definition, limits instead of them; nil leaves
// either as it is. A child that runs has the new limits when it returns, and is started again for new envs.
func (s *Supervisor) Configure(ctx context.Context, name string, envs map[string]string, limits *wire.Limits) error {
	return s.ask(ctx, name, request{kind: configure, envs: envs, limits: limits})
}

// Remove stops a child agent and forgets it. Its definition, if it is still there, makes a new one at the next Reload.
func (s *Supervisor) Remove(ctx context.Context, name string) error {
	s.mu.Lock()
	c := s.children[name]
	s.mu.Unlock()
	if err := s.ask(ctx, name, request{kind: remove}); err != nil {
		return err
	}
	select {
	case <-c.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AwaitReady waits until a child agent runs and its readiness check has passed, also while it waits for those that it comes
// after. ErrNotRunning when it has ended or been given up instead.
func (s *Supervisor) AwaitReady(ctx context.Context, name string) error {
	for {
		s.mu.Lock()
		v, changed := s.views[name], s.changed
		s.mu.Unlock()
		switch {
		case v == nil:
			return fmt.Errorf("%s: %w", name, ErrNoChild)
		case v.Ready:
			return nil
		case v.waiting:
		case v.Status != wire.ChildRunning || v.unready:
			return fmt.Errorf("%s: %w: %s", name, ErrNotRunning, v.Reason)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// LogPath is the file that a stream of a child agent goes to; rotated ones have a number behind, 1 for the latest.
func (s *Supervisor) LogPath(name string, stream wire.Stream) string {
	return filepath.Join(s.LogDir, name, string(stream)+".log")
}

// Children is the state of every child agent now, by name, never nil. Definitions that have changed are taken over.
func (s *Supervisor) Children() []wire.ChildAgent {
	s.Reload()
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]wire.ChildAgent, 0, len(s.views))
	for _, name := range slices.Sorted(maps.Keys(s.views)) {
		list = append(list, s.views[name].report(time.Now()))
	}
	return list
}

// ask hands a request to a child agent and waits for it to be done.
func (s *Supervisor) ask(ctx context.Context, name string, r request) error {
	select {
	case <-s.started:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	c := s.children[name]
	s.mu.Unlock()
	if c == nil {
		return fmt.Errorf("%.80q: %w", name, ErrNoChild)
	}
	r.done = make(chan error, 1)
	c.send(r)
	select {
	case err := <-r.done:
		return err
	case <-c.gone:
		select {
		case err := <-r.done: // it was the last thing that was done
			return err
		default:
			return fmt.Errorf("%s: %w", name, ErrNoChild)
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// show makes the state of a child agent known.
func (s *Supervisor) show(name string, v *view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.views[name]
	if old == nil || old.Version != v.Version || old.Status != v.Status || old.Ready != v.Ready || old.PID != v.PID {
		s.tellNews()
	}
	if old != nil {
		v.reportedCPU, v.reportedAt = old.reportedCPU, old.reportedAt
		if v.PID != old.PID {
			v.reportedCPU, v.reportedAt = 0, time.Time{}
		}
	}
	s.views[name] = v
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Supervisor) tellNews() {
	select {
	case s.news <- struct{}{}:
	default: // nobody has heard the former ones yet
	}
}

// view is what others see of a child agent.
type view struct {
	wire.ChildAgent
	waiting bool          // for those that it comes after
	unready bool          // its readiness check was given up
	began   time.Time     // zero: there is no process
	cpu     time.Duration // used since it began
	cpuAt   time.Time

	reportedCPU time.Duration // at the heartbeat before
	reportedAt  time.Time
}

// report is what a heartbeat says.
func (v *view) report(now time.Time) wire.ChildAgent {
	r := v.ChildAgent
	if v.began.IsZero() {
		return r
	}
	r.Uptime = int64(now.Sub(v.began).Seconds())
	if v.reportedAt.IsZero() {
		v.reportedAt = v.began
	}
	if span := v.cpuAt.Sub(v.reportedAt); span > 0 {
		r.CPU = max(0, float64(v.cpu-v.reportedCPU)/float64(span)*100)
		r.CPU = float64(int64(r.CPU*10+0.5)) / 10
		v.reportedCPU, v.reportedAt = v.cpu, v.cpuAt
	}
	return r
}
