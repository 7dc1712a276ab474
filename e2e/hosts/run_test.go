// Package hosts does to real hosts what takes a whole system: it upgrades their agents, and installs child agents by
// their own package managers.
package hosts

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"hostler/e2e/bench/rig"
	"hostler/e2e/lab"
)

// run is the server with the host that is looked into.
type run struct {
	*testing.T
	*rig.Server
	host *lab.Host
}

// begin installs a server's agent on the hosts of a lab, or skips the test where there can be none.
func begin(t *testing.T, program string, o lab.Options) *run {
	t.Helper()
	if err := lab.Check(); err != nil {
		t.Skip(err)
	}
	labs++
	o.Name = fmt.Sprintf("hosts-%d-%d", os.Getpid(), labs)
	l, err := lab.Start(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { must(t, l.Stop(context.Background())) })
	s, err := rig.StartProgram(t.Context(), program, l, t.TempDir(), "--step", "1s")
	must(t, err)
	t.Cleanup(s.Stop)
	id, err := s.Bootstrap(t.Context(), fmt.Sprintf("node[1-%d].lab.test", o.Count))
	must(t, err)
	must(t, s.Await(t.Context(), id))
	return &run{T: t, Server: s, host: l.Hosts[0]}
}

// labs counts them, so that each has a name of its own.
var labs int

func (r *run) sh(script string) string {
	r.Helper()
	out, err := r.host.Exec(r.Context(), "sh", "-euc", script)
	must(r.T, err)
	return out
}

func (r *run) pid() string { return strings.TrimSpace(r.sh("pgrep -fx '/bin/sleep 4712' || :")) }

// versions waits until both hosts have reported a version; what they had reported before counts as well.
func (r *run) versions(want string) {
	r.Helper()
	var list struct {
		Items []struct {
			Name, State string
			Version     string `json:"agent_version"`
		}
	}
	err := r.Until(r.Context(), "told of version "+want, func() (bool, error) {
		if err := r.Call(r.Context(), http.MethodGet, "/api/v1/hosts", nil, &list); err != nil {
			return false, err
		}
		for _, h := range list.Items {
			if h.Version != want || h.State != "healthy" {
				return false, nil
			}
		}
		return len(list.Items) == 2, nil
	})
	if err != nil {
		r.Errorf("%v: %+v", err, list.Items)
	}
}

// command runs one on both hosts.
func (r *run) command() {
	r.Helper()
	must(r.T, r.start("/api/v1/commands", map[string]any{"targets": all, "exec": map[string]any{"command": []string{"true"}}}))
}

func (r *run) upgrade() error {
	return r.start("/api/v1/agent-upgrades", map[string]any{"targets": all, "timeout": 120})
}

var all = map[string]any{"all": true}

// start starts an operation and waits for it.
func (r *run) start(path string, in map[string]any) error {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Minute)
	defer cancel()
	var out struct {
		OperationID int64 `json:"operation_id"`
	}
	if err := r.Call(ctx, http.MethodPost, path, in, &out); err != nil {
		return err
	}
	return r.Await(ctx, out.OperationID)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
