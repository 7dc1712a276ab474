package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

func TestMain(m *testing.M) {
	// A process built with -race waits a second before it exits, which a test of a quick stop cannot have.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"hostler-agent": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error { env.Setenv("GORACE", os.Getenv("GORACE")); return nil },
	})
}

// agentProcess is an agent that runs. Its end is taken note of at once: who looks for the process must not find one that
// waits for its parent.
type agentProcess struct {
	*exec.Cmd
	ended chan struct{}
	err   error // once it has ended
}

// Wait waits for the end, as often as one likes.
func (a *agentProcess) Wait() error {
	<-a.ended
	return a.err
}

// startAgent runs an agent until the test ends.
func startAgent(t *testing.T, program string, host *agenttest.Host) *agentProcess {
	t.Helper()
	host.Store.Close() // it is the process's from now on
	agent := exec.Command(program, "run", "--config", host.Ini())
	var output strings.Builder
	agent.Stdout, agent.Stderr = &output, &output
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	a := &agentProcess{Cmd: agent, ended: make(chan struct{})}
	go func() { defer close(a.ended); a.err = agent.Wait() }()
	t.Cleanup(func() {
		agent.Process.Kill()
		a.Wait()
		if output.Len() > 0 {
			t.Errorf("the agent printed, without a terminal:\n%s", output.String())
		}
		if log, _ := os.ReadFile(filepath.Join(host.Dir, "agent.log")); t.Failed() {
			t.Logf("agent.log:\n%s", log)
		}
	})
	return a
}

func TestALifeOfTheAgent(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, server, "secret-token")
	agent := startAgent(t, "hostler-agent", host)
	if ask := agenttest.Receive(t, server.Registers); ask.Version != version || ask.Facts == nil || ask.Facts.Kernel == "" {
		t.Errorf("registered %+v", ask)
	}
	if beat := agenttest.Receive(t, server.Statuses); len(beat.Agents) != 0 || beat.Agents == nil {
		t.Errorf("heartbeat %+v", beat)
	}
	agenttest.Eventually(t, "the status tells of the heartbeat", func() bool {
		output, err := exec.Command("hostler-agent", "status", "--config", host.Ini()).Output()
		return err == nil && strings.Contains(string(output), agenttest.AgentSN) &&
			strings.Contains(string(output), server.Secured+" (from agent.ini)") && !strings.Contains(string(output), "never")
	})

	second := exec.Command("hostler-agent", "run", "--config", host.Ini())
	if output, err := second.CombinedOutput(); err == nil || !strings.Contains(string(output), "another agent is running") {
		t.Errorf("a second agent: %v, %s", err, output)
	}

	child := "[agent]\nname = BasicAgent\nversion = 1\ncommand = /nonexistent/basic\n"
	if err := os.Mkdir(filepath.Join(host.Dir, "agents.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(host.Dir, "agents.d", "basic.ini"), []byte(child), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := agent.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	agenttest.Receive(t, server.Registers)
	if beat := agenttest.Receive(t, server.Statuses); len(beat.Agents) != 1 || beat.Agents[0].Name != "BasicAgent" {
		t.Errorf("heartbeat after SIGHUP %+v", beat)
	}

	stopping := time.Now()
	if err := agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := agent.Wait(); err != nil || time.Since(stopping) > time.Second {
		t.Errorf("stopped with %v after %v", err, time.Since(stopping))
	}
	log, err := os.ReadFile(filepath.Join(host.Dir, "agent.log"))
	if err != nil || strings.Contains(string(log), "secret-token") || !strings.Contains(string(log), "agent stopped") {
		t.Errorf("%v, log:\n%s", err, log)
	}
}

func TestAWrongConfigurationChangesNothingAtSIGHUP(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, server, "secret")
	agent := startAgent(t, "hostler-agent", host)
	agenttest.Receive(t, server.Statuses)
	if err := os.WriteFile(host.Ini(), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := agent.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	agenttest.Eventually(t, "the log tells the line", func() bool {
		log, _ := os.ReadFile(filepath.Join(host.Dir, "agent.log"))
		return strings.Contains(string(log), "goes on with the former") && strings.Contains(string(log), "line 1")
	})
	told := agenttest.Receive(t, server.Events)[0]
	if told.Kind != wire.EventConfigRefused || told.Params["file"] != host.Ini() || !strings.Contains(told.Params["reason"], "line 1") || told.Params["kept"] != "yes" {
		t.Errorf("event %+v", told)
	}
	if err := agent.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the agent is gone: %v", err)
	}
}

// TestTheServerReadsADefinition asks with the answer to a heartbeat; the next one does not wait for its step.
func TestTheServerReadsADefinition(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, server, "secret")
	server.OnStatus = func(ask wire.StatusRequest) (wire.StatusReply, error) {
		if len(ask.Definitions) > 0 {
			return wire.StatusReply{}, nil
		}
		return wire.StatusReply{Definitions: []string{"BasicAgent", "Other"}}, nil
	}
	file, text := filepath.Join(host.Dir, "agents.d", "basic.ini"), "[agent]\nname = BasicAgent\ncommand = /nonexistent/basic\n"
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	startAgent(t, "hostler-agent", host)
	for {
		told := agenttest.Receive(t, server.Statuses).Definitions
		if len(told) == 0 {
			continue
		}
		if len(told) != 2 || told[0] != (wire.Definition{Name: "BasicAgent", File: file, Text: text}) || told[1] != (wire.Definition{Name: "Other"}) {
			t.Errorf("told is %+v", told)
		}
		return
	}
}

// TestFootprint holds the released form of the agent to its limits of memory and size.
func TestFootprint(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the agent")
	}
	program := build(t)
	info, err := os.Stat(program)
	if err != nil || info.Size() > 8<<20 {
		t.Errorf("the binary has %d bytes (%v), want 8 MiB or less", info.Size(), err)
	}
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, server, "secret")
	quicken(t, host)
	agent := startAgent(t, program, host)
	for range 3 {
		agenttest.Receive(t, server.Statuses)
	}
	memory := residentMemory(t, agent.Process.Pid)
	t.Logf("binary %d kB, resident memory %d kB", info.Size()>>10, memory>>10)
	if memory > 12<<20 {
		t.Errorf("resident memory is %d bytes, want 12 MiB or less", memory)
	}
}

func residentMemory(t *testing.T, pid int) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(content), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
