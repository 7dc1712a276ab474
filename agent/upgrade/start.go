package upgrade

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Start is what every start of the agent begins with. It counts the start of a binary on trial; when that has
// started too often it takes the old binary back and becomes that, which does not return. An error means that the
// agent goes on as it is.
func Start(stateDir string) error {
	record, err := Read(stateDir)
	if err != nil || record == nil || record.Phase != OnTrial {
		return err
	}
	if record.Starts++; record.Starts <= maxStarts {
		return record.Write(stateDir)
	}
	if err := record.RollBack(stateDir, "it started "+strconv.Itoa(record.Starts-1)+" times and did not prove itself"); err != nil {
		return err
	}
	return Exec(record.Binary)
}

// Exec makes this process the program at path, with the same arguments and process number; its children stay its
// children. It returns only when that fails.
func Exec(path string) error {
	args := append([]string{os.Args[0]}, os.Args[1:]...)
	return fmt.Errorf("cannot become %s: %w", path, syscall.Exec(path, args, os.Environ()))
}

// StartTime is when a process started, in the kernel's ticks since the boot; "" for one that is gone.
func StartTime(pid int) string {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	text := string(content)
	// The name, in brackets, may hold blanks and brackets itself; proc_pid_stat(5) counts it as field 2.
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[19]
}
