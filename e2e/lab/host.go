package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Host is one machine of a lab.
type Host struct {
	Label   string     `json:"label"` // first label of the name
	Name    string     `json:"name"`  // fully qualified
	Address netip.Addr `json:"address"`
	Aliases []string   `json:"aliases,omitempty"` // further names of the same host, fully qualified
	Number  int        `json:"number"`            // from 1
	Flavour string     `json:"flavour"`

	lab *Lab
}

// bootTimeout bounds the wait for a host's sshd; an idle machine takes about a second.
const bootTimeout = 60 * time.Second

// machine is the name that nspawn knows the host by. It is short because the link's name is made of it.
func (h *Host) machine() string { return "h" + strconv.Itoa(h.Number) }

// link is the host's end on the server's side of the bridge.
func (h *Host) link() string { return "vb-" + h.machine() }

func (h *Host) dir() string { return filepath.Join(h.lab.Dir, "hosts", h.Label) }

// Console returns the path of the log of everything the host wrote to its console.
func (h *Host) Console() string { return filepath.Join(h.lab.Dir, h.Label+".console") }

// Root returns a path below which the host's files can be read and written from outside.
func (h *Host) Root() string {
	return filepath.Join("/proc", strconv.Itoa(h.lab.Holder.PID), "root", h.dir(), "root")
}

// Up tells whether the host has power.
func (h *Host) Up() bool { _, err := h.leader(); return err == nil }

// leader returns the number of the host's first process as seen from here. systemd puts itself into init.scope.
func (h *Host) leader() (int, error) {
	for _, group := range h.groups() {
		raw, err := os.ReadFile(filepath.Join(group, "payload", "init.scope", "cgroup.procs"))
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(raw)) {
			return strconv.Atoi(field)
		}
	}
	return 0, fmt.Errorf("cannot find the first process of %s: the host is off", h.Name)
}

// Boot switches a host on and waits until its sshd answers. A host that is on stays as it is.
func (h *Host) Boot(ctx context.Context) error {
	return h.lab.locked(ctx, func() error {
		if h.Up() {
			return nil
		}
		// A host that shut itself down has left its groups behind.
		if err := h.off(ctx); err != nil {
			return err
		}
		return h.boot(ctx)
	})
}

// boot starts nspawn in the lab's namespaces and the host's groups, and waits for sshd.
func (h *Host) boot(ctx context.Context) error {
	console, err := os.OpenFile(h.Console(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("cannot boot %s: %w", h.Name, err)
	}
	defer func() { _ = console.Close() }()
	for _, group := range h.groups() {
		if err := os.MkdirAll(group, 0o755); err != nil {
			return fmt.Errorf("cannot boot %s: %w", h.Name, err)
		}
	}
	holder := h.lab.Holder
	args := []string{
		"--net=" + holder.namespace("net"), "--mount=" + holder.namespace("mnt"), "--pid=" + holder.namespace("pid"),
		"--", "sh", "-c", `while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs"; shift; done; shift; exec "$@"`, "boot",
	}
	args = append(append(args, h.groups()...), "--",
		"systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--directory="+filepath.Join(h.dir(), "root"),
		"--machine="+h.machine(), "--hostname="+h.Name, "--network-bridge=lab0",
		"--resolv-conf=off", "--timezone=off", "--link-journal=no", "--setenv=SYSTEMD_COLORS=0")
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "nsenter", args...) // the host outlives the call
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = ownSession()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot boot %s: %w", h.Name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return h.waitSSH(ctx, ended)
}

// waitSSH returns once sshd has greeted, or with the console's last lines when nspawn ended first.
func (h *Host) waitSSH(ctx context.Context, ended <-chan error) error {
	bounded, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	err := poll(bounded, func() (bool, error) {
		select {
		case err := <-ended:
			return false, fmt.Errorf("nspawn ended: %w", err)
		default:
			return h.greets(bounded), nil
		}
	})
	if ctx.Err() != nil {
		return fmt.Errorf("cannot boot %s: %w", h.Name, ctx.Err()) // the caller gave up; the console does not matter
	}
	if err != nil {
		out, _ := os.ReadFile(h.Console())
		return fmt.Errorf("cannot boot %s: %w\n%s", h.Name, err, lastLines(out, 10))
	}
	return nil
}

// connectTimeout is short because the first attempts go to a host without an address, and the kernel would wait a
// second before it tries again by itself.
const connectTimeout = 100 * time.Millisecond

// greets tells whether the host's sshd sends its greeting.
func (h *Host) greets(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := h.lab.Dial(ctx, "tcp", netip.AddrPortFrom(h.Address, 22).String())
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	greeting := make([]byte, 4)
	_, err = io.ReadFull(conn, greeting)
	return err == nil && string(greeting) == "SSH-"
}

// PowerOff takes the host's power away: nothing on it gets to say goodbye, to its disk or to the network.
func (h *Host) PowerOff(ctx context.Context) error {
	return h.lab.locked(ctx, func() error { return h.off(ctx) })
}

func (h *Host) off(ctx context.Context) error {
	// The link goes first, or the kernel would close the dying processes' connections properly.
	_ = h.lab.ip(ctx, "link", "set", h.link(), "down") // absent when the host is off already
	if err := killGroups(ctx, h.groups()); err != nil {
		return fmt.Errorf("cannot power off %s: %w", h.Name, err)
	}
	_ = h.lab.ip(ctx, "link", "delete", h.link()) // else it would go some time after the container
	if err := removeGroups(ctx, h.groups()); err != nil {
		return fmt.Errorf("cannot power off %s: %w", h.Name, err)
	}
	return nil
}

// Cut takes the host off the network, as a pulled cable does. Open connections survive a cut that is mended in time.
func (h *Host) Cut(ctx context.Context) error { return h.lab.ip(ctx, "link", "set", h.link(), "down") }

// Join puts a host that was cut off back on the network.
func (h *Host) Join(ctx context.Context) error { return h.lab.ip(ctx, "link", "set", h.link(), "up") }

// Command prepares a command that runs as root on the host, whatever the state of its network. It starts outside
// the host's services; use systemd-run for something that is to stay.
func (h *Host) Command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	leader, err := h.leader()
	if err != nil {
		return nil, err
	}
	enter := []string{
		"--target=" + strconv.Itoa(leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--",
		"env", "--chdir=/", "-i", "HOME=/root", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", name,
	}
	return exec.CommandContext(ctx, "nsenter", append(enter, args...)...), nil
}

// Exec runs a command on the host and returns its standard output. The error holds the end of its standard error.
func (h *Host) Exec(ctx context.Context, name string, args ...string) (string, error) {
	cmd, err := h.Command(ctx, name, args...)
	if err != nil {
		return "", err
	}
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return string(out), fmt.Errorf("cannot run %s on %s: %w: %s", name, h.Name, err, lastLines(exit.Stderr, 5))
	}
	return string(out), err
}
