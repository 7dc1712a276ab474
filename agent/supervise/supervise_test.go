package supervise

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

type host struct {
	t    *testing.T
	dir  string
	log  *agenttest.Log
	list *List
}

func newHost(t *testing.T) *host {
	dir, log := t.TempDir(), &agenttest.Log{}
	return &host{t: t, dir: dir, log: log, list: New(dir, log.Logger())}
}

func (h *host) write(name, content string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// program makes an executable of its own, so that no other process runs the same file.
func (h *host) program() string {
	h.t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		h.t.Fatal(err)
	}
	content, err := os.ReadFile(sleep)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.write("sleeper", string(content))
}

func (h *host) start(name string, args ...string) *exec.Cmd {
	h.t.Helper()
	command := exec.Command(name, args...)
	if err := command.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	return command
}

func (h *host) expect(name string, want wire.ChildState) {
	h.t.Helper()
	for _, child := range h.list.Children() {
		if child.Name == name {
			if child.Status != want || child.Uptime < 0 || child.Uptime > 3600 {
				h.t.Errorf("got %+v, want %s", child, want)
			}
			return
		}
	}
	h.t.Errorf("%s is not in the list; log:\n%s", name, h.log)
}

func TestByProgram(t *testing.T) {
	h := newHost(t)
	program := h.program()
	h.write("a.ini", "[agent]\nname = A\nversion = 1.2.3\ncommand = "+program+" 600\n")
	h.expect("A", wire.ChildStopped)
	command := h.start(program, "600")
	h.expect("A", wire.ChildRunning)
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	command.Wait()
	h.expect("A", wire.ChildStopped)
}

func TestByScript(t *testing.T) {
	h := newHost(t)
	script := h.write("script", "#!/usr/bin/env sh\necho up\nread line\n")
	h.write("a.ini", "[agent]\nname = A\ncommand = "+script+"\n")
	h.start("tail", "-f", script) // an argument alone does not make it run
	h.expect("A", wire.ChildStopped)
	command := exec.Command(script)
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
	defer func() { in.Close(); command.Wait() }()
	fmt.Fscanln(out, new(string)) // it runs
	h.expect("A", wire.ChildRunning)
}

func TestByPIDFile(t *testing.T) {
	h := newHost(t)
	command := h.start(h.program(), "600")
	pid := h.write("a.pid", fmt.Sprintf("%d\n", command.Process.Pid))
	h.write("a.ini", "[agent]\nname = A\ncommand = /bin/elsewhere\npidfile = "+pid+"\n")
	h.expect("A", wire.ChildRunning)

	// A file from before the process began is another process's.
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(pid, long, long); err != nil {
		t.Fatal(err)
	}
	h.expect("A", wire.ChildStopped)

	for _, content := range []string{"", "-1", "0", "x", "4194399", strings.Repeat("1", 100)} {
		h.write("a.pid", content)
		h.expect("A", wire.ChildStopped)
	}
}

func TestAZombieIsNotRunning(t *testing.T) {
	h := newHost(t)
	command := exec.Command(h.program(), "600")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer command.Wait()
	pid := h.write("a.pid", fmt.Sprint(command.Process.Pid))
	h.write("a.ini", "[agent]\nname = A\ncommand = /bin/x\npidfile = "+pid+"\n")
	h.expect("A", wire.ChildRunning)
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); h.list.Children()[0].Status == wire.ChildRunning; {
		if time.Now().After(deadline) {
			t.Fatal("a process that has ended is still reported as running")
		}
	}
}

func TestTheLaterOfTwoFilesWithOneNameIsRefused(t *testing.T) {
	h := newHost(t)
	first := h.write("10-a.ini", "[agent]\nname = A\nversion = 1\ncommand = /bin/x\n")
	second := h.write("20-a.ini", "[agent]\nname = A\nversion = 2\ncommand = /bin/x\n")
	for range 3 {
		want := []wire.ChildAgent{{Name: "A", Version: "1", Status: wire.ChildStopped}}
		if got := h.list.Children(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}
	}
	log := h.log.String()
	if !strings.Contains(log, first) || !strings.Contains(log, second) || strings.Count(log, "level=ERROR") != 1 {
		t.Errorf("want one record naming both files, got:\n%s", log)
	}
}

func TestDefinitionsThatCannotBeUsed(t *testing.T) {
	for want, content := range map[string]string{
		"needs a name":             "[agent]\ncommand = /bin/x\n",
		"line 2: [agent] needs":    "[agent]\nname = a/b\ncommand = /bin/x\n",
		"command must be":          "[agent]\nname = A\n",
		"line 3: command must be":  "[agent]\nname = A\ncommand = x --y\n",
		"line 4: pidfile must be":  "[agent]\nname = A\ncommand = /x\npidfile = y\n",
		"line 1: expected \\\"key": "rubbish\n",
	} {
		h := newHost(t)
		h.write("a.ini", content)
		if got := h.list.Children(); got == nil || len(got) != 0 {
			t.Errorf("got %+v, want an empty list", got)
		}
		if log := h.log.String(); !strings.Contains(log, want) {
			t.Errorf("want %q in\n%s", want, log)
		}
	}
}

func TestAMissingDirectoryIsEmpty(t *testing.T) {
	log := &agenttest.Log{}
	if got := New(filepath.Join(t.TempDir(), "[x"), log.Logger()).Children(); len(got) != 0 || log.String() != "" {
		t.Errorf("got %+v, log %s", got, log)
	}
}
