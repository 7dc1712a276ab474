package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"hostler/agent/state"
	"hostler/agent/wire"
)

// remove queues the job that removes the agent. The script stands for setup-agent.sh: it has the host's directory to itself.
func (r *upgradeRig) remove(id, script string, keep bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs = append(r.jobs, wire.Job{ID: id, Action: wire.ActionRemoveAgent, Remove: &wire.Remove{Script: script, KeepChildren: keep}})
}

func TestTheAgentIsRemoved(t *testing.T) {
	r := newUpgradeRig(t, 4)
	child := r.child()
	r.remove("gone", "set -eu; [ \"$1\" = uninstall ]; rm -rf "+filepath.Join(r.host.Dir, "state")+" "+r.program, false)
	if result := receive(r, "a result", r.results); result.ID != "gone" || result.ErrCode != 0 || result.Elapsed < 1 {
		t.Fatalf("got %+v", result)
	}
	// The result is sent when all is over.
	_ = r.agent.Wait()
	for _, path := range []string{r.program, filepath.Join(r.host.Dir, "state", state.IdentityFile)} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	if line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(child), "cmdline")); err == nil && strings.Contains(string(line), "100003") {
		t.Errorf("the child agent %d runs on", child)
	}
}

func TestAnAgentThatCannotBeRemovedGoesOn(t *testing.T) {
	r := newUpgradeRig(t, 4)
	child := r.child()
	r.remove("stays", "set -eu; [ \"$2\" = --keep-children ]; echo 'hostler: error package-manager-busy: apt is busy' >&2; exit 15", true)
	result := receive(r, "a result", r.results)
	if result.ID != "stays" || result.ErrCode != wire.ErrCodeFailed || !strings.Contains(result.Message, "package-manager-busy: apt is busy") {
		t.Fatalf("got %+v", result)
	}
	if beat := r.beat("1.0.0"); len(beat.Agents) != 1 || beat.Agents[0].PID != child || beat.Agents[0].Status != wire.ChildRunning {
		t.Errorf("the child agent was process %d and is %+v", child, beat.Agents)
	}
}
