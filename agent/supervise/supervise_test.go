package supervise

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/process"
	"hostler/agent/space"
	"hostler/agent/wire"
)

func TestFastStartsAgainAtOnceAndThenMoreSlowly(t *testing.T) {
	p, err := parsePolicy("fast")
	if err != nil {
		t.Fatal(err)
	}
	for strikes, want := range map[int]time.Duration{0: 0, 1: 0, 2: 100 * time.Millisecond, 3: 200 * time.Millisecond, 9: 12800 * time.Millisecond, 60: 30 * time.Second} {
		if got := p.wait(strikes, time.Hour); got != want {
			t.Errorf("after %d strikes it waits %v, want %v", strikes, got, want)
		}
	}
	if p.fatal(1000) {
		t.Error("it gives up, and nobody said so")
	}
}

func TestTheDocumentsPolicy(t *testing.T) {
	p := documentPolicy()
	// 10 s after the agent began to look: not before 3 min later, at a full minute of the looking.
	if got := p.wait(1, 10*time.Second); got != 3*time.Minute+50*time.Second {
		t.Errorf("it waits %v", got)
	}
	if got := p.wait(1, time.Minute); got != 3*time.Minute {
		t.Errorf("it waits %v", got)
	}
	if p.fatal(3) || !p.fatal(4) {
		t.Error("more than three in a row are fatal")
	}
	zero, one := 0, 1
	if !p.expects(&zero) || p.expects(&one) || p.expects(nil) {
		t.Error("an exit with 0 alone is expected")
	}
}

func TestRestartAndStartAgain(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "echo $$; exec sleep 1000"`)
	r.start()
	r.said("A", 1)
	first := r.running("A")
	r.must(r.s.Start(t.Context(), "A")) // it runs
	r.must(r.s.Restart(t.Context(), "A"))
	second := r.running("A")
	if second.PID == first.PID || len(r.said("A", 2)) != 2 || r.count(wire.EventChildExited) != 0 {
		t.Errorf("from %+v to %+v, events %v", first, second, r.kinds())
	}
	for _, do := range []func(context.Context, string) error{r.s.Start, r.s.Stop, r.s.Restart, r.s.Remove} {
		if err := do(t.Context(), "nobody"); !errors.Is(err, ErrNoChild) {
			t.Errorf("got %v", err)
		}
	}
}

func TestAnExpectedExitIsNoFailure(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "echo ran; exit 7"`, "restart.expected = 0, 7")
	r.start()
	child := r.until("A", "ended", func(c wire.ChildAgent) bool { return c.LastExit != nil })
	if child.Status != wire.ChildStopped || child.Reason != "exited with 7, as expected" || len(r.kinds()) != 0 {
		t.Errorf("got %+v, events %v", child, r.kinds())
	}
	r.end()
	r.start()
	if child = r.child("A"); child.PID != 0 {
		t.Errorf("a new agent starts it again: %+v", child)
	}
	r.must(r.s.Start(t.Context(), "A"))
	r.said("A", 2)
}

