package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hostler/agent/cgroup"
	"hostler/agent/process"
	"hostler/agent/wire"
)

const (
	// lookEvery is how often memory is looked at where no control group bounds it.
	lookEvery = 250 * time.Millisecond
	// emptyWithin bounds the wait for a control group to become empty.
	emptyWithin = 2 * time.Second
)

// gate is what a command with limits begins as: a shell that waits for a word and then becomes the program. When the
// word is given the process is in its control group, and so is all that it starts.
const gate = `read -r go <&3 || exit 125; exec 3<&-; exec "$@"`

// bounds holds a command to its limits.
type bounds struct {
	limit  cgroup.Limit
	tree   *cgroup.Tree
	group  *cgroup.Group // nil: there is none, or no need of one
	reason string        // why there is none

	gate *os.File // the command's end
	word *os.File
	look context.CancelFunc
	full chan struct{} // closed when it is over its memory
}

func newBounds(spec *Spec, name string) (*bounds, error) {
	b := &bounds{limit: spec.Limit, look: func() {}, full: make(chan struct{})}
	if b.limit.CPU == 0 && b.limit.Memory == 0 && b.limit.PIDs == 0 {
		return b, nil
	}
	if spec.Tree == "" {
		b.reason = "there are no control groups"
		return b, nil
	}
	b.tree = cgroup.Open(spec.Tree)
	if b.tree.Limiter == wire.LimiterPolling {
		b.reason = b.tree.Reason
		return b, nil
	}
	b.group = b.tree.Group("job-" + name)
	if err := b.group.Make(); err != nil {
		return nil, err
	}
	if err := b.group.Limit(b.limit); err != nil {
		return nil, err
	}
	var err error
	if b.gate, b.word, err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	return b, nil
}

// wrap returns the command with its gate, if it needs one. What the gate's shell could only tell by its status is
// told here.
func (b *bounds) wrap(argv []string) ([]string, error) {
	if b.group == nil {
		return argv, nil
	}
	if info, err := os.Stat(argv[0]); err != nil {
		return nil, fmt.Errorf("cannot start the command: %w", err)
	} else if info.IsDir() || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("cannot start the command: %s is no program", argv[0])
	}
	return append([]string{"/bin/sh", "-c", gate, filepath.Base(argv[0])}, argv...), nil
}

// files are what the gate needs besides the first three.
func (b *bounds) files() []*os.File {
	if b.gate == nil {
		return nil
	}
	return []*os.File{b.gate}
}

// admit puts the process into its group and lets it through the gate, or begins to look at its memory.
func (b *bounds) admit(pid int) error {
	if b.group == nil {
		if b.reason != "" && b.limit.Memory > 0 {
			var ctx context.Context
			ctx, b.look = context.WithCancel(context.Background())
			go b.watch(ctx) // ends with the runner
		}
		return nil
	}
	_ = b.gate.Close() // the command has its own
	if err := b.group.Add(pid); err != nil {
		return err
	}
	if _, err := b.word.WriteString("go\n"); err != nil {
		return fmt.Errorf("cannot begin the command: %w", err)
	}
	return b.word.Close()
}

// watch looks at the memory of the runner's descendants.
func (b *bounds) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		var sum int64
		for _, pid := range process.Descendants(os.Getpid()) {
			sum += process.Memory(pid)
		}
		if sum > b.limit.Memory {
			close(b.full)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// over is closed when memory that is looked at is over its limit.
func (b *bounds) over() <-chan struct{} { return b.full }

// tell adds to the outcome what became of the limits.
func (b *bounds) tell(outcome *Outcome) {
	outcome.Unlimited = b.reason
	if b.group != nil && b.group.OOMKills() > 0 {
		outcome.OverMemory = true
	}
}

// close removes the group. What the command has left behind with a limit ends with it, as nobody would see to it.
func (b *bounds) close() {
	b.look()
	if b.group == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), emptyWithin)
	defer cancel()
	b.group.Kill(ctx)
	_ = b.group.Remove() // a process that cannot be killed keeps it
}
