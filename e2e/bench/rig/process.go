package rig

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticks is the kernel's unit of CPU time in /proc, USER_HZ; it is 100 on every Linux platform Go runs on.
const ticks = 100

// ProcessCPU is a process's user and system time, in seconds; 0 when it is gone.
func ProcessCPU(pid int) float64 {
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

// Resident takes VmRSS out of a /proc status file, in bytes.
func Resident(status string) int64 { return statusBytes(status, "VmRSS:") }

// Peak takes VmHWM, the most that VmRSS has been.
func Peak(status string) int64 { return statusBytes(status, "VmHWM:") }

func statusBytes(status, name string) int64 {
	for line := range strings.Lines(status) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// Megabytes writes a number of bytes.
func Megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
