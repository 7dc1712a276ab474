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

	r.upgradeInBatches()
	r.versions("0.10.0")
	r.command()
	if out := r.sh("hostler-agent version"); !strings.Contains(out, " 0.10.0 ") {
		t.Errorf("the host has %s", out)
	}

	if now := r.pid(); now != pid {
		t.Errorf("the child agent's process was %s and is %q", pid, now)
	}

	// An agent that does not work is taken back, also when the hosts lose their power before that.
	must(t, r.Become(t.Context(), faulty))
	ended := make(chan error, 1)
	go func() { ended <- r.upgrade() }()
	for _, h := range r.Lab.Hosts {
		on := &run{T: t, Server: r.Server, host: h}
		must(t, r.Until(t.Context(), "to see the faulty agent on "+h.Name, func() (bool, error) { return on.sh("cat /tried 2>/dev/null || :") != "", nil }))
		must(t, h.PowerOff(t.Context()))
		must(t, h.Boot(t.Context()))
	}
	if err := <-ended; err == nil {
		t.Error("an upgrade to an agent that does not work has succeeded")
	} else {
		t.Log(err)
	}
	r.versions("0.10.0")
	r.command()
	if tried := strings.Count(r.sh("cat /tried"), "\n"); tried != 3 {
		t.Errorf("the faulty agent was started %d times, not 3", tried)
	}
}
