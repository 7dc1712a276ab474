package hosts

import (
	"net/http"
	"strings"
)

// readOnly is an agent that may not write control groups, as in a container that was given none, with a child agent that keeps
// to its limits and one that does not.
const readOnly = `mkdir -p /etc/systemd/system/hostler-agent.service.d /etc/hostler-agent/agents.d
printf '[Service]\nReadOnlyPaths=/sys/fs/cgroup\n' >/etc/systemd/system/hostler-agent.service.d/test.conf
cd /etc/hostler-agent/agents.d
printf '[agent]\nname = Modest\ncommand = /bin/sleep 4715\n[limits]\nmemory = 100M\n' >modest.ini
printf '#!/bin/sh\nx=$(head -c 60000000 /dev/zero | tr "\\0" x)\nsleep 4716\n' >/greedy
chmod 755 /greedy
printf '[agent]\nname = Greedy\ncommand = /greedy\n[limits]\nmemory = 20M\n[restart]\npolicy = never\n' >greedy.ini
systemctl daemon-reload
systemctl restart hostler-agent`

// polls checks that child agents are held to their limits where there are no control groups, and that this is said.
func (r *run) polls() {
	r.Helper()
	r.sh(readOnly)
	type child struct {
		Name, Status, Reason string
		LimitedBy            string `json:"limited_by"`
	}
	var list struct{ Items []child }
	var modest, greedy child
	err := r.Until(r.Context(), "told that the greedy one was killed", func() (bool, error) {
		err := r.Call(r.Context(), http.MethodGet, "/api/v1/child-agents", nil, &list)
		for _, c := range list.Items {
			switch c.Name {
			case "Modest":
				modest = c
			case "Greedy":
				greedy = c
			}
		}
		return greedy.Status == "killed" && modest.Status == "running", err
	})
	if err != nil {
		r.Fatalf("%v: %+v", err, list.Items)
	}
	if modest.LimitedBy != "polling" || !strings.Contains(greedy.Reason, "memory limit of 20M") {
		r.Errorf("they are %+v and %+v", modest, greedy)
	}
	var events struct {
		Items []struct {
			Kind   string
			Params map[string]string
		}
	}
	err = r.Until(r.Context(), "told why", func() (bool, error) {
		err := r.Call(r.Context(), http.MethodGet, "/api/v1/events?kind=child.limits_polled", nil, &events)
		return len(events.Items) >= 2, err
	})
	must(r.T, err)
	for _, e := range events.Items {
		r.Logf("%s: %s", e.Kind, e.Params["reason"])
		if !strings.Contains(e.Params["reason"], "control groups cannot be used") {
			r.Errorf("told is %+v", e)
		}
	}
}
