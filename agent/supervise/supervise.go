// Package supervise knows the child agents of a host: which are defined, and which of them run.
//
// It starts and stops nothing yet. A child agent whose process is found is running, any other stopped;
// nothing is assumed.
package supervise

import (
	"errors"
	"log/slog"

	"hostler/agent/wire"
)

// List is the child agents that a directory of definitions names. It belongs to one goroutine.
type List struct {
	dir  string
	proc string
	log  *slog.Logger
	told string // problems that were logged last
}

// New makes a List of the definitions in dir; a missing directory is an empty one.
func New(dir string, log *slog.Logger) *List {
	return &List{dir: dir, proc: "/proc", log: log}
}

// Children returns the state of every child agent now, never nil. It reads the definitions anew, so a file
// that was added or taken away counts with the next heartbeat.
func (l *List) Children() []wire.ChildAgent {
	definitions, problems := load(l.dir)
	l.tell(problems)
	children := make([]wire.ChildAgent, 0, len(definitions))
	processes := newTable(l.proc)
	for _, definition := range definitions {
		child := wire.ChildAgent{Name: definition.Name, Version: definition.Version, Status: wire.ChildStopped}
		if found, ok := processes.find(&definition); ok {
			child.Status, child.Uptime = wire.ChildRunning, int64(found.uptime.Seconds())
		}
		children = append(children, child)
	}
	return children
}

// tell logs problems when they change and not with every heartbeat.
func (l *List) tell(problems []error) {
	text := ""
	if err := errors.Join(problems...); err != nil {
		text = err.Error()
	}
	if text == l.told {
		return
	}
	l.told = text
	for _, problem := range problems {
		l.log.Error("a child agent's definition is not used", "error", problem)
	}
}
