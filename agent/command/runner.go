package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hostler/agent/state"
)

// Waits of a runner.
const (
	// termGrace is how long a command has between SIGTERM and SIGKILL.
	termGrace = 5 * time.Second
	// drainTime is how long output is read on after the command has ended while a process that it left behind
	// holds it open.
	drainTime = time.Second
)

// runner is one process that runs one command.
type runner struct {
	dir    string
	spec   *Spec
	record *record
	stdout *keeper
	stderr *keeper
	bounds *bounds
}

// Main is the whole work of a runner process, for the job in dir.
func Main(dir string) error {
	// The command is to die with this thread should the runner be killed, so the thread must be the process's.
	runtime.LockOSThread()
	debug.SetGCPercent(25)
	// At a shutdown the command gets these signals itself, and how it takes them is to be written down.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	syscall.CloseOnExec(aliveFD)
	if err := syscall.SetNonblock(aliveFD, true); err != nil {
		return fmt.Errorf("cannot use the job's pipe: %w", err)
	}
	r := &runner{dir: dir}
	var err error
	if r.spec, err = readSpec(dir); err != nil {
		return err
	}
	// Whatever a command leaves behind, in a session of its own too, becomes the runner's child and can be found.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	identify(dir)
	canceled, err := listen(dir)
	if err != nil {
		return err
	}
	if r.record, err = reserveRecord(dir); err != nil {
		return err
	}
	outcome := r.run(canceled)
	if r.spec.Script != "" {
		_ = os.Remove(r.spec.Script)
	}
	return r.record.write(outcome)
}

// aliveFD is the number of the pipe's descriptor in a runner.
const aliveFD = 3

// listen returns a channel that is closed when the command is to be ended. It opens the pipe before it looks for
// the file, and Cancel writes the file before it opens the pipe: one of the two sees the other.
func listen(dir string) (<-chan struct{}, error) {
	control, err := os.OpenFile(filepath.Join(dir, controlFile), os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the job's pipe: %w", err)
	}
	canceled := make(chan struct{})
	if exists(dir, cancelFile) {
		close(canceled)
		return canceled, control.Close()
	}
	go func() { // ends with the process
		if n, _ := control.Read(make([]byte, 1)); n > 0 {
			close(canceled)
		}
	}()
	return canceled, nil
}

func (r *runner) run(canceled <-chan struct{}) *Outcome {
	select {
	case <-canceled:
		return &Outcome{Canceled: true}
	default:
	}
	var err error
	if r.bounds, err = newBounds(r.spec, filepath.Base(r.dir)); err != nil {
		return &Outcome{Failure: err.Error(), Full: errors.Is(err, syscall.ENOSPC)}
	}
	defer r.bounds.close()
	process, drained, err := r.start()
	if err != nil {
		return &Outcome{Failure: err.Error(), Full: errors.Is(err, syscall.ENOSPC)}
	}
	began := time.Now()
	outcome := r.await(process, canceled, time.After(r.spec.Timeout))
	select {
	case <-drained:
	case <-time.After(drainTime):
		r.stdout.stop()
		r.stderr.stop()
		<-drained
	}
	outcome.Elapsed = time.Since(began)
	r.bounds.tell(outcome)
	outcome.Stdout, outcome.Stderr = r.stdout.close(), r.stderr.close()
	return outcome
}

// start starts the command. The channel is closed when both its outputs have ended.
func (r *runner) start() (*exec.Cmd, <-chan struct{}, error) {
	var err error
	if r.stdout, err = newKeeper(r.dir, "stdout", r.spec.Keep/2, grown); err != nil {
		return nil, nil, err
	}
	if r.stderr, err = newKeeper(r.dir, "stderr", r.spec.Keep/2, grown); err != nil {
		return nil, nil, err
	}
	argv, err := r.bounds.wrap(r.spec.Command)
	if err != nil {
		return nil, nil, err
	}
	process := exec.Command(argv[0], argv[1:]...) //nolint:noctx // its time is this runner's work
	process.ExtraFiles = r.bounds.files()
	process.Env, process.Dir = r.spec.Env, r.spec.Directory
	process.Stdout, process.Stderr = r.stdout.input, r.stderr.input
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if u := r.spec.User; u != nil {
		process.SysProcAttr.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	}
	if err := state.WriteFile(filepath.Join(r.dir, startedFile), nil, 0o600); err != nil {
		return nil, nil, err
	}
	if files := uint64(r.spec.Limit.Files); files > 0 { // the runner has opened what it needs
		limit := syscall.Rlimit{Cur: files, Max: files}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return nil, nil, fmt.Errorf("cannot limit the command's open files: %w", err)
		}
	}
	if err := process.Start(); err != nil {
		return nil, nil, fmt.Errorf("cannot start the command: %w", err)
	}
	if err := r.bounds.admit(process.Process.Pid); err != nil {
		killAll(process.Process.Pid)
		return nil, nil, errors.Join(err, process.Wait())
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		other := make(chan struct{})
		go func() { defer close(other); r.stderr.copy() }()
		r.stdout.copy()
		<-other
	}()
	return process, drained, nil
}

// await waits for the command to end and ends it when it has to.
func (r *runner) await(process *exec.Cmd, canceled <-chan struct{}, timeout <-chan time.Time) *Outcome {
	ended := make(chan struct{})
	go func() { defer close(ended); _ = process.Wait() }() // its state says how it ended
	outcome := &Outcome{}
	select {
	case <-ended:
		status, _ := process.ProcessState.Sys().(syscall.WaitStatus)
		if status.Signaled() {
			outcome.Signal = unix.SignalName(status.Signal())
		} else {
			code := status.ExitStatus()
			outcome.ExitCode = &code
		}
		return outcome
	case <-timeout:
		outcome.TimedOut = true
	case <-canceled:
		outcome.Canceled = true
	case <-r.bounds.over():
		outcome.OverMemory = true
		killAll(process.Process.Pid)
		<-ended
		return outcome
	}
	ctx, cancel := context.WithTimeout(context.Background(), termGrace)
	defer cancel()
	_ = syscall.Kill(-process.Process.Pid, syscall.SIGTERM)
	select {
	case <-ended:
	case <-ctx.Done():
	}
	killAll(process.Process.Pid)
	<-ended
	return outcome
}

// grown tells the agent, if one listens, that there is more output. It never waits: an agent that has not read
// the bytes before knows already.
func grown() { _, _ = syscall.Write(aliveFD, []byte{1}) }
