package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/cgroup"
	"hostler/agent/process"
	"hostler/agent/wire"
)

// The scenarios are those in which supervisors are known to go wrong; each starts real processes.

const forever = "/bin/sleep 1000"

func TestScenario01AnExitBeforeTheStableTimeIsAStrikeAndWaits(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "exit 3"`, "restart.check = 1ms\nhold_off = 1h")
	r.start()
	child := r.until("A", "ended", func(c wire.ChildAgent) bool { return c.LastExit != nil })
	if child.Status != wire.ChildStopped || *child.LastExit.Code != 3 || !strings.Contains(child.Reason, "exited with 3; started again in 1h0m") {
		t.Errorf("got %+v", child)
	}
	if r.count(wire.EventChildExited) != 1 || r.param(wire.EventChildExited, "strikes") != "1" || r.param(wire.EventChildExited, "code") != "3" {
		t.Errorf("events %v", r.events)
	}
}

func TestScenario02StrikesUsedUpAreFatalUntilToldToStart(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "echo ran; exit 1"`, "restart.check = 1ms\nhold_off = 1ms\nstrikes = 3")
	r.start()
	child := r.status("A", wire.ChildFatal)
	if ran := len(r.said("A", 4)); ran != 4 || child.Restarts != 3 {
		t.Errorf("it ran %d times with %d restarts, want 4 and 3", ran, child.Restarts)
	}
	if r.count(wire.EventChildFatal) != 1 || r.count(wire.EventChildExited) != 4 {
		t.Errorf("events %v", r.kinds())
	}
	r.end()
	r.start() // a new agent does not try again either
	if child := r.child("A"); child.Status != wire.ChildFatal {
		t.Errorf("after a restart of the agent: %+v", child)
	}
	r.define("a.ini", "A", forever)
	if child = r.running("A"); child.Restarts != 3 && child.Restarts != 0 {
		t.Errorf("a mended definition: %+v", child)
	}
}

func TestScenario03AStableRunTakesTheStrikesAway(t *testing.T) {
	r := newRig(t)
	// It fails three times at once, then lives beyond the stable time, and so on: never fatal.
	script := `/bin/sh -c "n=$(cat count 2>/dev/null || echo 0); echo $((n+1)) >count; echo $n; [ $(((n+1) % 4)) = 0 ] && exec sleep 0.2; exit 1"`
	r.define("a.ini", "A", script, "agent.directory = "+t.TempDir(), "restart.policy = fast\nstrikes = 3\nstable = 100ms\nfirst = 1ms\nmost = 1ms\nexpected =")
	r.start()
	r.said("A", 13)
	if r.count(wire.EventChildFatal) != 0 {
		t.Error("it was given up although it was stable between")
	}
}

func TestScenario04StopDuringTheHoldOff(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "echo ran; exit 1"`, "restart.check = 1ms\nhold_off = 200ms")
	r.start()
	r.until("A", "ended", func(c wire.ChildAgent) bool { return c.LastExit != nil })
	r.must(r.s.Stop(t.Context(), "A"))
	if child := r.child("A"); child.Status != wire.ChildStopped || child.Reason != "" {
		t.Errorf("got %+v", child)
	}
	r.define("b.ini", "B", `/bin/sh -c "exec sleep 0.4"`, "restart.expected = 0")
	r.until("B", "ended, which is after the hold-off", func(c wire.ChildAgent) bool { return c.LastExit != nil })
	if ran := len(r.said("A", 1)); ran != 1 {
		t.Errorf("it ran %d times", ran)
	}
	r.end()
	r.start()
	if child := r.child("A"); child.Status != wire.ChildStopped || child.PID != 0 {
		t.Errorf("an agent that restarts starts what was stopped: %+v", child)
	}
}

func TestScenario05StopIgnored(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "trap '' TERM; echo up; while :; do sleep 1000; done"`, "stop.grace = 100ms")
	r.start()
	r.said("A", 1)
	pid := r.running("A").PID
	r.must(r.s.Stop(t.Context(), "A"))
	if lives(pid) {
		t.Error("it still runs")
	}
	if child := r.child("A"); child.Status != wire.ChildStopped || child.LastExit.Signal != "SIGKILL" {
		t.Errorf("got %+v", child)
	}
}

