package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// enterScript gives a command the lab's names in a mount namespace of its own. The lab has no DNS, so a name that
// is not in the hosts file does not exist; without the second file the machine's unreachable resolver would be asked.
const enterScript = `mount --bind "$1" /etc/hosts
if [ -e /etc/nsswitch.conf ]; then mount --bind "$2" /etc/nsswitch.conf; fi
shift 2
exec "$@"`

// Command prepares a command that runs on the server's side of the lab: in its network, with its names, and with
// everything else as on the machine. The process that is started becomes the command itself, so signals reach it.
func (l *Lab) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", l.commandLine(name, args...)...)
}

func (l *Lab) commandLine(name string, args ...string) []string {
	return append([]string{
		"--net=" + l.Holder.namespace("net"), "--",
		"unshare", "--mount", "--propagation", "slave", "--",
		"sh", "-euc", enterScript, "lab", l.HostsFile, filepath.Join(l.Dir, "nsswitch.conf"), name,
	}, args...)
}

// ip runs the ip tool in the lab's network.
func (l *Lab) ip(ctx context.Context, args ...string) error {
	enter := append([]string{"--net=" + l.Holder.namespace("net"), "--", "ip"}, args...)
	if out, err := exec.CommandContext(ctx, "nsenter", enter...).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot change the network of lab %s: ip %v: %w: %s", l.Name, args, err, lastLines(out, 3))
	}
	return nil
}

// Dial connects from the server's side of the lab; it may be called anywhere. The address is a host's name or
// an IP address, with a port.
func (l *Lab) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("cannot dial in lab %s: %w", l.Name, err)
	}
	if _, err := netip.ParseAddr(name); err != nil {
		host, err := l.Host(name)
		if err != nil {
			return nil, err
		}
		name = host.Address.String()
	}
	type result struct {
		conn net.Conn
		err  error
	}
	dialled := make(chan result, 1)
	onThrowawayThread(func() {
		if err := l.enterNetwork(); err != nil {
			dialled <- result{err: err}
			return
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(name, port))
		dialled <- result{conn, err}
	})
	r := <-dialled
	return r.conn, r.err
}

// onThrowawayThread starts work on a thread that ends with it: a socket belongs to the namespace of the thread that
// makes it, and a thread that has changed its namespace must not run anything else. The main thread never ends and
// lends the process its namespaces in /proc, so work that would land there is passed on while the thread is held.
func onThrowawayThread(work func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			work()
			return // still locked, which ends the thread
		}
		passedOn := make(chan struct{})
		go func() {
			defer close(passedOn)
			runtime.LockOSThread()
			work()
		}()
		<-passedOn
		runtime.UnlockOSThread()
	}()
}

// enterNetwork moves the calling thread into the lab's network namespace.
func (l *Lab) enterNetwork() error {
	if !l.Running() {
		return fmt.Errorf("cannot enter lab %s: it is not running", l.Name)
	}
	ns, err := os.Open(l.Holder.namespace("net"))
	if err != nil {
		return fmt.Errorf("cannot enter lab %s: %w", l.Name, err)
	}
	defer func() { _ = ns.Close() }()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("cannot enter lab %s: %w", l.Name, err)
	}
	return nil
}

// stoppedEvery is how often Forward looks whether the lab still runs.
const stoppedEvery = 500 * time.Millisecond

// Forward accepts connections on the listener, which is the machine's, and passes each on to the target, an address
// on the server's side of the lab. It closes the listener and returns when the context ends (nil) or the lab does.
func (l *Lab) Forward(ctx context.Context, listener net.Listener, target string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var pending sync.WaitGroup
	defer pending.Wait()
	defer cancel(nil)
	stopped := fmt.Errorf("cannot forward any more: lab %s was stopped", l.Name)
	pending.Go(func() {
		ticker := time.NewTicker(stoppedEvery)
		defer ticker.Stop()
		for l.Running() {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
		cancel(stopped)
	})
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	for {
		outer, err := listener.Accept()
		if err != nil {
			if cause := context.Cause(ctx); errors.Is(cause, stopped) {
				return cause
			}
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("cannot forward to lab %s: %w", l.Name, err)
		}
		pending.Go(func() { l.pass(ctx, outer, target) })
	}
}

// pass copies both ways between a connection and the target until both have said all they had to say.
func (l *Lab) pass(ctx context.Context, outer net.Conn, target string) {
	defer func() { _ = outer.Close() }()
	inner, err := l.Dial(ctx, "tcp", target)
	if err != nil {
		return // the browser sees the closed connection; there is nobody else to tell
	}
	defer func() { _ = inner.Close() }()
	defer context.AfterFunc(ctx, func() { _, _ = outer.Close(), inner.Close() })()
	var both sync.WaitGroup
	both.Go(func() { copyHalf(inner, outer) })
	both.Go(func() { copyHalf(outer, inner) })
	both.Wait()
}

// copyHalf copies one direction and passes its end on.
func copyHalf(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
