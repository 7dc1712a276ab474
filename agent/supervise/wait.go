package supervise

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hostler/agent/process"
)

// ending is how a process ended.
type ending struct {
	code   *int // nil: a signal, or nobody saw it
	signal string
}

// lookEvery is how often a process is looked for on kernels before 5.10, which have no better way.
const lookEvery = 200 * time.Millisecond

// await waits for the end of a process, whether or not it is a child of this process, or for ctx. It takes note of the
// end of that process only: others are waited for elsewhere.
func await(ctx context.Context, id process.ID) (ending, error) {
	fd, err := unix.PidfdOpen(id.PID, unix.PIDFD_NONBLOCK)
	if err != nil {
		return look(ctx, id)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer func() { _ = f.Close() }() // nothing was written
	if !id.Lives() {
		return reap(id), nil // and the number may be a stranger's by now
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return look(ctx, id)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	// The descriptor becomes readable when the process has ended; until then the runtime's poller holds it.
	err = raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return err != nil && !errors.Is(err, unix.EINTR) || n > 0
	})
	if ctx.Err() != nil {
		return ending{}, ctx.Err()
	}
	if err != nil {
		return look(ctx, id)
	}
	return reap(id), nil
}

func look(ctx context.Context, id process.ID) (ending, error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for id.Lives() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ending{}, ctx.Err()
		}
	}
	return reap(id), nil
}

// reap takes note of an end. Of a process that is no child of this one nobody can know how it ended.
func reap(id process.ID) ending {
	var status syscall.WaitStatus
	for {
		pid, err := syscall.Wait4(id.PID, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid != id.PID {
			return ending{}
		}
		if status.Signaled() {
			return ending{signal: unix.SignalName(status.Signal())}
		}
		code := status.ExitStatus()
		return ending{code: &code}
	}
}
