package lab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// process identifies a process for good: a number is used again, a number with its start time is not.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks after the machine's boot
}

// identify returns the identity of a running process.
func identify(pid int) (process, error) {
	_, start, err := readStat(pid)
	if err != nil {
		return process{}, fmt.Errorf("cannot identify process %d: %w", pid, err)
	}
	return process{PID: pid, Start: start}, nil
}

// alive tells whether the process still runs; one that ended and that nobody waited for does not.
func (p process) alive() bool {
	if p.PID == 0 {
		return false
	}
	state, start, err := readStat(p.PID)
	return err == nil && start == p.Start && state != "Z" && state != "X"
}

// namespace returns the path by which other processes enter one of the process's namespaces.
func (p process) namespace(kind string) string { return fmt.Sprintf("/proc/%d/ns/%s", p.PID, kind) }

// readStat returns the state and start time of a process: fields 3 and 22 of proc(5)'s stat. The name before them is
// in parentheses and may itself contain blanks and parentheses.
func readStat(pid int) (state string, start uint64, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, err
	}
	_, rest, _ := strings.Cut(string(raw[strings.LastIndexByte(string(raw), ')'):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return "", 0, fmt.Errorf("cannot read /proc/%d/stat: %q", pid, raw)
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return fields[0], start, err
}

// processes returns the numbers of all processes there are.
func processes() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
