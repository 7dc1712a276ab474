package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/cgroup"
	"hostler/agent/process"
	"hostler/agent/wire"
)

// TestMain makes the test's own binary the runner, as the agent's is.
func TestMain(m *testing.M) {
	// A process built with -race waits a second before it exits, which many short commands cannot have.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	if len(os.Args) == 3 && os.Args[1] == Argument {
		if err := Main(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func shell(script string) *Spec {
	return &Spec{
		Command: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Directory: "/",
		Timeout: time.Minute, Keep: 1 << 20,
	}
}

func always(spec *Spec) func() (*Spec, error) { return func() (*Spec, error) { return spec, nil } }

func run(t *testing.T, dir string, spec *Spec) *Outcome {
	t.Helper()
	outcome, err := Run(t.Context(), dir, always(spec), func() {})
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

func output(t *testing.T, dir string, stream wire.Stream, kept Kept) (head, tail string) {
	t.Helper()
	buffer := make([]byte, kept.Size)
	n, err := ReadHead(dir, stream, 0, buffer)
	if err != nil {
		t.Fatal(err)
	}
	head = string(buffer[:n])
	for offset := kept.Tail; offset < kept.Size; {
		n, err := ReadTail(dir, stream, &kept, offset, buffer)
		if err != nil || n == 0 {
			t.Fatalf("read %d bytes at %d: %v", n, offset, err)
		}
		tail += string(buffer[:n])
		offset += int64(n)
	}
	return head, tail
}

func TestOutputAndExitStatus(t *testing.T) {
	dir := t.TempDir()
	outcome := run(t, dir, shell("echo out; echo err >&2; exit 7"))
	if outcome.ExitCode == nil || *outcome.ExitCode != 7 || outcome.Elapsed <= 0 {
		t.Errorf("got %+v", outcome)
	}
	if head, tail := output(t, dir, wire.Stdout, outcome.Stdout); head != "out\n" || tail != "" || outcome.Stdout.Size != 4 {
		t.Errorf("stdout %q %q, %+v", head, tail, outcome.Stdout)
	}
	if head, _ := output(t, dir, wire.Stderr, outcome.Stderr); head != "err\n" {
		t.Errorf("stderr %q", head)
	}
	again, err := Run(t.Context(), dir, func() (*Spec, error) { panic("prepared once more") }, nil)
	if err != nil || again.ExitCode == nil || *again.ExitCode != 7 {
		t.Errorf("asked again: %+v, %v", again, err)
	}
}

func TestASignalIsTold(t *testing.T) {
	if outcome := run(t, t.TempDir(), shell("kill -USR1 $$")); outcome.Signal != "SIGUSR1" || outcome.ExitCode != nil {
		t.Errorf("got %+v", outcome)
	}
}

func TestHeadAndTailOfALongOutput(t *testing.T) {
	for _, size := range []int64{0, 1, 499, 500, 501, 999, 1000, 1001, 1500, 123_457} {
		spec := shell(fmt.Sprintf("seq 1 100000 | head -c %d", size))
		spec.Keep = 1000
		dir := t.TempDir()
		var all strings.Builder
		for i := 1; int64(all.Len()) < size; i++ {
			fmt.Fprintln(&all, i)
		}
		want := all.String()[:size]
		kept := run(t, dir, spec).Stdout
		head, tail := output(t, dir, wire.Stdout, kept)
		if kept.Size != size || head != want[:min(size, 500)] || tail != want[max(min(500, size), size-500):] {
			t.Errorf("%d bytes: kept %+v, head %.20q, tail %.20q", size, kept, head, tail)
		}
	}
}

func TestTheAgentHearsOfOutputAtOnce(t *testing.T) {
	dir, gate := t.TempDir(), filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	heard, done := make(chan struct{}, 100), make(chan error, 1)
	go func() {
		_, err := Run(t.Context(), dir, always(shell("echo first; read line <"+gate)), func() { heard <- struct{}{} })
		done <- err
	}()
	agenttest.Receive(t, heard)
	if n := Available(dir, wire.Stdout); n != 6 {
		t.Errorf("%d bytes available while the command runs", n)
	}
	if err := os.WriteFile(gate, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := agenttest.Receive(t, done); err != nil {
		t.Error(err)
	}
}

// pidsOf reads process numbers that a command has written, one a line, waiting for as many as wanted.
func pidsOf(t *testing.T, path string, want int) (pids []int) {
	t.Helper()
	agenttest.Eventually(t, "process numbers in "+path, func() bool {
		content, _ := os.ReadFile(path)
		pids = nil
		for line := range strings.FieldsSeq(string(content)) {
			pid, _ := strconv.Atoi(line)
			pids = append(pids, pid)
		}
		return len(pids) == want && bytes.HasSuffix(content, []byte("\n"))
	})
	return pids
}

func gone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		agenttest.Eventually(t, fmt.Sprintf("process %d gone", pid), func() bool {
			_, lives := process.Of(pid)
			return !lives
		})
	}
}

// family starts a child in the command's group and one in a session of its own that ignores SIGTERM.
func family(path string) string {
	return fmt.Sprintf("trap '' TERM; sleep 1000 & echo $! >>%[1]s; setsid sh -c 'trap \"\" TERM; echo $$ >>%[1]s; sleep 1001 & wait' & echo $$ >>%[1]s; wait", path)
}

func TestTimeoutEndsTheWholeFamily(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pids")
	spec := shell("trap 'exit 0' TERM; " + strings.TrimPrefix(family(path), "trap '' TERM; "))
	spec.Timeout = 3 * time.Second // for its processes to begin
	outcome := run(t, t.TempDir(), spec)
	if !outcome.TimedOut || outcome.ExitCode != nil {
		t.Errorf("got %+v", outcome)
	}
	gone(t, pidsOf(t, path, 3))
}

func TestCancelEndsWhatIgnoresSIGTERM(t *testing.T) {
	path, dir := filepath.Join(t.TempDir(), "pids"), t.TempDir()
	done := make(chan *Outcome, 1)
	go func() {
		outcome, _ := Run(t.Context(), dir, always(shell(family(path))), func() {})
		done <- outcome
	}()
	pids := pidsOf(t, path, 3)
	if err := Cancel(dir); err != nil {
		t.Fatal(err)
	}
	if outcome := agenttest.Receive(t, done); outcome == nil || !outcome.Canceled {
		t.Errorf("got %+v", outcome)
	}
	gone(t, pids)
}

func TestCanceledBeforeItBegan(t *testing.T) {
	dir, mark := filepath.Join(t.TempDir(), "job"), filepath.Join(t.TempDir(), "mark")
	if err := Cancel(dir); err != nil {
		t.Fatal(err)
	}
	if outcome := run(t, dir, shell("touch "+mark)); !outcome.Canceled {
		t.Errorf("got %+v", outcome)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("it was run all the same")
	}
}

func TestTheCommandOutlivesWhoStartedIt(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "pids")
	gate := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	spec := shell(fmt.Sprintf("echo $$ >>%s; read line <%s; echo $line; exit 3", path, gate))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := Run(ctx, dir, always(spec), func() {}); done <- err }()
	pidsOf(t, path, 1)
	cancel()
	if err := agenttest.Receive(t, done); !errors.Is(err, ErrDetached) {
		t.Fatalf("got %v", err)
	}
	outcomes := make(chan *Outcome, 1)
	go func() { outcome, err := Run(t.Context(), dir, nil, func() {}); outcomes <- outcome; done <- err }()
	if err := os.WriteFile(gate, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	outcome := agenttest.Receive(t, outcomes)
	if err := agenttest.Receive(t, done); err != nil || *outcome.ExitCode != 3 {
		t.Fatalf("got %+v, %v", outcome, err)
	}
	if head, _ := output(t, dir, wire.Stdout, outcome.Stdout); head != "hello\n" {
		t.Errorf("output %q", head)
	}
	pidsOf(t, path, 1) // it ran once
}

func TestAKilledRunnerIsAnUnknownEnd(t *testing.T) {
	path, dir := filepath.Join(t.TempDir(), "pids"), t.TempDir()
	done := make(chan error, 1)
	go func() {
		_, err := Run(t.Context(), dir, always(shell("sleep 1000 & echo $! >>"+path+"; echo $$ >>"+path+"; wait")), func() {})
		done <- err
	}()
	pids := pidsOf(t, path, 2)
	content, err := os.ReadFile(filepath.Join(dir, pidFile))
	if err != nil {
		t.Fatal(err)
	}
	var runner process.ID
	if err := json.Unmarshal(content, &runner); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(runner.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := agenttest.Receive(t, done); !errors.Is(err, ErrLost) {
		t.Errorf("got %v, want ErrLost", err)
	}
	gone(t, pids)
	if _, err := Run(t.Context(), dir, nil, func() {}); !errors.Is(err, ErrLost) {
		t.Errorf("asked again: %v, want ErrLost", err)
	}
}

func TestAProcessLeftBehindDoesNotHoldTheJob(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pids")
	outcome := run(t, t.TempDir(), shell("sleep 1000 & echo $! >"+path+"; echo started"))
	for _, pid := range pidsOf(t, path, 1) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("what the command left behind is gone: %v", err)
		}
	}
	if outcome.ExitCode == nil || *outcome.ExitCode != 0 || outcome.Stdout.Size != 8 {
		t.Errorf("got %+v", outcome)
	}
}

