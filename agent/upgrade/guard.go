package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// GuardArgument is the agent's hidden command that makes it a guardian; the state directory, the agent's process
	// number and which start it is follow, then the command line that starts the agent.
	GuardArgument = "guard-upgrade"
	// look is how often a guardian looks.
	look = 500 * time.Millisecond
	// patience is how long the init system has to start an agent again that has ended, and how much longer than the window a
	// guardian waits, because the new binary is to give up by itself. A shorter window has it be as short.
	patience = 10 * time.Second
)

// spawnGuardian starts a guardian, which runs the binary that this process runs and outlives it.
func spawnGuardian(stateDir string, start int) error {
	args := append([]string{GuardArgument, stateDir, strconv.Itoa(os.Getpid()), strconv.Itoa(start)}, os.Args[1:]...)
	guardian := exec.Command("/proc/self/exe", args...) //nolint:noctx // it is to outlive every context
	guardian.Args[0] = os.Args[0]
	guardian.Dir = "/"
	guardian.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := guardian.Start(); err != nil {
		return fmt.Errorf("cannot start the upgrade's guardian: %w", err)
	}
	return guardian.Process.Release()
}

// Guard waits until the new binary has proved itself, has been rolled back or is started anew, and rolls it back when it
// has ended for good or its time is long over.
func Guard(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return errors.New("a guardian needs the state directory, a process number and a start")
	}
	stateDir := args[0]
	pid, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("cannot guard the process %q: %w", args[1], err)
	}
	start, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("cannot guard the start %q: %w", args[2], err)
	}
	record, err := Read(stateDir)
	if err != nil || record == nil {
		return err
	}
	g := &guardian{
		stateDir: stateDir, pid: pid, started: StartTime(pid), command: args[3:], start: start,
		patience: min(patience, record.Window), end: time.Now().Add(record.Window + min(patience, record.Window)),
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		over, err := g.look()
		if over || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

type guardian struct {
	stateDir string
	pid      int
	started  string
	command  []string // arguments of the agent
	start    int      // which of the new binary's it guards
	patience time.Duration
	end      time.Time // of its patience with the new binary
	gone     time.Time // since when no agent runs
}

// look says whether there is nothing more to guard.
func (g *guardian) look() (over bool, err error) {
	record, err := Read(g.stateDir)
	if err != nil || record == nil || record.Phase != OnTrial || record.Starts != g.start { // a later start has its own guardian
		return true, err
	}
	now := time.Now()
	running := g.agentRuns()
	if running {
		g.gone = time.Time{}
	} else if g.gone.IsZero() {
		g.gone = now
	}
	switch {
	case !running && now.Sub(g.gone) > g.patience:
		if err := record.RollBack(g.stateDir, "it ended and nothing started it again"); err != nil {
			return true, err
		}
		return true, g.startOld(record.Binary)
	case now.After(g.end):
		err = record.RollBack(g.stateDir, "it neither reported nor gave up in time")
		if err == nil && running {
			err = g.kill()
		}
	default:
		return false, nil
	}
	if err != nil {
		return true, err
	}
	if g.restarted() {
		return true, nil
	}
	return true, g.startOld(record.Binary)
}

// agentRuns says whether a process has the state directory: the one that was upgraded, or one that the init system
// has started since.
func (g *guardian) agentRuns() bool {
	if g.started != "" && StartTime(g.pid) == g.started {
		return true
	}
	lock, err := os.Open(filepath.Join(g.stateDir, "lock"))
	if err != nil {
		return false
	}
	defer func() { _ = lock.Close() }() // and with it the lock, if it was to be had
	return errors.Is(syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// kill ends the agent that does not answer and waits until it is gone.
func (g *guardian) kill() error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for g.started != "" && StartTime(g.pid) == g.started {
		if err := syscall.Kill(g.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("cannot end the new agent: %w", err)
		}
		<-tick.C
	}
	return nil
}

// restarted waits for the init system to start the old agent.
func (g *guardian) restarted() bool {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for deadline := time.Now().Add(g.patience); time.Now().Before(deadline); <-tick.C {
		if g.agentRuns() {
			return true
		}
	}
	return false
}

// startOld starts the old binary. Should the init system do so as well, the state directory is taken for the second
// of the two, and that ends by itself.
func (g *guardian) startOld(binary string) error {
	agent := exec.Command(binary, g.command...) //nolint:noctx // it is to outlive the guardian
	agent.Dir = "/"
	agent.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := agent.Start(); err != nil {
		return fmt.Errorf("cannot start the old agent: %w", err)
	}
	return agent.Process.Release()
}
