package cgroup

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// mounts is where the hierarchies are.
type mounts struct {
	unified string
	legacy  map[string]string // by controller
}

// readMounts reads a mountinfo file, see proc_pid_mountinfo(5).
func readMounts(path string) (*mounts, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot find the control groups: %w", err)
	}
	m := &mounts{legacy: map[string]string{}}
	for line := range strings.Lines(string(content)) {
		before, after, found := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !found || len(fields) < 5 || len(kind) < 3 {
			continue
		}
		switch kind[0] {
		case "cgroup2":
			m.unified = fields[4]
		case "cgroup":
			options := strings.Split(kind[2], ",")
			for _, c := range append([]string{"cpuacct"}, controllers...) {
				if slices.Contains(options, c) {
					m.legacy[c] = fields[4]
				}
			}
		}
	}
	return m, nil
}
