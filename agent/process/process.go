// Package process knows other processes by more than their numbers, which the kernel gives to strangers again.
//
// It reads /proc and signals nothing.
package process

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ID is one process for ever: no other has the same number, start and boot.
type ID struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // the kernel's ticks since the boot
	Boot  string `json:"boot"`
}

// Of identifies a process that lives now.
func Of(pid int) (ID, bool) {
	fields := Stat(pid)
	if len(fields) < 20 || ended(fields) {
		return ID{}, false
	}
	return ID{PID: pid, Start: fields[19], Boot: Boot()}, true
}

// Lives says whether the process is there and not merely waiting for its parent to take note of its end.
func (id ID) Lives() bool {
	if id.PID <= 0 {
		return false
	}
	now, ok := Of(id.PID)
	return ok && now == id
}

// ended tells a process that waits for its parent from one whose first thread has ended and others go on: the kernel
// gives both the same state.
func ended(fields []string) bool {
	return fields[0] == "X" || fields[0] == "Z" && (len(fields) < 18 || fields[17] == "1")
}

// Stat returns the fields of proc_pid_stat(5) from the state on, none when there is no such process. The name before
// them, in brackets, may hold blanks and brackets itself.
func Stat(pid int) []string {
	content, err := ReadFile(path(pid, "stat"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
}

// Boot says which boot of the machine this is.
var Boot = sync.OnceValue(func() string {
	content, _ := ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(content))
})

// Tree is the processes that lived at one instant, by their parents.
type Tree map[int][]int

// Look reads all of them, which takes some milliseconds where there are hundreds.
func Look() Tree {
	children := Tree{}
	for _, pid := range all() {
		if fields := Stat(pid); len(fields) > 1 && !ended(fields) {
			if parent, err := strconv.Atoi(fields[1]); err == nil {
				children[parent] = append(children[parent], pid)
			}
		}
	}
	return children
}

// Below lists those that the given one has started, and those that they have.
func (t Tree) Below(pid int) []int {
	found := slices.Clone(t[pid])
	for i := 0; i < len(found); i++ {
		found = append(found, t[found[i]]...)
	}
	return found
}

// Below lists the processes that the given one has started, and those that they have, at no cost for the others of the
// host. It cannot where the kernel does not list children (CONFIG_PROC_CHILDREN), and may miss some that begin or end
// meanwhile: it is for counting, not for ending them.
func Below(pid int) (found []int, can bool) {
	found, can = childrenOf(pid)
	for i := 0; i < len(found); i++ {
		more, _ := childrenOf(found[i])
		found = append(found, more...)
	}
	return found, can
}

func childrenOf(pid int) (children []int, can bool) {
	for _, thread := range entries(path(pid, "task")) {
		content, err := ReadFile(path(pid, filepath.Join("task", thread, "children")))
		if err != nil {
			return nil, false
		}
		for word := range strings.FieldsSeq(string(content)) {
			if child, err := strconv.Atoi(word); err == nil {
				children = append(children, child)
			}
		}
	}
	return children, true
}

// Descendants lists the living processes below the given one.
func Descendants(of int) []int { return Look().Below(of) }

// InSession lists the living processes of a session, see setsid(2).
func InSession(session int) (found []int) {
	for _, pid := range all() {
		if fields := Stat(pid); len(fields) > 3 && !ended(fields) && fields[3] == strconv.Itoa(session) {
			found = append(found, pid)
		}
	}
	return found
}

// Marked lists the living processes that were started with an environment variable, "NAME=value", or inherited it. Those of
// containers are left out: an agent in one may have put the same mark on its own.
func Marked(variable string) []int {
	var found []int
	for _, pid := range all() {
		environment, _ := ReadFile(path(pid, "environ")) // none when it has ended
		for entry := range bytes.SplitSeq(environment, []byte{0}) {
			if string(entry) == variable {
				if fields := Stat(pid); len(fields) > 1 && !ended(fields) && space(strconv.Itoa(pid)) == space("self") {
					found = append(found, pid)
				}
				break
			}
		}
	}
	return found
}

// space is the numbers' namespace that a process is in, see pid_namespaces(7).
func space(pid string) string {
	name, _ := os.Readlink(filepath.Join("/proc", pid, "ns", "pid"))
	return name
}

// Memory is what a process holds in memory now, in bytes.
func Memory(pid int) int64 {
	content, _ := ReadFile(path(pid, "statm"))
	fields := strings.Fields(string(content))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// Threads is how many threads a process has; 0 when it has ended.
func Threads(pid int) int { return len(entries(path(pid, "task"))) }

// CPU is the processor time that a process has used, in ticks of 1/100 s, with that of its children that have ended.
func CPU(pid int) int64 {
	fields := Stat(pid)
	if len(fields) < 16 {
		return 0
	}
	var sum int64
	for _, text := range fields[11:15] {
		n, _ := strconv.ParseInt(text, 10, 64)
		sum += n
	}
	return sum
}

// Command is a process's program and arguments; empty for one that has ended.
func Command(pid int) []string {
	content, _ := ReadFile(path(pid, "cmdline"))
	return strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00")
}

func all() []int {
	var pids []int
	for _, name := range entries("/proc") {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
