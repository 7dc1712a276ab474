package hosts

import (
	"testing"

	"hostler/e2e/lab"
)

// ordered are two child agents of which the second comes after the first. Each writes down when it is told to end; systemd
// ending them would tell both at once, and B is not ready to hear of it before A may go.
const ordered = `mkdir -p /etc/hostler-agent/agents.d
child() {
	printf '#!/bin/sh\ntrap "sleep 1; echo %s >>/order; exit 0" %s\necho up >/up-%s\nwhile :; do sleep 0.1; done\n' "$1" "$2" "$1" >"/child-$1"
	chmod 755 "/child-$1"
	printf '[agent]\nname = %s\ncommand = /child-%s\n%s\n[stop]\nsignal = %s\n' "$1" "$1" "$3" "$2" >"/etc/hostler-agent/agents.d/$1.ini"
}
child A TERM ''
child B USR1 'after = A'`

// A host that is shut down ends its child agents in the order that is the reverse of their start, before systemd does.
func TestShutdownStopsChildAgentsBackwards(t *testing.T) {
	r := begin(t, buildServer(t, "0.9.0", ""), lab.Options{Count: 1})
	r.sh(ordered)
	up := func() (bool, error) {
		return r.sh("if [ -e /up-A ] && [ -e /up-B ]; then echo both; fi") == "both\n", nil
	}
	must(t, r.Until(t.Context(), "told that both child agents run", up))
	r.sh("systemctl restart hostler-agent")
	if order := r.sh("cat /order 2>/dev/null || :"); order != "" {
		t.Fatalf("a restart of the agent ended %q", order)
	}
	r.sh("rm /up-A /up-B; systemctl --no-block poweroff")
	must(t, r.Until(t.Context(), "to see the host go down", func() (bool, error) { return !r.host.Up(), nil }))
	must(t, r.host.Boot(t.Context()))
	if order := r.sh("cat /order 2>/dev/null || :"); order != "B\nA\n" {
		t.Errorf("they ended in the order %q", order)
	}
	must(t, r.Until(t.Context(), "told that both run again", up))
}
