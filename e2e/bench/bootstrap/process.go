package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"hostler/e2e/lab"
)

// ticks is the kernel's unit of CPU time in /proc, USER_HZ; it is 100 on every Linux platform Go runs on.
const ticks = 100

// processCPU is a process's user and system time, in seconds; 0 when it is gone.
func processCPU(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in brackets, may hold blanks; what follows it does not.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	if errors.Join(err1, err2) != nil {
		return 0
	}
	return (user + system) / ticks
}

// sizesOf measures a server and an agent that have been running for a moment.
func sizesOf(ctx context.Context, l *lab.Lab, s *server) ([]row, error) {
	agent, err := l.Hosts[0].Exec(ctx, "sh", "-c", "cat /proc/$(systemctl show -P MainPID hostler-agent)/status")
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return nil, err
	}
	debs, err := filepath.Glob(filepath.Join(s.data, "repo/current/apt/pool/main/h/hostler-agent/*/*_amd64.deb"))
	if err != nil || len(debs) == 0 {
		return nil, errors.Join(errors.New("no package was published"), err)
	}
	deb, err := os.Stat(debs[0])
	if err != nil {
		return nil, err
	}
	return []row{
		{"agent, RSS", megabytes(resident(agent)), "12 MB", ""},
		{"agent, package", megabytes(deb.Size()), "8 MB", ""},
		{"server, first start to ready", fmt.Sprintf("%.2f s", s.ready.Seconds()), "1 s", ""},
		{"server, RSS with 4 hosts", megabytes(resident(string(own))), "120 MB", ""},
	}, nil
}

// resident takes VmRSS out of a /proc status file, in bytes.
func resident(status string) int64 {
	for line := range strings.Lines(status) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
