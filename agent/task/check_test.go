package task

import (
	"encoding/json"
	"slices"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/command"
	"hostler/agent/wire"
)

// checked runs the action for real, on the machine that the test runs on.
func checked(t *testing.T, ask *wire.Check) (*wire.Findings, int) {
	t.Helper()
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	work := &Work{Job: &wire.Job{ID: "1", Action: wire.ActionCheck, Check: ask}, Dir: t.TempDir(), output: newOutput(make(chan struct{}, 1))}
	result, err := checkHost(server.Session(t))(t.Context(), work)
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, result.Stdout)
	if n, err := command.ReadHead(work.Dir, wire.Stdout, 0, text); err != nil || n != len(text) {
		t.Fatal(n, err)
	}
	var found wire.Findings
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
	}
	return &found, len(text)
}

func TestCheck(t *testing.T) {
	found, size := checked(t, &wire.Check{Names: []wire.CheckName{
		{Name: "localhost", Address: "127.0.0.1"}, {Name: "nobody.invalid", Address: "10.0.0.1"}, {Name: "10.99.99.99", Address: "10.0.0.1"},
	}})
	// A host's report is to be below 5 kB on the wire, where base64 makes it a third longer.
	if size > 3500 {
		t.Errorf("it tells %d bytes", size)
	}
	if !slices.ContainsFunc(found.Mounts, func(m wire.CheckMount) bool { return m.Mount == "/" && m.Size > 0 }) {
		t.Errorf("mounts are %+v", found.Mounts)
	}
	if found.Memory == 0 || found.Cores == 0 || found.OpenFiles == 0 || found.Kernel == "" || found.Hostname == "" {
		t.Errorf("it found %+v", found)
	}
	if found.Offset == nil || *found.Offset > 3_600_000 || *found.Offset < -3_600_000 || found.Address != "127.0.0.1" {
		t.Errorf("the clock is off by %v, the address is %q", found.Offset, found.Address)
	}
	r := found.Resolved
	if r.Names+r.Untried != 3 || r.Failed+r.Differ+r.Untried != 2 || len(r.Wrong)+r.Untried != 2 {
		t.Errorf("the names are %+v", r)
	}
}

func TestACheckWithoutItsPart(t *testing.T) {
	r, _ := transferRig(t)
	if got := r.do(wire.Job{Action: wire.ActionCheck}); got.ErrCode != wire.ErrCodeBadJob {
		t.Errorf("got %+v", got)
	}
}