func TestScenario06TheHostsClockMeansNothing(t *testing.T) {
	r := newRig(t)
	r.start()
	before := sinceBoot()
	r.s.clockStepped(time.Hour)
	r.s.clockStepped(-time.Hour)
	r.s.clockStepped(time.Second) // a time service's small steps are nothing to tell
	if r.count(wire.EventClockJumped) != 2 || r.param(wire.EventClockJumped, "seconds") != "-3600" {
		t.Errorf("events %v", r.events)
	}
	// What is remembered over a restart counts from the boot, and timers are monotonic.
	if after := sinceBoot(); after < before || after > before+time.Minute {
		t.Errorf("from %v to %v", before, after)
	}
}

func TestScenario07MissingOrNotExecutable(t *testing.T) {
	r := newRig(t)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.define("a.ini", "A", "/nonexistent/program")
	r.define("b.ini", "B", text)
	r.define("c.ini", "C", forever)
	r.start()
	for name, want := range map[string]string{"A": "there is no program /nonexistent/program", "B": "is no program that may be executed"} {
		if child := r.status(name, wire.ChildStopped); !strings.Contains(child.Reason, want) {
			t.Errorf("got %+v, want %q", child, want)
		}
	}
	r.running("C")
	if r.count(wire.EventChildExited) != 2 {
		t.Errorf("events %v", r.events)
	}
	if err := r.s.Start(t.Context(), "A"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("told to start: %v", err)
	}
}

func TestScenario08AnUnknownUserIsNeverRoot(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "id -u"`, "agent.user = no-such-user")
	r.define("b.ini", "B", `/bin/sh -c "id -u"`, "agent.group = no-such-group")
	r.start()
	for name, want := range map[string]string{"A": `there is no user "no-such-user"`, "B": `there is no group "no-such-group"`} {
		if child := r.status(name, wire.ChildFatal); !strings.Contains(child.Reason, want) {
			t.Errorf("got %+v", child)
		}
		if _, err := os.Stat(r.s.LogPath(name, wire.Stdout)); err == nil {
			t.Errorf("%s was run", name)
		}
	}
	if err := r.s.Start(t.Context(), "A"); !errors.Is(err, ErrDefinition) {
		t.Errorf("told to start: %v", err)
	}
}

func TestScenario09UserGroupAndSupplementaryGroups(t *testing.T) {
	r := newRig(t)
	script := `/bin/sh -c "id -un; id -gn; umask; id -Gn; exec sleep 1000"`
	r.define("a.ini", "A", script, "agent.user = daemon")
	r.define("b.ini", "B", script, "agent.user = daemon\ngroup = games\numask = 027")
	r.define("c.ini", "C", script)
	r.start()
	for name, want := range map[string]string{"A": "daemon daemon 0022", "B": "daemon games 0027", "C": "root root 0022"} {
		lines := r.said(name, 4)
		if got := strings.Join(lines[:3], " "); got != want {
			t.Errorf("%s runs as %q, want %q", name, got, want)
		}
		if name == "B" && !strings.Contains(lines[3], "daemon") {
			t.Errorf("B has the groups %q: the user's own are missing", lines[3])
		}
	}
}

func TestAUserCanOpenWhatItWritesTo(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "echo one >>/dev/stdout; echo two; exec sleep 1000"`, "agent.user = daemon")
	r.start()
	if lines := r.said("A", 1); lines[0] != "one" {
		t.Errorf("it said %q", lines)
	}
}

// family starts a grandchild in the child's group, and one in a session of its own.
const family = `/bin/sh -c "sleep 1001 & echo $!; setsid sleep 1002 & echo $!; setsid sh -c 'sleep 1003 & echo $!; exit'; wait"`

func TestScenario10And11GrandchildrenAreGoneAfterAStop(t *testing.T) {
	for name, groups := range trees {
		t.Run(name, func(t *testing.T) {
			r := newRigWith(t, groups())
			r.define("a.ini", "A", family)
			r.start()
			lines := r.said("A", 3)
			r.must(r.s.Stop(t.Context(), "A"))
			for _, line := range lines {
				r.gone(number64(t, line))
			}
		})
	}
}