func TestConfigureIsInForceWhenItReturns(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "echo $MINE $THEIRS; exec sleep 1000"`, "env.MINE = definition\nTHEIRS = definition", "limits.memory = 100M")
	r.start()
	r.said("A", 1)
	first := r.running("A")
	r.must(r.s.Configure(t.Context(), "A", map[string]string{"THEIRS": "job"}, nil))
	second := r.running("A")
	if lines := r.said("A", 2); lines[1] != "definition job" || second.PID == first.PID {
		t.Errorf("it said %q as process %d, before %d", lines, second.PID, first.PID)
	}
	r.must(r.s.Configure(t.Context(), "A", nil, &wire.Limits{Memory: "200M", CPU: "50%"}))
	third := r.child("A")
	if third.PID != second.PID || third.Limits.Memory != "200M" || third.Limits.CPU != "50%" {
		t.Errorf("got %+v, was process %d", third, second.PID)
	}
	if r.groups.Limiter == wire.LimiterCgroup1 {
		content, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/memory", r.groupName(), "A", "memory.limit_in_bytes"))
		if err != nil || strings.TrimSpace(string(content)) != fmt.Sprint(200<<20) {
			t.Errorf("the kernel has %q: %v", content, err)
		}
	}
	for _, limits := range []wire.Limits{{CPU: "10"}, {Memory: "x"}, {Memory: "1K"}, {PIDs: -1}, {Files: 3}} {
		if err := r.s.Configure(t.Context(), "A", nil, &limits); !errors.Is(err, ErrDefinition) {
			t.Errorf("%+v: got %v", limits, err)
		}
	}
	if err := r.s.Configure(t.Context(), "A", map[string]string{"1": ""}, nil); !errors.Is(err, ErrDefinition) {
		t.Errorf("got %v", err)
	}
	r.end()
	r.start()
	if again := r.running("A"); again.PID != third.PID || again.Limits.Memory != "200M" {
		t.Errorf("after a restart of the agent: %+v", again)
	}
}

// groupName is the name of the rig's tree.
func (r *rig) groupName() string {
	return fmt.Sprintf("hostler-test-%d-%d", os.Getpid(), opened.Load())
}

func TestRemoveForgets(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", forever)
	r.start()
	pid := r.running("A").PID
	r.must(os.Remove(filepath.Join(r.dir, "a.ini")))
	r.must(r.s.Remove(t.Context(), "A"))
	if lives(pid) {
		t.Error("it still runs")
	}
	if children := r.s.Children(); len(children) != 0 {
		t.Errorf("got %+v", children)
	}
	if _, err := os.Stat(filepath.Join(r.state, "A.json")); err == nil {
		t.Error("it is still remembered")
	}
}

func TestEveryChangeIsNews(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", forever, "restart.policy = fast")
	r.start()
	news := func(what string, told func(wire.ChildAgent) bool) wire.ChildAgent {
		for child := r.child("A"); ; child = r.child("A") {
			if told(child) {
				return child
			}
			t.Log("waiting for news of", what)
			agenttest.Receive(t, r.s.News())
		}
	}
	first := news("its start", func(c wire.ChildAgent) bool { return c.Status == wire.ChildRunning && c.Ready }).PID
	kill(t, first)
	news("the next one", func(c wire.ChildAgent) bool { return c.Status == wire.ChildRunning && c.Ready && c.PID != first })
	r.must(r.s.Stop(t.Context(), "A"))
	news("its stop", func(c wire.ChildAgent) bool { return c.Status == wire.ChildStopped })
	r.must(os.Remove(filepath.Join(r.dir, "a.ini")))
	r.must(r.s.Remove(t.Context(), "A"))
	news("its removal", func(c wire.ChildAgent) bool { return c.Name == "" })
}

func TestADefinitionThatGoesAwayLeavesTheProcessAlone(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", forever)
	r.start()
	pid := r.running("A").PID
	path := filepath.Join(r.dir, "a.ini")
	for name, damage := range map[string]func(){
		"unreadable": func() { r.write(path, "rubbish") },
		"NUL":        func() { r.write(path, "[agent]\nname = A\x00\n") },
		"10 MB":      func() { r.write(path, strings.Repeat("#", 10<<20)) },
		"gone":       func() { r.must(os.Remove(path)) },
	} {
		damage()
		r.s.Reload()
		if child := r.running("A"); child.PID != pid {
			t.Errorf("%s: got %+v", name, child)
		}
		r.define("a.ini", "A", forever)
		r.until("A", "well again", func(c wire.ChildAgent) bool { return c.PID == pid && c.Reason == "" })
	}
	if n := r.count(wire.EventConfigRefused); n != 3 {
		t.Errorf("%d refusals were told, want 3: %v", n, r.events)
	}
	r.must(os.Remove(path))
	r.until("A", "without a definition", func(c wire.ChildAgent) bool { return strings.Contains(c.Reason, "is gone") })
	kill(t, pid)
	agenttest.Eventually(t, "A forgotten", func() bool { return r.child("A").Name == "" })
	if n := r.count(wire.EventChildExited); n != 1 {
		t.Errorf("%d ends were told, want 1: %v", n, r.events)
	}
	r.define("a.ini", "A", forever)
	r.s.Reload()
	if r.running("A").PID == pid {
		t.Error("what has its definition again is not started")
	}
}

// TestDefinitionsThatNobodyCanListHold is a directory that cannot be read for a while, as one on a disk that is away.
func TestDefinitionsThatNobodyCanListHold(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", forever, "restart.policy = fast")
	r.start()
	first := r.running("A").PID
	r.must(os.Rename(r.dir, r.dir+".away"))
	r.write(r.dir, "no directory")
	r.s.Reload()
	kill(t, first)
	second := r.until("A", "started again", func(c wire.ChildAgent) bool { return c.Status == wire.ChildRunning && c.PID != first }).PID
	r.must(os.Remove(r.dir))
	r.must(os.Rename(r.dir+".away", r.dir))
	r.s.Reload()
	if child := r.running("A"); child.PID != second || child.Reason != "" {
		t.Errorf("got %+v", child)
	}
	if n := r.count(wire.EventConfigRefused); n != 1 {
		t.Errorf("%d refusals were told, want 1: %v", n, r.events)
	}
}

func TestAChangedDefinitionWaitsForARestart(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", forever)
	r.start()
	pid := r.running("A").PID
	r.define("a.ini", "A", `/bin/sh -c "echo new; exec sleep 1000"`)
	child := r.until("A", "changed", func(c wire.ChildAgent) bool { return strings.Contains(c.Reason, "in force after a restart") })
	if child.PID != pid {
		t.Errorf("got %+v", child)
	}
	r.must(r.s.Restart(t.Context(), "A"))
	r.said("A", 1)
	if child = r.running("A"); child.Reason != "" {
		t.Errorf("got %+v", child)
	}
}

func TestReadinessAndOrder(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ok" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dir := t.TempDir()
	mark := filepath.Join(dir, "mark")
	r := newRig(t)
	r.define("http.ini", "http", forever, "ready.kind = http\nurl = "+server.URL+"/ok")
	r.define("tcp.ini", "tcp", forever, "ready.kind = tcp\naddress = "+listener.Addr().String())
	r.define("delay.ini", "delay", forever, "ready.kind = delay\ndelay = 10ms")
	r.define("command.ini", "command", `/bin/sh -c "echo up; read line <gate; touch mark; exec sleep 1000"`,
		"agent.directory = "+dir, "ready.kind = command\ncommand = /bin/test -e "+mark+"\nevery = 5ms")
	r.define("after.ini", "after", `/bin/sh -c "test -e mark && echo yes; exec sleep 1000"`, "agent.directory = "+dir+"\nafter = command, tcp")
	r.define("never.ini", "never", forever, "ready.kind = http\nurl = "+server.URL+"/no\nevery = 5ms\nwithin = 50ms")
	if err := agenttest.Pipe(filepath.Join(dir, "gate")); err != nil {
		t.Fatal(err)
	}
	r.start()
	for _, name := range []string{"http", "tcp", "delay"} {
		r.must(r.s.AwaitReady(t.Context(), name))
	}
	if err := r.s.AwaitReady(t.Context(), "never"); !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v", err)
	}
	if child := r.child("never"); child.Status != wire.ChildRunning || child.Ready {
		t.Errorf("got %+v", child)
	}
	if child := r.child("after"); child.PID != 0 || child.Reason == "" {
		t.Errorf("it did not wait: %+v", child)
	}
	if err := os.WriteFile(filepath.Join(dir, "gate"), []byte("go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if lines := r.said("after", 1); lines[0] != "yes" {
		t.Errorf("it said %q", lines)
	}
}

func TestTheCommandThatTellsReadinessRunsAsTheChildDoes(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", forever, "agent.user = daemon\ndirectory = /tmp", "env.COLOUR = blue",
		`ready.kind = command`+"\n"+`command = /bin/sh -c 'test "$(id -un) $(id -gn) $COLOUR $PWD" = "daemon daemon blue /tmp"'`+"\nevery = 5ms")
	r.start()
	r.must(r.s.AwaitReady(t.Context(), "A"))
}

func TestOrderHoldsOverSeveral(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t)
	r.define("a.ini", "A", forever, "ready.kind = delay\ndelay = 200ms")
	r.define("b.ini", "B", `/bin/sh -c "echo B >>order; exec sleep 1000"`, "agent.directory = "+dir+"\nafter = A",
		"ready.kind = command\ncommand = /bin/grep -q B "+filepath.Join(dir, "order")+"\nevery = 5ms")
	r.define("c.ini", "C", `/bin/sh -c "echo C >>order; exec sleep 1000"`, "agent.directory = "+dir+"\nafter = B")
	r.start()
	for _, name := range []string{"A", "B", "C"} {
		r.must(r.s.AwaitReady(t.Context(), name))
	}
	agenttest.Eventually(t, "both have written", func() bool {
		content, _ := os.ReadFile(filepath.Join(dir, "order"))
		return len(content) == len("B\nC\n")
	})
	if content, err := os.ReadFile(filepath.Join(dir, "order")); string(content) != "B\nC\n" {
		t.Errorf("they began in the order %q, %v", content, err)
	}
}

func TestScenario27AFullDiskIsNoFailureOfTheChild(t *testing.T) {
	r := newRig(t)
	disk := agenttest.SmallDisk(t, "256k")
	r.state = filepath.Join(disk, "state")
	r.define("a.ini", "A", forever, "restart.policy = fast\nstrikes = 1")
	r.start()
	pid := r.running("A").PID
	empty := agenttest.Fill(t, disk)
	kill(t, pid)
	child := r.until("A", "waiting for room", func(c wire.ChildAgent) bool { return strings.Contains(c.Reason, "no space left") })
	if child.Status != wire.ChildStopped || child.PID != 0 {
		t.Errorf("got %+v", child)
	}
	for range 3 {
		if err := r.s.Start(t.Context(), "A"); !errors.Is(err, ErrNotRunning) || !space.IsFull(err) {
			t.Errorf("told to start: %v", err)
		}
	}
	empty()
	if child := r.running("A"); child.PID == pid || r.count(wire.EventChildFatal) != 0 || r.count(wire.EventChildExited) != 1 {
		t.Errorf("got %+v, events %v", child, r.kinds())
	}
}

// TestASourceOfUsersThatIsAwayIsNoFailureOfTheChild has the host's source of users break, and come back.
func TestASourceOfUsersThatIsAwayIsNoFailureOfTheChild(t *testing.T) {
	tools := t.TempDir()
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	r := newRig(t)
	getent := filepath.Join(tools, "getent")
	r.write(getent, "#!/bin/sh\nexit 1\n")
	r.must(os.Chmod(getent, 0o755))
	r.define("a.ini", "A", forever, "agent.user = hostler-stranger")
	r.start()
	r.until("A", "waiting", func(c wire.ChildAgent) bool {
		return c.Status == wire.ChildStopped && strings.Contains(c.Reason, "does not answer") && strings.Contains(c.Reason, "tried again")
	})
	account := fmt.Sprintf("hostler-stranger:x:%d:%d::/:/bin/sh", os.Getuid(), os.Getgid())
	fresh := getent + ".new" // one file in the place of the other: the agent may ask at any time
	r.write(fresh, "#!/bin/sh\nif [ \"$1\" = passwd ]; then echo "+account+"; else exit 2; fi\n")
	r.must(os.Chmod(fresh, 0o755))
	r.must(os.Rename(fresh, getent))
	r.running("A")
	if r.count(wire.EventChildFatal)+r.count(wire.EventChildExited) != 0 {
		t.Errorf("told as its failure: %v", r.events)
	}
}

func TestAnAgentThatDiedBeforeItGaveTheWord(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "echo $$; exec sleep 1000"`, "agent.enabled = no")
	r.start()
	// The instant between the gate's start and its word, by hand.
	s := r.s
	d, err := readDefinition(filepath.Join(r.dir, "a.ini"))
	r.must(err)
	c := newChild(s, "A", d)
	_, err = c.limit()
	r.must(err)
	g, err := c.prepare()
	r.must(err)
	r.end()
	c.mem = memory{Process: g.id, AtGate: true, Want: wantUp, Status: wire.ChildRunning, Boot: process.Boot()}
	r.must(s.remember("A", &c.mem, true))
	_ = g.word.Close() // as the kernel does when the agent is gone
	if _, err := await(t.Context(), g.id); err != nil {
		t.Fatal(err)
	}
	r.start()
	child := r.running("A")
	if lines := r.said("A", 1); len(lines) != 1 || lines[0] != fmt.Sprint(child.PID) || r.count(wire.EventChildExited) != 0 {
		t.Errorf("it said %q, is %+v, events %v", lines, child, r.kinds())
	}
}

func TestUsageIsReported(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "while :; do :; done"`)
	r.start()
	r.running("A")
	child := r.until("A", "measured", func(c wire.ChildAgent) bool { return c.CPU > 1 && c.Memory > 0 })
	if child.CPU > 150 || child.Memory > 1<<30 {
		t.Errorf("got %+v", child)
	}
}
