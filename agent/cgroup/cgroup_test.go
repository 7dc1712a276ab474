package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hostler/agent/wire"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		in   wire.Limits
		want Limit
	}{
		{wire.Limits{}, Limit{}},
		{wire.Limits{CPU: "10%", Memory: "20M", PIDs: 5, Files: 64}, Limit{CPU: 10, Memory: 20 << 20, PIDs: 5, Files: 64}},
		{wire.Limits{CPU: " 250% ", Memory: "1g"}, Limit{CPU: 250, Memory: 1 << 30}},
		{wire.Limits{Memory: "2097152"}, Limit{Memory: 2 << 20}},
		{wire.Limits{Memory: "2048KB"}, Limit{Memory: 2 << 20}},
		{wire.Limits{Memory: "1T"}, Limit{Memory: 1 << 40}},
	} {
		if got, err := Parse(&test.in); err != nil || got != test.want {
			t.Errorf("%+v: got %+v, %v", test.in, got, err)
		}
	}
	if got, err := Parse(nil); err != nil || got != (Limit{}) {
		t.Errorf("none: got %+v, %v", got, err)
	}
	for _, in := range []wire.Limits{
		{CPU: "10"},
		{CPU: "%"},
		{CPU: "0%"},
		{CPU: "-1%"},
		{CPU: "1.5%"},
		{Memory: "20X"},
		{Memory: "M"},
		{Memory: "-1"},
		{Memory: "1023K"},
		{Memory: "9999999999T"},
		{PIDs: -1},
		{PIDs: 1 << 23},
		{Files: 15},
		{Files: -1},
	} {
		if got, err := Parse(&in); err == nil {
			t.Errorf("%+v: got %+v and no error", in, got)
		}
	}
}

func TestReadMounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mountinfo")
	text := `25 30 0:22 / /sys rw - sysfs sysfs rw
29 22 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
30 22 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
31 22 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
rubbish
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := readMounts(path)
	if err != nil || m.unified != "/sys/fs/cgroup/unified" || m.legacy["cpuacct"] != "/sys/fs/cgroup/cpu,cpuacct" || m.legacy["pids"] != "" {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestWithoutControlGroups(t *testing.T) {
	tree := (&mounts{}).open("hostler-test")
	if tree.Limiter != wire.LimiterPolling || !strings.Contains(tree.Reason, "version 2: it is not mounted; version 1: the controller") {
		t.Errorf("got %+v", tree)
	}
	group := tree.Group("A")
	if err := group.Make(); err != nil {
		t.Error(err)
	}
	if left := group.Kill(t.Context()); left != 0 || group.OOMKills() != 0 || group.PIDs() != nil {
		t.Error("there is something in no group")
	}
}

func TestGroup(t *testing.T) {
	tree := Open(fmt.Sprintf("hostler-test-cgroup-%d", os.Getpid()))
	if tree.Limiter == wire.LimiterPolling {
		t.Skip("no control groups that this process may make: " + tree.Reason)
	}
	group := tree.Group("A")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	defer func() {
		group.Kill(context.Background())
		must(group.Remove())
		must(tree.Close())
	}()
	must(group.Make())
	command := exec.Command("sh", "-c", "read line; setsid sleep 1000 & sleep 1000; exit 0")
	in, err := command.StdinPipe()
	must(err)
	must(command.Start())
	must(group.Add(command.Process.Pid))
	for _, limit := range []Limit{{CPU: 10, Memory: 20 << 20, PIDs: 10}, {CPU: 250, Memory: 40 << 20}, {Memory: 10 << 20}, {}} {
		if err := group.Limit(limit); err != nil {
			t.Errorf("%+v: %v", limit, err)
		}
	}
	_, err = in.Write([]byte("\n"))
	must(err)
	for deadline := time.Now().Add(10 * time.Second); len(group.PIDs()) < 3 && time.Now().Before(deadline); {
	}
	if n := len(group.PIDs()); n != 3 {
		t.Errorf("%d processes in the group, want 3", n)
	}
	if memory, _ := group.Usage(); memory <= 0 {
		t.Errorf("it holds %d bytes", memory)
	}
	if left := group.Kill(t.Context()); left != 0 {
		t.Errorf("%d are left", left)
	}
	_ = command.Wait() // it was killed
}

func TestAProcessIsStartedInItsGroup(t *testing.T) {
	tree := Open(fmt.Sprintf("hostler-test-cgroup-%d", os.Getpid()))
	group := tree.Group("A")
	if err := group.Make(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		group.Kill(context.Background())
		if err := errors.Join(group.Remove(), tree.Close()); err != nil {
			t.Error(err)
		}
	}()
	dir := group.Directory()
	if dir == nil {
		t.Skip("no control groups of version 2 that this process may make")
	}
	defer dir.Close()
	command := exec.Command("sleep", "1000")
	command.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { command.Process.Kill(); command.Wait() }()
	for range 2 {
		if pids := group.PIDs(); !slices.Equal(pids, []int{command.Process.Pid}) {
			t.Errorf("the group holds %v, want %d", pids, command.Process.Pid)
		}
		if err := group.Add(command.Process.Pid); err != nil { // it joins what else there is
			t.Error(err)
		}
	}
}