func TestScenario12AForkBombIsCapped(t *testing.T) {
	r := newRig(t)
	if r.groups.Limiter == wire.LimiterPolling {
		t.Skip("no control groups that this process may make: " + r.groups.Reason)
	}
	r.define("a.ini", "A", `/bin/sh -c "(while :; do sleep 1000 & done) & echo up; exec sleep 1000"`, "limits.pids = 40")
	r.start()
	r.said("A", 1)
	agenttest.Eventually(t, "the bomb at its limit", func() bool { return len(r.groups.Group("A").PIDs()) >= 39 })
	if n := len(r.groups.Group("A").PIDs()); n > 40 {
		t.Errorf("%d processes, more than the limit", n)
	}
	r.must(r.s.Stop(t.Context(), "A"))
	if left := process.Marked("HOSTLER_CHILD_AGENT=" + filepath.Join(r.state, "A")); len(left) > 0 {
		t.Errorf("%d processes are left", len(left))
	}
}

// TestScenario12WithoutGroupsABombIsEndedAtTheNextLook: RLIMIT_NPROC counts all that a user has, and root is above it.
func TestScenario12WithoutGroupsABombIsEndedAtTheNextLook(t *testing.T) {
	r := newRigWith(t, trees["polling"]())
	r.define("a.ini", "A", `/bin/sh -c "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo up; exec sleep 1000"`, "limits.pids = 5", "restart.policy = never")
	r.start()
	r.until("A", "to be killed for it", func(c wire.ChildAgent) bool { return c.PID == 0 && c.LastExit != nil })
	if reason := r.child("A").LastExit.Reason; !strings.Contains(reason, "over its limit of 5 processes and threads: ") {
		t.Errorf("it was ended for %q", reason)
	}
	agenttest.Eventually(t, "nothing to be left", func() bool {
		return len(process.Marked("HOSTLER_CHILD_AGENT="+filepath.Join(r.state, "A"))) == 0
	})
}

func TestScenario13OrphansLeaveNoZombies(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "(sleep 0.01 & true); echo up; exec sleep 1000"`)
	r.start()
	r.said("A", 1)
	for range 3 {
		pid := r.running("A").PID
		kill(t, pid)
		r.gone(pid)
		r.must(r.s.Start(t.Context(), "A"))
	}
	agenttest.Eventually(t, "no zombies", func() bool {
		entries, _ := filepath.Glob("/proc/[0-9]*")
		for _, entry := range entries {
			fields := process.Stat(number64(t, filepath.Base(entry)))
			if len(fields) > 1 && fields[0] == "Z" && fields[1] == fmt.Sprint(os.Getpid()) {
				return false
			}
		}
		return true
	})
}

func TestScenario14AnAgentThatWasKilledFindsTheSameProcesses(t *testing.T) {
	r := newRig(t)
	names := []string{"A", "B", "C"}
	for _, name := range names {
		r.define(name+".ini", name, forever)
	}
	r.start()
	before := map[string]int{}
	for _, name := range names {
		before[name] = r.running(name).PID
	}
	for range 5 {
		r.end()
		r.start()
		for _, name := range names {
			if child := r.running(name); child.PID != before[name] {
				t.Errorf("%s is process %d, was %d", name, child.PID, before[name])
			}
		}
	}
	for _, name := range names {
		if n := len(process.Marked("HOSTLER_CHILD_AGENT=" + filepath.Join(r.state, name))); n != 1 {
			t.Errorf("%d copies of %s", n, name)
		}
	}
	kill(t, before["A"])
	r.until("A", "ended", func(c wire.ChildAgent) bool { return c.LastExit != nil })
}

func TestScenario16AnExitWhileTheAgentIsAwayIsNoticedOnce(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "echo $$; exec sleep 1000"`, "restart.policy = fast")
	r.start()
	r.said("A", 1)
	pid := r.running("A").PID
	r.end()
	kill(t, pid)
	r.gone(pid) // and waits for its parent, as for an agent that is replaced in place
	r.start()
	lines := r.said("A", 2)
	if child := r.running("A"); child.PID == pid || child.Restarts != 1 || len(lines) != 2 {
		t.Errorf("got %+v, lines %q", child, lines)
	}
	if r.count(wire.EventChildExited) != 1 {
		t.Errorf("events %v", r.kinds())
	}
}

