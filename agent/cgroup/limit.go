package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"hostler/agent/wire"
)

// Limit is wire.Limits as numbers; zeros do not limit.
type Limit struct {
	CPU    int   // per cent of one core
	Memory int64 // bytes
	PIDs   int   // processes and threads
	Files  int   // open files of each process; a resource limit of processes, not of a group
}

// Bounds of what a limit may be: less would not start anything.
const (
	minMemory = 1 << 20
	minFiles  = 16
)

// Parse checks limits; nil are none.
func Parse(l *wire.Limits) (Limit, error) {
	var limit Limit
	if l == nil {
		return limit, nil
	}
	if l.CPU != "" {
		text, percent := strings.CutSuffix(strings.TrimSpace(l.CPU), "%")
		n, err := strconv.Atoi(text)
		if err != nil || !percent || n < 1 || n > 100_000 {
			return limit, fmt.Errorf("CPU must be per cent of one core, as in \"10%%\" or \"250%%\", not %.40q", l.CPU)
		}
		limit.CPU = n
	}
	if l.Memory != "" {
		n, err := parseBytes(strings.TrimSpace(l.Memory))
		if err != nil || n < minMemory {
			return limit, fmt.Errorf("memory must be 1M or more, as in \"20M\" or \"1G\", not %.40q", l.Memory)
		}
		limit.Memory = n
	}
	if l.PIDs < 0 || l.PIDs > 1<<22 {
		return limit, fmt.Errorf("pids must be from 1 to %d, not %d", 1<<22, l.PIDs)
	}
	if l.Files < 0 || l.Files > 0 && l.Files < minFiles || l.Files > 1<<20 {
		return limit, fmt.Errorf("files must be from %d to %d, not %d", minFiles, 1<<20, l.Files)
	}
	limit.PIDs, limit.Files = l.PIDs, l.Files
	return limit, nil
}

// parseBytes understands "500000", "64K", "20M", "1G" and "1T", with or without a "B" behind.
func parseBytes(text string) (int64, error) {
	text = strings.TrimSuffix(strings.ToUpper(text), "B")
	shift := 0
	if i := strings.IndexAny(text, "KMGT"); i >= 0 && i == len(text)-1 {
		shift = 10 * (1 + strings.IndexByte("KMGT", text[i]))
		text = text[:i]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return 0, errors.New("not a size")
	}
	return n << shift, nil
}

// Limit puts limits into force, also for processes that are in the group. Memory that is in use already is not taken
// away: lowering a limit below it is an error in version 1 and ends the processes in version 2.
func (g *Group) Limit(l Limit) error {
	var err error
	switch g.tree.Limiter {
	case wire.LimiterCgroup2:
		err = g.limit2(l)
	case wire.LimiterCgroup1:
		err = g.limit1(l)
	case wire.LimiterPolling:
	}
	if err != nil {
		return fmt.Errorf("cannot limit a control group: %w", err)
	}
	return nil
}

// period of the CPU's accounting, in microseconds: the kernel's default.
const period = 100_000

func (g *Group) limit2(l Limit) error {
	dir := filepath.Join(g.tree.unified, g.name)
	cpu, memory, swap := "max "+strconv.Itoa(period), "max", "max"
	if l.CPU > 0 {
		cpu = fmt.Sprintf("%d %d", l.CPU*period/100, period)
	}
	if l.Memory > 0 {
		memory, swap = strconv.FormatInt(l.Memory, 10), "0"
	}
	// Without swap the limit is one of what the processes use in all. The kernel may lack swap accounting.
	if err := optional(write(dir, "memory.swap.max", swap)); err != nil {
		return err
	}
	// One process less would leave the rest in a state that nobody has foreseen. Kernels before 4.19 cannot.
	if err := optional(write(dir, "memory.oom.group", "1")); err != nil {
		return err
	}
	return errors.Join(write(dir, "cpu.max", cpu), write(dir, "memory.max", memory), write(dir, "pids.max", most(l.PIDs)))
}

func (g *Group) limit1(l Limit) error {
	quota, memory := "-1", "-1"
	if l.CPU > 0 {
		quota = strconv.Itoa(l.CPU * period / 100)
	}
	if l.Memory > 0 {
		memory = strconv.FormatInt(l.Memory, 10)
	}
	cpu := filepath.Join(g.tree.legacy["cpu"], g.name)
	return errors.Join(
		write(cpu, "cpu.cfs_period_us", strconv.Itoa(period)), write(cpu, "cpu.cfs_quota_us", quota),
		g.limitMemory1(memory), write(filepath.Join(g.tree.legacy["pids"], g.name), "pids.max", most(l.PIDs)),
	)
}

// limitMemory1 sets the limits of memory and of memory with swap, which the kernel wants to be the larger at any moment:
// one of the two orders is right. Swap may not be accounted for.
func (g *Group) limitMemory1(memory string) error {
	dir := filepath.Join(g.tree.legacy["memory"], g.name)
	const plain, swap = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
	if _, err := os.Stat(filepath.Join(dir, swap)); err != nil {
		return write(dir, plain, memory)
	}
	if err := write(dir, swap, memory); err == nil {
		return write(dir, plain, memory)
	}
	if err := write(dir, plain, memory); err != nil {
		return err
	}
	return write(dir, swap, memory)
}

func most(n int) string {
	if n == 0 {
		return "max"
	}
	return strconv.Itoa(n)
}

// optional takes a file that the kernel does not have for none.
func optional(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
