package supervise

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks is the unit of start times in /proc: 1/100 s for user space, on every architecture.
const ticks = 100

// process is a running process.
type process struct {
	pid    int
	uptime time.Duration
}

// table looks processes up below /proc, at one instant.
type table struct {
	proc   string
	uptime time.Duration // of the machine
}

func newTable(proc string) *table {
	content, _ := os.ReadFile(filepath.Join(proc, "uptime"))
	text, _, _ := strings.Cut(string(content), " ")
	seconds, _ := strconv.ParseFloat(text, 64)
	return &table{proc: proc, uptime: time.Duration(seconds * float64(time.Second))}
}

// find returns the process of a definition. A pid file counts only when its process is at least as old as the
// file: a younger one is a stranger that was given the same number.
func (t *table) find(d *Definition) (process, bool) {
	if d.PIDFile != "" {
		return t.byPIDFile(d.PIDFile)
	}
	return t.byProgram(d.Program)
}

func (t *table) byPIDFile(path string) (process, bool) {
	info, err := os.Stat(path)
	if err != nil || info.Size() > 64 {
		return process{}, false
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return process{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || pid <= 0 {
		return process{}, false
	}
	found, ok := t.read(pid)
	age := time.Since(info.ModTime())
	// Start times are cut to 1/100 s and file times to the kernel's tick; a second covers both.
	return found, ok && found.uptime+time.Second >= age
}

// byProgram returns the oldest process that runs the program's file, or its interpreter with it.
func (t *table) byProgram(program string) (oldest process, ok bool) {
	resolved, err := filepath.EvalSymlinks(program)
	if err != nil {
		return process{}, false
	}
	interpreted := interpreter(resolved)
	entries, _ := os.ReadDir(t.proc)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		exe, err := os.Readlink(filepath.Join(t.proc, entry.Name(), "exe"))
		// The kernel adds this when the file was replaced, for example by an upgrade.
		exe = strings.TrimSuffix(exe, " (deleted)")
		if err != nil || exe != resolved && (exe != interpreted || !t.isArgument(entry.Name(), program)) {
			continue
		}
		if found, alive := t.read(pid); alive && (!ok || found.uptime > oldest.uptime) {
			oldest, ok = found, true
		}
	}
	return oldest, ok
}

// isArgument says whether a process was started with the program as its first or second argument, which is
// where the kernel puts a script's path.
func (t *table) isArgument(pid, program string) bool {
	arguments, _ := os.ReadFile(filepath.Join(t.proc, pid, "cmdline"))
	for i, word := range bytes.SplitN(arguments, []byte{0}, 4) {
		if (i == 1 || i == 2) && string(word) == program {
			return true
		}
	}
	return false
}

// interpreter returns the program that runs a script, its links resolved; "" for what is no script.
func interpreter(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // only read
	line, _ := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if !strings.HasPrefix(line, "#!") || len(words) == 0 {
		return ""
	}
	program := words[0]
	if filepath.Base(program) == "env" && len(words) > 1 {
		program, _ = exec.LookPath(words[1])
	}
	resolved, _ := filepath.EvalSymlinks(program)
	return resolved
}

// read looks a process up; one that has ended and only waits for its parent counts as gone.
func (t *table) read(pid int) (process, bool) {
	content, err := os.ReadFile(filepath.Join(t.proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return process{}, false
	}
	// The name, in brackets, may hold blanks and brackets itself; proc_pid_stat(5) counts it as field 2.
	after := content[bytes.LastIndexByte(content, ')')+1:]
	fields := strings.Fields(string(after))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return process{}, false
	}
	started, err := strconv.ParseUint(fields[19], 10, 63)
	if err != nil {
		return process{}, false
	}
	uptime := t.uptime - time.Duration(started)*(time.Second/ticks)
	return process{pid: pid, uptime: max(uptime, 0)}, true
}
