package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"hostler/agent/state"
)

// Argument is the agent's hidden command that makes it a runner; the job's directory follows.
const Argument = "run-job"

// Errors of Run.
var (
	// ErrLost says that the command was begun and that nobody knows how it ended.
	ErrLost = errors.New("the command was begun, and a crash hid how it ended")
	// ErrDetached says that the context ended first. The command goes on; Run finds it again.
	ErrDetached = errors.New("the command goes on without the agent")
)

// Run has the command of prepare run in dir, which it makes, and returns how that ended. It may be called
// again for the same directory after a crash at any instant: a command that runs is waited for, one that ended
// is told of, and one that was begun is never begun again. prepare is called only for one that was not; its
// error is returned as it is. grown is called whenever there may be more output.
func Run(ctx context.Context, dir string, prepare func() (*Spec, error), grown func()) (*Outcome, error) {
	alive, err := open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = alive.Close() }() // only read
	if outcome, err := await(ctx, alive, dir, grown); outcome != nil || err != nil {
		return outcome, err
	}
	if exists(dir, startedFile) {
		abandon(dir)
		return nil, ErrLost
	}
	spec, err := prepare()
	if err != nil {
		return nil, err
	}
	if err := spec.write(dir); err != nil {
		return nil, err
	}
	if err := start(dir); err != nil {
		return nil, err
	}
	outcome, err := await(ctx, alive, dir, grown)
	if outcome != nil || err != nil {
		return outcome, err
	}
	if exists(dir, startedFile) {
		abandon(dir)
		return nil, ErrLost
	}
	return nil, errors.New("cannot run the command: its runner ended before it began")
}

// open makes the directory and its pipes where they are missing, and opens the runner's for reading.
func open(dir string) (*os.File, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	for _, name := range []string{aliveFile, controlFile} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil && !errors.Is(err, syscall.EEXIST) {
			return nil, fmt.Errorf("cannot make the job's pipes: %w", err)
		}
	}
	alive, err := os.OpenFile(filepath.Join(dir, aliveFile), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the job's pipe: %w", err)
	}
	return alive, nil
}

func makeDir(dir string) error {
	// Others may pass through, not look: the script in it belongs to the command's user.
	if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // see above
		return fmt.Errorf("cannot make the job's directory: %w", err)
	}
	return nil
}

// await waits until no runner holds the pipe, which is at once where there is none, and returns the outcome, nil
// if there is none.
func await(ctx context.Context, alive *os.File, dir string, grown func()) (*Outcome, error) {
	stop := context.AfterFunc(ctx, func() { _ = alive.Close() })
	defer stop()
	buffer := make([]byte, 512)
	for {
		_, err := alive.Read(buffer)
		if err == nil {
			grown()
			continue
		}
		if ctx.Err() != nil {
			return nil, ErrDetached
		}
		if errors.Is(err, io.EOF) {
			reap(dir)
			return ReadOutcome(dir)
		}
		return nil, fmt.Errorf("cannot watch the command: %w", err)
	}
}

// start starts a runner, which outlives the agent. The pipe's end in the runner is open before the runner
// exists, so there is no instant at which it runs unseen.
func start(dir string) error {
	held, err := os.OpenFile(filepath.Join(dir, aliveFile), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("cannot open the job's pipe: %w", err)
	}
	defer func() { _ = held.Close() }() // the runner has its own
	// The file that this process runs, even if another is now at its path.
	runner := exec.Command("/proc/self/exe", Argument, dir) //nolint:noctx // it is to outlive every context
	runner.Args[0] = os.Args[0]
	runner.ExtraFiles = []*os.File{held}
	runner.Dir = "/"
	runner.Env = append(os.Environ(), "GOMAXPROCS=2")
	runner.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := runner.Start(); err != nil {
		return fmt.Errorf("cannot start the command's runner: %w", err)
	}
	content := strconv.Itoa(runner.Process.Pid)
	// Only for reap; without it a process entry stays behind until the agent ends.
	_ = os.WriteFile(filepath.Join(dir, runnerFile), []byte(content), 0o600)
	return runner.Process.Release()
}

// runnerFile holds the runner's process number.
const runnerFile = "runner"

// reap takes the runner's exit status from the kernel where the runner is this process's child, also when an
// earlier program in this process started it. It has let go of the pipe, so there is next to nothing to wait for.
func reap(dir string) {
	content, err := os.ReadFile(filepath.Join(dir, runnerFile))
	if err != nil {
		return
	}
	if pid, err := strconv.Atoi(string(content)); err == nil && pid > 1 {
		_, _ = syscall.Wait4(pid, nil, 0, nil) // ECHILD: it is init's child now
		_ = os.Remove(filepath.Join(dir, runnerFile))
	}
}

// Cancel has the command in dir ended, or not begun, also where Run is still to make dir. It returns before that has
// happened.
func Cancel(dir string) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	noted := state.WriteFile(filepath.Join(dir, cancelFile), nil, 0o600)
	control, err := os.OpenFile(filepath.Join(dir, controlFile), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) || errors.Is(err, fs.ErrNotExist) {
		return noted // no runner listens: one that is about to will find the file
	}
	if err == nil {
		_, err = control.Write([]byte{1})
		err = errors.Join(err, control.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot tell the command's runner to end it: %w", err)
	}
	return nil
}

// Discard removes the directory of a job that nobody knows any more. A command that still runs in it is ended,
// and its directory stays until the next call.
func Discard(dir string) error {
	alive, err := open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = alive.Close() }() // only read
	if err := alive.SetReadDeadline(time.Now()); err != nil {
		return fmt.Errorf("cannot watch the command: %w", err)
	}
	if _, err := alive.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return Cancel(dir)
	}
	return os.RemoveAll(dir)
}

// Reset makes a command that Run has called lost one that never began. It is for commands that put in order what
// an interruption has left.
func Reset(dir string) error {
	for _, name := range []string{startedFile, outcomeFile, cancelFile, pidFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot begin the command anew: %w", err)
		}
	}
	return state.SyncDir(dir)
}
