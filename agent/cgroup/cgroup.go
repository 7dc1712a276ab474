// Package cgroup bounds and counts what groups of processes use, by control groups: version 2 where its controllers
// can be used, else version 1. Where neither can, it says why, and whoever asked has to look at the processes itself.
//
// All groups are in a tree of the agent's own at the root of the hierarchy, as container runtimes have theirs. Below the
// agent's service they would come into the way of systemd: it could not put a restarted agent into a group that has
// groups with controllers in it, and children outlive the agent. The package starts no process.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hostler/agent/process"
	"hostler/agent/wire"
)

// Tree is where groups are made.
type Tree struct {
	// Limiter is what bounds the groups of this tree; wire.LimiterPolling when nothing does.
	Limiter wire.Limiter
	// Reason says why Limiter is LimiterPolling; else it is empty.
	Reason string

	unified string            // the tree in the hierarchy of version 2; may be there beside version 1, for killing only
	legacy  map[string]string // of version 1: the tree by its controller
}

// controllers are what a tree must have to bound its groups.
var controllers = []string{"cpu", "memory", "pids"}

// Open finds or makes the tree of that name. A tree without groups costs nothing.
func Open(name string) *Tree {
	m, err := readMounts("/proc/self/mountinfo")
	if err != nil {
		return &Tree{Limiter: wire.LimiterPolling, Reason: err.Error()}
	}
	return m.open(name)
}

func (m *mounts) open(name string) *Tree {
	t := &Tree{legacy: map[string]string{}}
	err2 := errors.New("it is not mounted")
	if m.unified != "" {
		t.unified = filepath.Join(m.unified, name)
		if err2 = os.MkdirAll(t.unified, 0o750); err2 != nil {
			t.unified = ""
		} else if err2 = enable(m.unified, t.unified); err2 == nil {
			t.Limiter = wire.LimiterCgroup2
			return t
		}
	}
	err1 := t.openLegacy(m, name)
	if err1 == nil {
		t.Limiter = wire.LimiterCgroup1
		return t
	}
	clear(t.legacy)
	t.Limiter = wire.LimiterPolling
	t.Reason = fmt.Sprintf("control groups cannot be used: version 2: %v; version 1: %v", err2, err1)
	return t
}

