package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
)

// assertGone checks that no process, mount, control group or file of the lab is left on the machine.
func assertGone(t *testing.T, l *Lab, network string) {
	t.Helper()
	if _, err := os.Stat(l.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", l.Dir, err)
	}
	for _, group := range l.Groups {
		if _, err := os.Stat(group); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", group, err)
		}
	}
	pids, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		p := process{PID: pid}
		if ns, err := os.Readlink(p.namespace("net")); err == nil && ns == network {
			t.Errorf("process %d is left in the lab's network", pid)
		}
		if mounts, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mounts", pid)); bytes.Contains(mounts, []byte(l.Dir+"/")) {
			t.Errorf("process %d still sees a mount of the lab", pid)
		}
	}
}

// ownerVariable makes the test binary start the lab that it names and wait to be killed.
const ownerVariable = "HOSTLER_LAB_TEST_OWNER"

func TestMain(m *testing.M) {
	if name := os.Getenv(ownerVariable); name != "" {
		if _, err := Start(context.Background(), Options{Name: name}); err != nil {
			fmt.Fprintln(os.Stdout, err)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stdout, "started")
		select {}
	}
	os.Exit(m.Run())
}

// A lab must not outlive the process that started it, however that ends, and what it leaves must be swept.
func TestKilledOwner(t *testing.T) {
	if err := Check(); err != nil {
		t.Skip(err)
	}
	name := uniqueName("owned")
	owner := exec.CommandContext(t.Context(), os.Args[0])
	owner.Env = append(os.Environ(), ownerVariable+"="+name)
	output, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("started"))
	if _, err := io.ReadFull(output, line); err != nil || string(line) != "started" {
		t.Fatalf("the owner said %q, %v", line, err)
	}
	cache, err := Cache()
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(cache, name)
	if err != nil {
		t.Fatal(err)
	}
	network, err := os.Readlink(l.Holder.namespace("net"))
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // killed
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := poll(ctx, func() (bool, error) { return !l.Running(), nil }); err != nil {
		t.Fatalf("the lab outlives its owner: %v", err)
	}
	if err := Sweep(ctx, cache); err != nil {
		t.Fatal(err)
	}
	assertGone(t, l, network)
}
