package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hostler/e2e/bench/rig"
)

// peer is another supervisor with the same ten children. Its configuration is as its manual suggests; monit's cycle is the
// shortest that it has.
type peer struct {
	name string
	// prepare writes its files below dir and returns the command that runs it in the foreground. run is the script of
	// the child that is killed.
	prepare func(dir, run string) ([]string, error)
}

var peers = []peer{{"supervisor", supervisor}, {"monit", monit}, {"runit", runit}}

// measure runs a supervisor in a session of its own, and ends it with all its children.
func (p *peer) measure(ctx context.Context) (f figures, err error) {
	dir, err := os.MkdirTemp("", "bench-"+p.name+"-")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	starts, pidFile := filepath.Join(dir, "starts"), filepath.Join(dir, "pid")
	run := filepath.Join(dir, "child")
	script := "#!/bin/sh\necho $$ >" + pidFile + "\n" + strings.ReplaceAll(child, "STARTS", starts) + "\n"
	if err := os.WriteFile(run, []byte(script), 0o700); err != nil {
		return f, err
	}
	argv, err := p.prepare(dir, run)
	if err != nil {
		return f, err
	}
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Env = append(os.Environ(), mark+"="+dir)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return f, err
	}
	defer func() { endAll(dir); _ = command.Wait() }() // it was killed
	read := func() ([]int64, error) {
		text, err := os.ReadFile(starts)
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return numbers(string(text), err)
	}
	if err := until(ctx, func() (bool, error) { n, err := read(); return len(n) > 0, err }); err != nil {
		return f, fmt.Errorf("its children do not start: %w", err)
	}
	if err := sleep(ctx, 3*time.Second); err != nil { // until all of them run
		return f, err
	}
	before := usage(dir)
	if err := sleep(ctx, idle); err != nil {
		return f, err
	}
	after := usage(dir)
	f.memory, f.cpu = after.memory, (after.cpu-before.cpu)/idle.Seconds()
	f.restart, err = restarts(ctx, func() (int64, error) {
		text, err := os.ReadFile(pidFile)
		if err != nil {
			return 0, err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return 0, err
		}
		return kill(pid)
	}, read)
	return f, err
}

// mark is an environment variable that all processes of a peer have.
const mark = "HOSTLER_BENCH"

// processes are those of a peer.
func processes(dir string) (pids []int) {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, entry := range entries {
		environment, _ := os.ReadFile(filepath.Join(entry, "environ"))
		if strings.Contains("\x00"+string(environment), "\x00"+mark+"="+dir+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(entry))
			pids = append(pids, pid)
		}
	}
	return pids
}

// usage adds up the memory and the processor time of the peer's own processes: all but the sleeping children.
func usage(dir string) (u figures) {
	for _, pid := range processes(dir) {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if strings.TrimSpace(string(name)) == "sleep" {
			continue
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		u.memory += rig.Resident(string(status))
		u.cpu += rig.ProcessCPU(pid)
	}
	return u
}

// endAll kills what is left of a peer, until nothing is: supervisors start children again.
func endAll(dir string) {
	for range 50 {
		pids := processes(dir)
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGSTOP) // it may be gone
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = sleep(context.Background(), 20*time.Millisecond) // only a context ends it early
	}
}

func supervisor(dir, run string) ([]string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "[supervisord]\nnodaemon=true\nlogfile=%[1]s/log\npidfile=%[1]s/supervisord.pid\nchildlogdir=%[1]s\n", dir)
	for i := range children {
		command := "/bin/sleep 200000"
		if i == 0 {
			command = run
		}
		fmt.Fprintf(&b, "[program:child%d]\ncommand=%s\nautorestart=true\nstartsecs=1\n", i, command)
	}
	file := filepath.Join(dir, "supervisord.conf")
	return []string{"/usr/bin/supervisord", "-c", file}, os.WriteFile(file, []byte(b.String()), 0o600)
}

func monit(dir, run string) ([]string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "set daemon 1\nset log %[1]s/log\nset pidfile %[1]s/monit.pid\nset idfile %[1]s/id\nset statefile %[1]s/state\n", dir)
	for i := range children {
		script := fmt.Sprintf("#!/bin/sh\nsleep 200000 &\necho $! >%s/pid%d\n", dir, i)
		pid := fmt.Sprintf("%s/pid%d", dir, i)
		if i == 0 {
			script, pid = "#!/bin/sh\nsetsid "+run+" &\n", filepath.Join(dir, "pid")
		}
		start := fmt.Sprintf("%s/start%d", dir, i)
		if err := os.WriteFile(start, []byte(script), 0o700); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "check process child%d with pidfile %s\n  start program = %q\n", i, pid, start)
	}
	file := filepath.Join(dir, "monitrc")
	return []string{"/usr/bin/monit", "-I", "-c", file}, os.WriteFile(file, []byte(b.String()), 0o600)
}

func runit(dir, run string) ([]string, error) {
	for i := range children {
		service := filepath.Join(dir, "services", fmt.Sprintf("child%d", i))
		if err := os.MkdirAll(service, 0o700); err != nil {
			return nil, err
		}
		script := "#!/bin/sh\nexec /bin/sleep 200000\n"
		if i == 0 {
			script = "#!/bin/sh\nexec " + run + "\n"
		}
		if err := os.WriteFile(filepath.Join(service, "run"), []byte(script), 0o700); err != nil {
			return nil, err
		}
	}
	return []string{"/usr/bin/runsvdir", "-P", filepath.Join(dir, "services")}, nil
}
