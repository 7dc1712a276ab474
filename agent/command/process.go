package command

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// identify writes down which process the command is, for an agent that finds the runner dead.
func identify(dir string, pid int) {
	if started, ok := startTime(pid); ok {
		text := fmt.Sprintf("%d %s %s", pid, started, bootID())
		_ = os.WriteFile(filepath.Join(dir, pidFile), []byte(text), 0o600) // without it only the cleaning up is less
	}
}

// abandon ends what a runner that was killed has left of its command. The kernel has ended the command itself
// with the runner; this is for the rest of its group.
func abandon(dir string) {
	content, err := os.ReadFile(filepath.Join(dir, pidFile))
	if err != nil {
		return
	}
	words := strings.Fields(string(content))
	if len(words) != 3 || words[2] != bootID() {
		return
	}
	group, err := strconv.Atoi(words[0])
	if err != nil || group <= 1 {
		return
	}
	// While a member of the group lives its number is not given to another; who leads it now must be no stranger.
	if started, ok := startTime(group); !ok || started == words[1] {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

// killAll kills the command's group and every process that descends from this one, until there is none or
// patience has come to its end. All are stopped before the first is killed, or one could start others meanwhile.
func killAll(group int) {
	_ = syscall.Kill(-group, syscall.SIGKILL)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		left := descendants(os.Getpid())
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		<-tick.C
	}
}

// descendants lists the living processes below the given one.
func descendants(of int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if fields := stat(pid); len(fields) > 1 && fields[0] != "Z" && fields[0] != "X" {
			if parent, err := strconv.Atoi(fields[1]); err == nil {
				children[parent] = append(children[parent], pid)
			}
		}
	}
	found := slices.Clone(children[of])
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found
}

// startTime is when a process started, in the kernel's ticks since the boot.
func startTime(pid int) (string, bool) {
	fields := stat(pid)
	if len(fields) < 20 {
		return "", false
	}
	return fields[19], true
}

// stat returns the fields of proc_pid_stat(5) from the state on. The name before it, in brackets, may hold blanks
// and brackets itself.
func stat(pid int) []string {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
}

func bootID() string {
	content, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(content))
}