// enable hands the controllers down to the groups of the tree.
func enable(root, tree string) error {
	var words []string
	for _, c := range controllers {
		words = append(words, "+"+c)
	}
	for _, dir := range []string{root, tree} {
		have, err := process.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for _, c := range controllers {
			if !strings.Contains(" "+strings.TrimSpace(string(have))+" ", " "+c+" ") {
				return fmt.Errorf("%s has no controller %s", dir, c)
			}
		}
		if err := write(dir, "cgroup.subtree_control", strings.Join(words, " ")); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tree) openLegacy(m *mounts, name string) error {
	for _, c := range append([]string{"cpuacct"}, controllers...) {
		if m.legacy[c] == "" {
			return fmt.Errorf("the controller %s is not mounted", c)
		}
		dir := filepath.Join(m.legacy[c], name)
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
		// It may be there from before, in a tree that may not be written any more.
		if err := unix.Access(dir, unix.W_OK); err != nil {
			return fmt.Errorf("cannot write %s: %w", dir, err)
		}
		t.legacy[c] = dir
	}
	return nil
}

// Close removes the tree if it has no groups.
func (t *Tree) Close() error {
	var errs []error
	for _, dir := range t.dirs("") {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// dirs are the directories of a group, each once, that of version 2 as the last; "" is the tree itself.
func (t *Tree) dirs(group string) []string {
	dirs := t.legacyDirs(group)
	if t.unified != "" {
		dirs = append(dirs, filepath.Join(t.unified, group))
	}
	return dirs
}

// legacyDirs are those of version 1. Several controllers may share one.
func (t *Tree) legacyDirs(group string) (dirs []string) {
	for _, tree := range t.legacy {
		if dir := filepath.Join(tree, group); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// Group is a group of the tree, there or not. Where there are no control groups its methods do nothing.
type Group struct {
	tree *Tree
	name string
}

// Group names a group of the tree.
func (t *Tree) Group(name string) *Group { return &Group{tree: t, name: name} }

// Make makes the group if it is missing.
func (g *Group) Make() error {
	for _, dir := range g.tree.dirs(g.name) {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return fmt.Errorf("cannot make a control group: %w", err)
		}
	}
	return nil
}

// Directory opens the group in the hierarchy of version 2, for a process to be started in it (clone3(2)): to move one takes
// the kernel some ten milliseconds. It is nil where there is none.
func (g *Group) Directory() *os.File {
	if g.tree.unified == "" {
		return nil
	}
	f, err := os.Open(filepath.Join(g.tree.unified, g.name))
	if err != nil {
		return nil
	}
	return f
}

// Doors opens the files of version 1 by which a process that inherits them puts itself into the group: it writes "0" to
// each. That takes the kernel no time (since 5.17), while to move another process takes it some ten milliseconds.
func (g *Group) Doors() (doors []*os.File, err error) {
	for _, dir := range g.tree.legacyDirs(g.name) {
		f, err := os.OpenFile(filepath.Join(dir, "tasks"), os.O_WRONLY, 0)
		if err != nil {
			for _, f := range doors {
				_ = f.Close() // nothing was written
			}
			return nil, fmt.Errorf("cannot open a control group: %w", err)
		}
		doors = append(doors, f)
	}
	return doors, nil
}

// Add moves a process into the group. Processes that it starts from then on are in it as well.
func (g *Group) Add(pid int) error {
	for _, dir := range g.tree.legacyDirs(g.name) {
		if err := join(dir, pid); err != nil {
			return err
		}
	}
	return g.AddUnified(pid)
}

// AddUnified is Add in the hierarchy of version 2 alone, as far as the process is not in it.
func (g *Group) AddUnified(pid int) error {
	if g.tree.unified == "" || slices.Contains(g.PIDs(), pid) {
		return nil
	}
	return join(filepath.Join(g.tree.unified, g.name), pid)
}

func join(dir string, pid int) error {
	if err := write(dir, "cgroup.procs", strconv.Itoa(pid)); err != nil {
		return fmt.Errorf("cannot put process %d into its control group: %w", pid, err)
	}
	return nil
}

// Usage is the memory that the group holds now, in bytes, and the processor time that it has used since it was made.
func (g *Group) Usage() (memory int64, cpu time.Duration) {
	switch g.tree.Limiter {
	case wire.LimiterCgroup2:
		dir := filepath.Join(g.tree.unified, g.name)
		return number(dir, "memory.current"), time.Duration(entry(dir, "cpu.stat", "usage_usec")) * time.Microsecond
	case wire.LimiterCgroup1:
		memory = number(filepath.Join(g.tree.legacy["memory"], g.name), "memory.usage_in_bytes")
		return memory, time.Duration(number(filepath.Join(g.tree.legacy["cpuacct"], g.name), "cpuacct.usage"))
	case wire.LimiterPolling:
	}
	return 0, 0
}

// OOMKills counts the processes of the group that the kernel has killed because it was over its memory limit.
func (g *Group) OOMKills() int64 {
	switch g.tree.Limiter {
	case wire.LimiterCgroup2:
		return entry(filepath.Join(g.tree.unified, g.name), "memory.events", "oom_kill")
	case wire.LimiterCgroup1:
		return entry(filepath.Join(g.tree.legacy["memory"], g.name), "memory.oom_control", "oom_kill")
	case wire.LimiterPolling:
	}
	return 0
}

// PIDs lists the processes in the group.
func (g *Group) PIDs() []int {
	dirs := g.tree.dirs(g.name)
	if len(dirs) == 0 {
		return nil
	}
	// All hierarchies hold the same processes; the unified one is the last.
	content, _ := process.ReadFile(filepath.Join(dirs[len(dirs)-1], "cgroup.procs"))
	var pids []int
	for word := range strings.FieldsSeq(string(content)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Remove removes the group, which must be empty.
func (g *Group) Remove() error {
	for _, dir := range g.tree.dirs(g.name) {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot remove a control group: %w", err)
		}
	}
	return nil
}

func write(dir, file, text string) error {
	return os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600)
}

// number reads a file that holds one; 0 when it cannot.
func number(dir, file string) int64 {
	content, _ := process.ReadFile(filepath.Join(dir, file))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
	return n
}

// entry reads one line "name number" of a file; 0 when it cannot.
func entry(dir, file, name string) int64 {
	content, _ := process.ReadFile(filepath.Join(dir, file))
	for line := range strings.Lines(string(content)) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			return n
		}
	}
	return 0
}