func TestWhatCannotBeStarted(t *testing.T) {
	missing, elsewhere := shell(""), shell("")
	missing.Command = []string{"/nonexistent/program"}
	elsewhere.Directory = "/nonexistent"
	for _, spec := range []*Spec{missing, elsewhere} {
		if outcome := run(t, t.TempDir(), spec); !strings.Contains(outcome.Failure, "no such file") || outcome.ExitCode != nil {
			t.Errorf("got %+v", outcome)
		}
	}
	refused := errors.New("refused")
	if _, err := Run(t.Context(), t.TempDir(), func() (*Spec, error) { return nil, refused }, nil); !errors.Is(err, refused) {
		t.Errorf("got %v, want the error of prepare", err)
	}
}

func TestUserGroupsAndOpenFiles(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may change users")
	}
	spec := shell("id -u; id -g; id -G; ulimit -n")
	spec.User, spec.Limit.Files = &User{UID: 12345, GID: 23456, Groups: []uint32{23456, 34567}}, 64
	dir := t.TempDir()
	outcome := run(t, dir, spec)
	if head, _ := output(t, dir, wire.Stdout, outcome.Stdout); head != "12345\n23456\n23456 34567\n64\n" {
		t.Errorf("ran as %q", head)
	}
}

// limited is a spec with limits, in a tree of control groups of the test's own.
func limited(t *testing.T, script string, limits wire.Limits) *Spec {
	t.Helper()
	spec := shell(script)
	limit, err := cgroup.Parse(&limits)
	if err != nil {
		t.Fatal(err)
	}
	tree := fmt.Sprintf("hostler-test-command-%d", os.Getpid())
	spec.Limit, spec.Tree = limit, tree
	t.Cleanup(func() {
		if err := cgroup.Open(tree).Close(); err != nil {
			t.Errorf("a control group stays behind: %v", err)
		}
	})
	return spec
}

