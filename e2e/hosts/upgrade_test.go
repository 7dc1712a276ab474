package hosts

import (
	"strings"
	"testing"

	"hostler/e2e/lab"
)

// child is a child agent that must not notice any of it.
const child = `mkdir -p /etc/hostler-agent/agents.d
cat >/etc/hostler-agent/agents.d/sleeper.ini <<'INI'
[agent]
name = sleeper
command = /bin/sleep 4712
INI`

// The server comes first and the agents follow, back again from one that does not work.
func TestServerThenAgents(t *testing.T) {
	before, next, faulty := buildServer(t, "0.9.0", ""), buildServer(t, "0.10.0", ""), buildServer(t, "0.11.0", broken)
	r := begin(t, before, lab.Options{Count: 2})
	r.sh(child)
	must(t, r.Until(t.Context(), "told of the child agent", func() (bool, error) { return r.pid() != "", nil }))
	pid := r.pid()
	r.versions("0.9.0")

	// Agents of the version before work with the new server as they are.
	must(t, r.Become(t.Context(), next))
	r.command()
	r.versions("0.9.0")

	must(t, r.upgrade())
	r.versions("0.10.0")
	r.command()
	if out := r.sh("hostler-agent version"); !strings.Contains(out, " 0.10.0 ") {
		t.Errorf("the host has %s", out)
	}

	// An agent that does not work is taken back.
	must(t, r.Become(t.Context(), faulty))
	if err := r.upgrade(); err == nil {
		t.Error("an upgrade to an agent that ends at once has succeeded")
	} else {
		t.Log(err)
	}
	r.versions("0.10.0")
	r.command()
	if now := r.pid(); now != pid {
		t.Errorf("the child agent's process was %s and is %q", pid, now)
	}
}
