package main

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"hostler/agent/cgroup"
	"hostler/agent/clock"
	"hostler/agent/download"
	"hostler/agent/enroll"
	"hostler/agent/event"
	"hostler/agent/facts"
	"hostler/agent/install"
	"hostler/agent/keyring"
	"hostler/agent/link"
	"hostler/agent/report"
	"hostler/agent/settings"
	"hostler/agent/space"
	"hostler/agent/state"
	"hostler/agent/supervise"
	"hostler/agent/task"
	"hostler/agent/upgrade"
	"hostler/agent/wire"
)

// worker is one life of the agent, from its start or a new configuration to the next.
type worker struct {
	settings *settings.Settings
	store    *state.Store
	started  time.Time
	become   chan<- string // takes the binary that is to take this one's place
	log      *slog.Logger

	room     *space.Room
	events   *event.Spool
	place    *install.Place
	groups   *cgroup.Tree
	children *supervise.Supervisor
	session  *link.Session
	answered chan struct{} // closed once a heartbeat has been answered
}

// newWorker opens what a life of the agent works with, and undoes what a crash cut short; work closes it.
func newWorker(s *settings.Settings, store *state.Store, started time.Time, become chan<- string, log *slog.Logger) (*worker, error) {
	w := &worker{
		settings: s, store: store, started: started, become: become, log: log,
		room: space.Open(store.Path("")), session: link.NewSession(), answered: make(chan struct{}),
		place: &install.Place{Dir: store.Path(state.AgentsDir), Definitions: s.AgentsDir},
	}
	if err := w.openEvents(); err != nil {
		return nil, err
	}
	w.goBack()
	w.groups = cgroup.Open(s.GroupTree)
	w.children = supervise.New(supervise.Options{
		Dir: s.AgentsDir, StateDir: store.Path(state.ChildrenDir), LogDir: filepath.Join(filepath.Dir(s.LogFile), "agents"),
		Groups: w.groups, Log: log, Emit: w.events.Emit,
	})
	return w, nil
}

// work looks after child agents, and enrols, does jobs and reports, until ctx ends. Child agents need no server.
func (w *worker) work(ctx context.Context) error {
	defer w.closeEvents()
	defer func() { _ = w.groups.Close() }() // it is in use while child agents run
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for _, run := range []func(context.Context){w.events.Run, w.children.Run} {
		running.Go(func() { run(ctx) })
	}
	return w.serve(ctx)
}

// serve is the part of the work that has to do with the server.
func (w *worker) serve(ctx context.Context) error {
	enroller := enroll.New(w.settings, w.store, clock.Real(), w.log, collectFacts)
	identity, err := enroller.Identity(ctx)
	if err != nil {
		return nil // only ctx ends the attempts
	}
	journal, lost, err := task.OpenJournal(w.store.Path(state.JournalFile), w.room)
	if err != nil {
		return err
	}
	defer func() { _ = journal.Close() }() // every line has been forced to the disk
	if lost > 0 {
		w.log.Error("jobs or their results are lost: their lines are damaged", "lines", lost)
	}
	runner := task.NewRunner(task.Options{
		Actions: task.Actions(w.parts(enroller.Trusted)), Journal: journal, Log: w.log,
		Dir: w.store.Path(state.JobsDir), Limit: w.settings.JobLimit, Now: task.Now,
	})
	select { // jobs and heartbeats are about child agents, too
	case <-w.children.Started():
	case <-ctx.Done():
		return nil
	}
	waker := report.NewWaker(w.session, clock.Real(), w.log)
	runs := []func(context.Context){runner.Run, w.keepSmall}
	if w.settings.Wake {
		runs = append(runs, waker.Run)
	}
	var running sync.WaitGroup
	defer running.Wait()
	for _, run := range runs {
		running.Go(func() { run(ctx) })
	}
	report.New(report.Options{
		Settings: w.settings, Store: w.store, Clock: clock.Real(), Log: w.log, Version: version, Started: w.started,
		Enroller: enroller, Keys: &keyring.Keyring{Dir: filepath.Dir(w.settings.Path)}, Identity: identity, Session: w.session, Runner: runner, Events: w.events, Room: w.room,
		Woken: waker.Woken(), News: w.children.News(), Answered: sync.OnceFunc(func() { close(w.answered) }),
		Children: w.children.Children,
		Facts:    collectFacts, Definition: w.place.Tell,
	}).Run(ctx)
	return nil
}

func collectFacts(ctx context.Context) *wire.Facts { return facts.Collect(ctx, "/") }

// parts is what jobs work with.
func (w *worker) parts(cas func() []*x509.Certificate) *task.Parts {
	return &task.Parts{
		Store: w.store, Session: w.session, Children: w.children, Place: w.place, Manager: &install.Manager{}, Tree: w.settings.GroupTree,
		Downloader: &download.Downloader{Server: w.settings.HandshakeAddress(), Ours: w.isServer, CAs: cas},
		Upgrade: &task.Upgrade{
			StateDir: w.settings.StateDir, Config: w.settings.Path, Version: version,
			Window:   time.Duration(w.settings.UpgradeWindow) * time.Second,
			Answered: w.answered, Become: func(binary string) { w.become <- binary },
			Verify:   func(sum []byte, signature string) error { return upgrade.Verify(cas(), sum, signature) },
			Children: w.children.Children, Emit: w.events.Emit,
		},
	}
}

// isServer says whether a host is one of the servers, agent.ini's or those that a job has set.
func (w *worker) isServer(host string) bool {
	for _, address := range append(w.store.Values().Servers, w.settings.SecuredAddress()) {
		if server, _, err := net.SplitHostPort(address); err == nil && strings.EqualFold(server, host) {
			return true
		}
	}
	return false
}

func (w *worker) openEvents() (err error) {
	var lost int
	w.events, lost, err = event.Open(event.Options{
		Path: w.store.Path(state.EventsFile), Room: w.room, Log: w.log, Now: time.Now,
	})
	if err != nil {
		return err
	}
	if lost > 0 {
		w.log.Error("events are lost: their lines are damaged", "lines", lost)
	}
	w.room.Emit(w.events.Emit)
	return nil
}

func (w *worker) closeEvents() {
	if err := w.events.Close(); err != nil {
		w.log.Error("events are lost", "error", err)
	}
}

// goBack undoes installations that a crash cut short, before any child agent is started. Their jobs do them anew.
func (w *worker) goBack() {
	names, err := w.place.Recover()
	if err != nil {
		w.log.Error("an installation that was cut short is in the way", "error", err)
	}
	for _, name := range names {
		w.log.Warn("an installation was cut short; the former version is in force", "name", name)
	}
}