// eater takes 200 MB and holds them.
const eater = "echo eats; head -c 200m /dev/zero | tail | wc -c"

func TestScenario21ACommandOverItsMemoryLimitIsKilledWithTheReason(t *testing.T) {
	if cgroup.Open("hostler-test-probe").Limiter == wire.LimiterPolling {
		t.Skip("there are no control groups here")
	}
	defer cgroup.Open("hostler-test-probe").Close()
	dir := t.TempDir()
	outcome := run(t, dir, limited(t, eater, wire.Limits{Memory: "20M"}))
	if !outcome.OverMemory || outcome.Stdout.Size < 5 {
		t.Errorf("got %+v", outcome)
	}
}

func TestScenario12AForkBombIsCapped(t *testing.T) {
	if cgroup.Open("hostler-test-probe").Limiter == wire.LimiterPolling {
		t.Skip("there are no control groups here")
	}
	defer cgroup.Open("hostler-test-probe").Close()
	spec := limited(t, "f() { f | f & wait; }; f", wire.Limits{PIDs: 30})
	spec.Timeout = 2 * time.Second
	if outcome := run(t, t.TempDir(), spec); outcome.ExitCode == nil && !outcome.TimedOut && outcome.Signal == "" {
		t.Errorf("got %+v", outcome)
	}
}

func TestScenario23WithoutControlGroupsMemoryIsLookedAt(t *testing.T) {
	spec := limited(t, "head -c 200m /dev/zero | tail -c 150m | (sleep 1000; cat)", wire.Limits{Memory: "20M"})
	spec.Tree = "" // as where there is none
	outcome := run(t, t.TempDir(), spec)
	if !outcome.OverMemory || outcome.Unlimited == "" {
		t.Errorf("got %+v", outcome)
	}
}
