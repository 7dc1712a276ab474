package process

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestEnded(t *testing.T) {
	for stat, want := range map[string]bool{
		"Z 11652 11650 26416 0 -1 4227084 50 0 0 0 0 0 0 0 20 0 1 0 908337":       true,
		"Z 11652 11650 26416 0 -1 4227084 1978 0 0 0 4 0 0 0 20 0 2 0 908287":     false, // its second thread goes on
		"S 1 11650 26416 0 -1 4194304 1978 0 0 0 4 0 0 0 20 0 1 0 908287":         false,
		"X 1 11650 26416 0 -1 4194304 1978 0 0 0 4 0 0 0 20 0 1 0 908287 0 0 0 0": true,
		"Z": true,
	} {
		if got := ended(strings.Fields(stat)); got != want {
			t.Errorf("%s: %t", stat, got)
		}
	}
}

func TestIDsOutliveTheirProcesses(t *testing.T) {
	command := exec.Command("sleep", "1000")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	id, ok := Of(command.Process.Pid)
	if !ok || !id.Lives() {
		t.Errorf("%+v does not live", id)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	command.Wait() // it was killed
	if id.Lives() {
		t.Errorf("%+v lives", id)
	}
	stranger := ID{PID: os.Getpid(), Start: "1", Boot: Boot()}
	if stranger.Lives() || (ID{}).Lives() {
		t.Error("another process passes for it")
	}
}

func TestMarkedLeavesContainersOut(t *testing.T) {
	const mark = "HOSTLER_TEST_MARK=here"
	start := func(flags uintptr) int {
		command := exec.Command("sleep", "1000")
		command.Env = []string{mark}
		command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		if err := command.Start(); errors.Is(err, syscall.EPERM) {
			t.Skip("no container may be made here")
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { command.Process.Kill(); command.Wait() })
		return command.Process.Pid
	}
	ours := start(0)
	start(syscall.CLONE_NEWPID)
	if got := Marked(mark); !slices.Equal(got, []int{ours}) {
		t.Errorf("got %v, want %d alone", got, ours)
	}
}

func TestBelow(t *testing.T) {
	command := exec.Command("sh", "-c", "(sleep 1000 & echo up; read x; kill $!; wait); exit 0")
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); command.Wait() }() // it ends with its input
	pid := command.Process.Pid
	if _, err := out.Read(make([]byte, 10)); err != nil { // both are there
		t.Fatal(err)
	}
	got, can := Below(pid)
	if !can {
		t.Skip("the kernel does not list children")
	}
	want := Descendants(pid)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(got) != 2 {
		t.Errorf("got %v, want the two of %v", got, want)
	}
	in.Close()
	command.Wait()
	if got, _ := Below(pid); len(got) > 0 {
		t.Errorf("a process that is gone has %v", got)
	}
}
