package agenttest

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"hostler/agent/settings"
	"hostler/agent/state"
)

// Host is a directory with what an agent has on its host.
type Host struct {
	Dir   string
	Clock *Clock
	Log   *Log
	Store *state.Store

	t testing.TB
}

// NewHost makes a host that has been bootstrapped for the server, with the given token.
func NewHost(t testing.TB, server *Server, token string) *Host {
	t.Helper()
	h := &Host{Dir: t.TempDir(), Clock: NewClock(t), Log: &Log{}, t: t}
	h.Bootstrap(server, token)
	store, damage, err := state.Open(filepath.Join(h.Dir, "state"))
	if err != nil || damage != nil {
		t.Fatal(err, damage)
	}
	h.Store = store
	t.Cleanup(func() { _ = store.Close() })
	t.Cleanup(h.removeGroups)
	return h
}

// groupTree is a tree of control groups of the host's own.
func (h *Host) groupTree() string {
	sum := fnv.New32()
	_, _ = sum.Write([]byte(h.Dir)) // it never fails
	return fmt.Sprintf("hostler-test-%08x", sum.Sum32())
}

// removeGroups removes the control groups that agents and child agents have left; all of them have ended.
func (h *Host) removeGroups() {
	for _, below := range []string{"/*", ""} {
		for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
			groups, _ := filepath.Glob(pattern + h.groupTree() + below) // the pattern is sound
			for _, group := range groups {
				Eventually(h.t, group+" gone", func() bool {
					h.killAll(group)
					err := os.Remove(group)
					_, is := os.Stat(filepath.Join(group, "cgroup.procs"))
					return err == nil || is != nil // what is no group goes with its directory
				})
			}
		}
	}
}

// killAll ends what a test that failed has left in a group.
func (h *Host) killAll(group string) {
	pids, _ := os.ReadFile(filepath.Join(group, "cgroup.procs")) // it may be gone
	for word := range strings.FieldsSeq(string(pids)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // likewise
		}
	}
}

// Ini is the path of the host's agent.ini.
func (h *Host) Ini() string { return filepath.Join(h.Dir, "agent.ini") }

// Bootstrap writes agent.ini anew.
func (h *Host) Bootstrap(server *Server, token string) {
	h.t.Helper()
	host, handshake, err := net.SplitHostPort(server.Handshake)
	if err != nil {
		h.t.Fatal(err)
	}
	_, secured, err := net.SplitHostPort(server.Secured)
	if err != nil {
		h.t.Fatal(err)
	}
	content := fmt.Sprintf("[server]\nhost = %s\nhandshake_port = %s\nsecured_port = %s\nca_pin = %s\n"+
		"[agent]\nhostname = node1.lab.test\nstep = 20\nstate_dir = %s/state\nagents_dir = %s/agents.d\nlog_file = %s/agent.log\ngroup_tree = %s\n",
		host, handshake, secured, server.CA.Pin, h.Dir, h.Dir, h.Dir, h.groupTree())
	if token != "" {
		content += "token = " + token + "\n"
	}
	if err := os.WriteFile(h.Ini(), []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// Settings reads agent.ini.
func (h *Host) Settings() *settings.Settings {
	h.t.Helper()
	s, err := settings.Read(h.Ini())
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// Log keeps what is logged.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Logger is what the agent is given.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// Write appends a record.
func (l *Log) Write(record []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(record)
}

// String returns everything logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
