package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Every host needs control groups of its own: two systemds in one group would end each other's services. They lie
// below the holder's group in the two hierarchies that systemd uses, as far as the machine has them.

// makeGroups makes and records the lab's control groups.
func (l *Lab) makeGroups(ctx context.Context) error {
	scoped, err := l.adoptScope(ctx)
	if err != nil {
		return err
	}
	parents, err := groupsOf(l.Holder.PID)
	if err != nil {
		return err
	}
	for _, parent := range parents {
		l.Groups = append(l.Groups, filepath.Join(parent, l.unique()))
	}
	// Saved before they are made, so that they can be swept.
	if err := l.save(); err != nil {
		return err
	}
	for _, group := range l.Groups {
		for _, h := range l.Hosts {
			if err := os.MkdirAll(filepath.Join(group, h.machine()), 0o755); err != nil {
				return err
			}
		}
		if !scoped {
			continue
		}
		// A group that hands controllers to its children may hold no process itself (cgroups(7)).
		parent := filepath.Dir(group)
		if err := moveTo(filepath.Join(parent, "holder"), l.Holder.PID); err != nil {
			return err
		}
		passControllers(parent)
		passControllers(group)
	}
	return nil
}

// unique names the lab on this machine: labs of one name may run from two caches at once.
func (l *Lab) unique() string {
	sum := sha256.Sum256([]byte(l.Dir))
	return fmt.Sprintf("hostler-lab-%s-%x", l.Name, sum[:4])
}

// adoptScope asks systemd, where it runs the machine, for a scope unit around the holder in which the lab may
// manage groups itself.
func (l *Lab) adoptScope(ctx context.Context) (bool, error) {
	if !exists("/run/systemd/system") {
		return false, nil
	}
	unit := l.unique() + ".scope"
	out, err := exec.CommandContext(ctx, "busctl", "call", "--quiet",
		"org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
		"StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail",
		"3", "PIDs", "au", "1", strconv.Itoa(l.Holder.PID), "Delegate", "b", "true",
		"CollectMode", "s", "inactive-or-failed", "0").CombinedOutput()
	if err != nil {
		return false, fmt.Errorf("cannot get a scope from systemd: %w: %s", err, lastLines(out, 3))
	}
	err = poll(ctx, func() (bool, error) {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", l.Holder.PID))
		return strings.Contains(string(raw), unit), err
	})
	return err == nil, err
}

// groupsOf returns the directories of a process's control groups in the unified hierarchy and in systemd's own
// version 1 hierarchy.
func groupsOf(pid int) ([]string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	member, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil, err
	}
	var groups []string
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line) // source, directory, type, options
		prefix := ""
		switch {
		case f[2] == "cgroup2":
			prefix = "0::"
		case f[2] == "cgroup" && slices.Contains(strings.Split(f[3], ","), "name=systemd"):
			prefix = "name=systemd:"
		default:
			continue
		}
		for entry := range strings.Lines(string(member)) {
			if _, path, ok := strings.Cut(entry, prefix); ok {
				groups = append(groups, filepath.Join(f[1], strings.TrimSpace(path)))
			}
		}
	}
	if len(groups) == 0 {
		return nil, errors.New("cannot find a control group hierarchy that systemd could use")
	}
	return groups, nil
}

func moveTo(group string, pid int) error {
	if err := os.MkdirAll(group, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644)
}

// passControllers lets the groups below have every controller that the group has. A host works without them, its
// services only cannot be limited, so what the machine refuses is left out.
func passControllers(group string) {
	raw, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return // a version 1 hierarchy
	}
	for _, controller := range strings.Fields(string(raw)) {
		_ = os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
	}
}

// groups returns the host's own groups.
func (h *Host) groups() []string {
	var dirs []string
	for _, group := range h.lab.Groups {
		dirs = append(dirs, filepath.Join(group, h.machine()))
	}
	return dirs
}

// processesIn returns the processes in a group and all groups below it, as seen from outside the lab.
func processesIn(group string) []int {
	var pids []int
	_ = filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir // groups come and go during the walk
		}
		if entry.Name() != "cgroup.procs" {
			return nil
		}
		raw, _ := os.ReadFile(path)
		for _, field := range strings.Fields(string(raw)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// killGroups ends everything in the groups without warning and waits until it is gone.
func killGroups(ctx context.Context, groups []string) error {
	return poll(ctx, func() (bool, error) {
		empty := true
		for _, group := range groups {
			for _, pid := range processesIn(group) {
				empty = false
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
					return false, err
				}
			}
		}
		return empty, nil
	})
}

// removeGroups removes empty groups with all groups below them. The kernel takes a moment to let go of a group
// whose last process ended.
func removeGroups(ctx context.Context, groups []string) error {
	return poll(ctx, func() (bool, error) {
		gone := true
		for _, group := range groups {
			var dirs []string
			_ = filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
				if err == nil && entry.IsDir() {
					dirs = append(dirs, path)
				}
				return nil
			})
			for _, dir := range slices.Backward(dirs) {
				if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, syscall.ENOENT) {
					gone = false
				}
			}
		}
		return gone, nil
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
