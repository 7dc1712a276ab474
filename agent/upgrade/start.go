package upgrade

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Start is what every start of the agent begins with. The old binary counts the start of the one on trial, leaves a
// guardian behind and becomes it, which does not return; after too many starts it stays what it is. An error means that
// the agent goes on as it is.
func Start(stateDir string) error {
	record, err := Read(stateDir)
	if err != nil || record == nil || record.Phase == RolledBack {
		return err
	}
	own, err := Binary()
	switch {
	case err != nil || own == record.Trial && record.Phase == OnTrial:
		return err // the old binary has counted it
	case record.Phase == Proved:
		return record.finish(own)
	case record.Trial == "":
		return record.inPlace(stateDir)
	}
	return record.try(stateDir)
}

// try becomes the new binary.
func (r *Record) try(stateDir string) error {
	if r.Starts == maxStarts {
		return r.RollBack(stateDir, "it started "+strconv.Itoa(r.Starts)+" times and did not prove itself")
	}
	r.Starts++
	err := r.Write(stateDir)
	if err == nil {
		err = spawnGuardian(stateDir, r.Starts)
	}
	if err == nil {
		err = Exec(r.Trial)
	}
	return r.RollBack(stateDir, err.Error())
}

// finish has the new binary take the old one's place where a crash came between, and becomes it.
func (r *Record) finish(own string) error {
	if err := r.settle(); err != nil || own != r.Binary {
		return err
	}
	running, err := Checksum("/proc/self/exe")
	if err != nil || running == r.Checksum {
		return err
	}
	if there, err := Checksum(r.Binary); err != nil || there != r.Checksum {
		return err // somebody has put another one there meanwhile
	}
	return Exec(r.Binary)
}

// inPlace goes on with an upgrade that an earlier agent has begun. That put the new binary in place at once and the old
// one beside it, so that the new one, which is this, counts its own starts.
func (r *Record) inPlace(stateDir string) error {
	if r.Starts++; r.Starts <= maxStarts {
		return r.Write(stateDir)
	}
	if err := r.RollBack(stateDir, "it started "+strconv.Itoa(r.Starts-1)+" times and did not prove itself"); err != nil {
		return err
	}
	return Exec(r.Binary)
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
