package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hostler/agent/owner"
	"hostler/agent/process"
	"hostler/agent/wire"
)

// gate is what a child agent's process begins as: a shell that waits for a word and then becomes the program. Until the
// word is given nothing of the program has run, and when the agent dies the pipe ends and the shell with it. So what is
// remembered of the process is on the disk before the program begins, and there is never one that nobody knows of.
// It also does what a process cannot do for another, or not as fast: it goes through the doors of its control groups,
// files 4 to $2, and sets the umask, $1.
const gate = `d=$2; while [ $d -gt 3 ]; do eval "echo 0 >&$d && exec $d>&-" || exit 126; d=$((d-1)); done
read -r go <&3 || exit 125; exec 3<&-; umask "$1"; shift 2; exec "$@"`

// gateName is the gate's $0.
const gateName = "hostler-agent-gate"

// errUser is in the chain of errors that trying again does not mend.
var errUser = errors.New("it cannot be started as it is defined")

// gated is a process that waits at its gate.
type gated struct {
	id   process.ID
	word *os.File
}

// prepare starts the gate of a child agent's process.
func (c *child) prepare() (g *gated, err error) {
	at, err := c.place()
	if err != nil {
		return nil, err
	}
	if err := executable(c.def.Command[0]); err != nil {
		return nil, err
	}
	files, closeAll, err := c.openFiles(at.who)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	reader, word, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer func() { _ = reader.Close() }() // the process has its own
	doors, closeDoors, err := c.openDoors()
	if err != nil {
		return nil, errors.Join(err, word.Close())
	}
	defer closeDoors()
	files = append(append(files, reader.Fd()), doors...)
	argv := append([]string{"sh", "-c", gate, gateName, fmt.Sprintf("%#o", c.def.Umask), strconv.Itoa(len(files) - 1)}, c.def.Command...)
	pid, err := c.fork(argv, &syscall.ProcAttr{
		Dir: at.directory, Env: at.environment, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Credential: at.who.Credential()},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start in %s as %s: %w", at.directory, at.who.Name, err), word.Close())
	}
	id, ok := process.Of(pid)
	if !ok {
		var status syscall.WaitStatus
		_, _ = syscall.Wait4(pid, &status, 0, nil) // it has ended, whatever with
		return nil, errors.Join(errors.New("cannot start: the process ended at once"), word.Close())
	}
	return &gated{id: id, word: word}, nil
}

// openDoors opens those of the control groups that the gate has to enter by itself.
func (c *child) openDoors() (doors []uintptr, closeAll func(), err error) {
	if c.limiter == wire.LimiterPolling {
		return nil, func() {}, nil
	}
	files, err := c.group.Doors()
	for _, f := range files {
		doors = append(doors, f.Fd())
	}
	return doors, func() {
		for _, f := range files {
			_ = f.Close() // the process has its own
		}
	}, err
}

// fork starts the gate, in its control group where the kernel can do that.
func (c *child) fork(argv []string, attributes *syscall.ProcAttr) (int, error) {
	const shell = "/bin/sh"
	if c.limiter != wire.LimiterPolling {
		if group := c.group.Directory(); group != nil {
			defer func() { _ = group.Close() }() // only a name for it
			attributes.Sys.UseCgroupFD, attributes.Sys.CgroupFD = true, int(group.Fd())
			if pid, err := syscall.ForkExec(shell, argv, attributes); err == nil {
				return pid, nil
			}
			attributes.Sys.UseCgroupFD = false // before 5.7 it cannot; any other error comes again
		}
	}
	return syscall.ForkExec(shell, argv, attributes)
}

// place is as whom, where and with what environment processes of a child agent run.
type place struct {
	who         *owner.Owner
	directory   string
	environment []string
}

func (c *child) place() (*place, error) {
	who, err := owner.Find(c.def.User, c.def.Group)
	if errors.Is(err, owner.ErrAway) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUser, err)
	}
	directory := c.def.Directory
	if directory == "" {
		directory = who.Directory()
	}
	return &place{who: who, directory: directory, environment: c.environment(who)}, nil
}

// open gives the word.
func (g *gated) open() error {
	_, err := g.word.WriteString("go\n")
	return errors.Join(err, g.word.Close())
}

// executable tells what is wrong with a program before a process is made for it.
func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot start: there is no program %s", path)
	case err != nil:
		return fmt.Errorf("cannot start: %w", err)
	case info.IsDir() || info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("cannot start: %s is no program that may be executed", path)
	}
	return nil
}

// openFiles opens the process's first three files. Logs are files and no pipes: the child goes on writing, at no cost to
// the agent, also while the agent is away. They are the child's, or it could not open /dev/stderr; the directory is not.
func (c *child) openFiles(who *owner.Owner) (files []uintptr, closeAll func(), err error) {
	var open []*os.File
	closeAll = func() {
		for _, f := range open {
			_ = f.Close() // the process has its own
		}
	}
	null, err := os.Open(os.DevNull)
	if err == nil {
		open = append(open, null)
		err = os.MkdirAll(filepath.Dir(c.s.LogPath(c.name, wire.Stdout)), 0o700)
	}
	for _, stream := range []wire.Stream{wire.Stdout, wire.Stderr} {
		if err != nil {
			break
		}
		var f *os.File
		if f, err = os.OpenFile(c.s.LogPath(c.name, stream), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
			open = append(open, f)
			if !who.Own {
				err = f.Chown(int(who.UID), int(who.GID))
			}
		}
	}
	if err != nil {
		closeAll()
		return nil, nil, fmt.Errorf("cannot open the log: %w", err)
	}
	for _, f := range open {
		files = append(files, f.Fd())
	}
	return files, closeAll, nil
}

// environment is the definition's, over it what jobs have set, and the mark by which strays are found.
func (c *child) environment(who *owner.Owner) []string {
	all := map[string]string{}
	for name, value := range c.def.Env {
		all[name] = value
	}
	for name, value := range c.mem.Envs {
		all[name] = value
	}
	return append(who.Environment(all), c.mark())
}

func (c *child) mark() string { return "HOSTLER_CHILD_AGENT=" + filepath.Join(c.s.StateDir, c.name) }

// limitFiles bounds the open files of a process at its gate.
func limitFiles(pid, most int) error {
	if most == 0 {
		return nil
	}
	limit := unix.Rlimit{Cur: uint64(most), Max: uint64(most)}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		return fmt.Errorf("cannot limit open files to %s: %w", strconv.Itoa(most), err)
	}
	return nil
}

// passGate waits until a process that an agent before this one has started is through its gate, or gone because that
// agent died before it gave the word. Either is a matter of a moment.
func passGate(ctx context.Context, id process.ID) (through bool) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for id.Lives() {
		command := process.Command(id.PID)
		if len(command) < 4 || command[2] != gate || command[3] != gateName {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return false
}
