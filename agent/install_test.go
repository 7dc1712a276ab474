package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

// basicAgent is an archive with a child agent and enough else that unpacking it takes a moment.
func basicAgent(t *testing.T, version string) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	add := func(name, text string) {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
	}
	add("agent.ini", "[agent]\nname = BasicAgent\nversion = "+version+"\ncommand = bin/run "+version+"\n")
	add("bin/run", "#!/bin/sh\nexec sleep 100004\n")
	add("VERSION", version)
	for i := range 200 {
		add(fmt.Sprintf("share/%d", i), version)
	}
	w.Close()
	zipped.Close()
	return b.Bytes()
}

// TestScenario26KilledInTheMiddleOfAnInstallation kills the agent at each stage of an upgrade of a child agent: what
// is there is the old version or the new one, and the job is done once the agent is back.
func TestScenario26KilledInTheMiddleOfAnInstallation(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the agent")
	}
	t.Parallel()
	program := build(t)
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, server, "secret")
	quicken(t, host)
	q := &queue{results: map[string]wire.JobResult{}, finished: make(chan int, 100)}
	files := map[string][]byte{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, ask *http.Request) {
		q.mu.Lock()
		defer q.mu.Unlock()
		w.Write(files[ask.URL.Path])
	}))
	t.Cleanup(web.Close)
	server.OnStatus, server.OnResults = q.status, q.take
	drain(t, server.Statuses)
	drain(t, server.Results)
	drain(t, server.Events)
	drain(t, server.Wakes)
	drain(t, server.Registers)
	drain(t, server.Handshakes)

	home := filepath.Join(host.Dir, "state", "agents", "BasicAgent")
	current := func() string {
		text, _ := os.ReadFile(filepath.Join(home, "current", "VERSION"))
		return string(text)
	}
	defined := func() string {
		text, _ := os.ReadFile(filepath.Join(host.Dir, "agents.d", "BasicAgent.ini"))
		_, after, _ := strings.Cut(string(text), "/bin/run ")
		version, _, _ := strings.Cut(after, "\n")
		return version
	}
	exists := func(pattern string) func() bool {
		return func() bool { found, _ := filepath.Glob(pattern); return len(found) > 0 }
	}
	agent := startAgent(t, program, host)
	for i, stage := range []struct {
		name string
		here func() bool
	}{
		{"nothing is killed", nil},
		{"the archive is there", exists(filepath.Join(host.Dir, "state", "jobs", "job-1", "package*"))},
		{"it is being unpacked", func() bool { // or has been, on a machine that looks away
			return exists(filepath.Join(home, "trees", ".new"))() || exists(filepath.Join(home, "trees", "2-*"))()
		}},
		{"the switch is noted", exists(filepath.Join(home, "change.json"))},
		{"the link is switched", func() bool { return current() == "4" }},
		{"the definition is switched", func() bool { return defined() == "5" }},
	} {
		version := fmt.Sprint(i)
		file := basicAgent(t, version)
		action := wire.ActionUpgrade
		if i == 0 {
			action = wire.ActionInstall
		}
		q.mu.Lock()
		files["/"+version] = file
		q.open = append(q.open, wire.Job{
			ID: "job-" + version, Action: action, Name: "BasicAgent", Version: version, URL: web.URL + "/" + version,
			Checksum: fmt.Sprintf("SHA256:%x", sha256.Sum256(file)),
		})
		q.mu.Unlock()
		server.Wake()
		if stage.here != nil {
			agenttest.Eventually(t, stage.name, stage.here)
			if err := agent.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			agent.Wait()
			agent = startAgent(t, program, host)
		}
		if result := q.wait(t, "job-"+version); result.ErrCode != 0 || current() != version || defined() != version {
			t.Fatalf("%s: %+v; the tree is %s, the definition %s, want %s", stage.name, result, current(), defined(), version)
		}
	}
	q.mu.Lock()
	q.open = append(q.open, wire.Job{ID: "end", Action: wire.ActionUninstall, Name: "BasicAgent"})
	q.mu.Unlock()
	server.Wake()
	if result := q.wait(t, "end"); result.ErrCode != 0 || exists(home)() {
		t.Errorf("uninstalled: %+v", result)
	}
}