func TestScenario17AStrangerWithTheNumberIsLeftAlone(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", forever, "restart.hold_off = 1h")
	r.start()
	child := r.running("A")
	r.end()
	r.endProcess(child.PID)
	stranger := exec.Command("sleep", "1000")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.must(stranger.Start())
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	s := &Supervisor{Options: Options{StateDir: r.state, Log: r.log.Logger()}}
	m := s.recall("A")
	m.Process.PID, m.Process.Start = stranger.Process.Pid, "1" // it has got the number since
	r.must(s.remember("A", &m, true))
	r.start()
	r.until("A", "noticed to be gone", func(c wire.ChildAgent) bool { return c.LastExit != nil })
	r.must(r.s.Stop(t.Context(), "A"))
	if !lives(stranger.Process.Pid) {
		t.Error("the stranger was ended")
	}
}

func TestScenario18AfterABootNothingIsAdopted(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", forever)
	r.define("b.ini", "B", forever)
	r.start()
	old := r.running("A").PID
	r.running("B")
	r.must(r.s.Stop(t.Context(), "B"))
	r.end()
	for _, name := range []string{"A", "B"} {
		s := &Supervisor{Options: Options{StateDir: r.state, Log: r.log.Logger()}}
		m := s.recall(name)
		m.Boot, m.Process.Boot, m.Strikes, m.Again = "another", "another", 2, time.Hour
		r.must(s.remember(name, &m, true))
	}
	r.start()
	if child := r.running("A"); child.PID == old || child.Restarts != 0 || r.count(wire.EventChildExited) != 0 {
		t.Errorf("got %+v, events %v", child, r.kinds())
	}
	if child := r.child("B"); child.Status != wire.ChildStopped || child.PID != 0 {
		t.Errorf("a boot starts what an operator stopped: %+v", child)
	}
	r.endProcess(old)
}

func TestScenario19AChattyChildOutlivesTheAgent(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "while :; do echo line; sleep 0.01; done"`)
	r.start()
	r.said("A", 3)
	pid := r.running("A").PID
	r.end()
	r.said("A", len(r.said("A", 1))+10)
	if !lives(pid) {
		t.Error("it died with the agent")
	}
	r.start()
	if child := r.running("A"); child.PID != pid {
		t.Errorf("got %+v", child)
	}
}

func TestScenario20ALogOverItsSizeIsRotated(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", `/bin/sh -c "while :; do echo 0123456789012345678901234567890123456789; done"`, "log.size = 64K\ncount = 2")
	r.start()
	path := r.s.LogPath("A", wire.Stdout)
	agenttest.Eventually(t, "two rotated logs", func() bool {
		_, err1 := os.Stat(path + ".1")
		_, err2 := os.Stat(path + ".2")
		return err1 == nil && err2 == nil
	})
	r.must(r.s.Stop(t.Context(), "A"))
	for n := 1; n <= 2; n++ {
		content, err := os.ReadFile(fmt.Sprintf("%s.%d", path, n))
		if err != nil || len(content) > 64<<10 || !strings.Contains(string(content), "0123456789") {
			t.Errorf("log %d has %d bytes: %v", n, len(content), err)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("there is a third one")
	}
}

// hog has a child of its own that takes memory and holds it.
const hog = `/bin/sh -c "dd if=/dev/zero bs=60000000 | sleep 1000"`

func TestScenario21OverTheMemoryLimit(t *testing.T) {
	for name, groups := range trees {
		t.Run(name, func(t *testing.T) {
			r := newRigWith(t, groups())
			r.define("a.ini", "A", hog, "limits.memory = 20M", "restart.hold_off = 1h")
			r.start()
			child := r.status("A", wire.ChildKilled)
			if !strings.Contains(child.Reason, "over its memory limit of 20M") || child.LastExit.Reason == "" || child.LimitedBy != r.groups.Limiter {
				t.Errorf("got %+v", child)
			}
			if r.count(wire.EventChildKilled) != 1 || !strings.Contains(r.param(wire.EventChildKilled, "reason"), "20M") {
				t.Errorf("events %v", r.events)
			}
		})
	}
}

// TestScenario22ASpinnerIsEndedWhereNothingThrottles looks seldom enough for the kernel's ticks to say something also when the
// machine has little time for the spinner.
func TestScenario22ASpinnerIsEndedWhereNothingThrottles(t *testing.T) {
	r := newRigWith(t, trees["polling"]())
	r.sample = 200 * time.Millisecond
	r.define("a.ini", "A", `/bin/sh -c "while :; do :; done"`, "limits.cpu = 1%", "restart.hold_off = 1h")
	r.define("b.ini", "B", `/bin/sh -c "while :; do :; done"`, "limits.cpu = 1000%")
	r.start()
	child := r.status("A", wire.ChildKilled)
	if !strings.Contains(child.Reason, "over its CPU limit of 1%") || r.count(wire.EventChildKilled) != 1 || !strings.Contains(r.param(wire.EventChildKilled, "reason"), "1%") {
		t.Errorf("got %+v, events %v", child, r.events)
	}
	r.running("B")
}

func TestScenario22ASpinnerStaysWithinItsQuota(t *testing.T) {
	r := newRig(t)
	if r.groups.Limiter == wire.LimiterPolling {
		t.Skip("no control groups that this process may make: " + r.groups.Reason)
	}
	r.define("a.ini", "A", `/bin/sh -c "while :; do :; done"`, "limits.cpu = 10%")
	r.start()
	pid := r.running("A").PID
	agenttest.Eventually(t, "half a second of its quota used", func() bool {
		_, cpu := r.groups.Group("A").Usage()
		return cpu > 50*time.Millisecond
	})
	began := time.Now()
	_, before := r.groups.Group("A").Usage()
	agenttest.Eventually(t, "more of it used", func() bool { _, now := r.groups.Group("A").Usage(); return now-before > 50*time.Millisecond })
	_, now := r.groups.Group("A").Usage()
	// Two periods may be counted whole at either end.
	if most := time.Since(began)/10 + 20*time.Millisecond; now-before > most {
		t.Errorf("it used %v, more than %v", now-before, most)
	}
	if !lives(pid) {
		t.Error("it was ended")
	}
}

func TestScenario23WithoutControlGroupsItFallsBackAndSaysSo(t *testing.T) {
	r := newRigWith(t, &cgroup.Tree{Limiter: wire.LimiterPolling, Reason: "the tree is read-only"})
	r.define("a.ini", "A", forever, "limits.memory = 100M")
	r.define("b.ini", "B", forever)
	r.start()
	if child := r.running("A"); child.LimitedBy != wire.LimiterPolling || child.Limits.Memory != "100M" {
		t.Errorf("got %+v", child)
	}
	r.running("B")
	if r.count(wire.EventChildLimitsPolled) != 1 || r.param(wire.EventChildLimitsPolled, "reason") != "the tree is read-only" {
		t.Errorf("events %v", r.events)
	}
	child := r.until("A", "measured", func(c wire.ChildAgent) bool { return c.Memory > 0 })
	if child.Memory > 100<<20 {
		t.Errorf("got %+v", child)
	}
}

func TestScenario24TheLaterOfTwoFilesWithOneNameIsRefused(t *testing.T) {
	r := newRig(t)
	r.define("10-a.ini", "A", forever)
	mark := filepath.Join(r.dir, "ran")
	r.define("20-a.ini", "A", `/bin/sh -c "echo >`+mark+`; exec sleep 1000"`)
	r.start()
	r.running("A")
	for range 3 {
		r.s.Reload()
	}
	// What is started after them runs, and so would have the refused one.
	r.define("30-b.ini", "B", `/bin/sh -c "echo >`+mark+`-b; exec sleep 1000"`)
	agenttest.Eventually(t, "B ran", func() bool { r.running("B"); _, err := os.Stat(mark + "-b"); return err == nil })
	reason := r.param(wire.EventConfigRefused, "reason")
	if r.count(wire.EventConfigRefused) != 1 || !strings.Contains(reason, "10-a.ini") || !strings.Contains(reason, "20-a.ini") {
		t.Errorf("events %v", r.events)
	}
	if _, err := os.Stat(mark); !os.IsNotExist(err) {
		t.Errorf("the process of the refused file has run: %v", err)
	}
}
