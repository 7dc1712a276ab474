package check

import (
	"runtime"
	"strconv"
	"strings"
)

// memory finds memory, swap and how the kernel is to use them, and the cores with their load.
func (l *look) memory() {
	for _, line := range l.lines("proc/meminfo") {
		key, value, _ := strings.Cut(line, ":")
		field := strings.Fields(value)
		if len(field) == 0 {
			continue
		}
		kib, _ := strconv.ParseUint(field[0], 10, 64) // the kernel writes numbers
		switch key {
		case "MemTotal":
			l.found.Memory = kib << 10
		case "MemAvailable":
			l.found.Available = kib << 10
		case "SwapTotal":
			l.found.Swap = kib << 10
		case "SwapFree":
			l.found.SwapFree = kib << 10
		}
	}
	l.found.Swappiness = l.number("proc/sys/vm/swappiness")
	l.found.HugePages = chosen(l.line("sys/kernel/mm/transparent_hugepage/enabled"))
	l.found.Cores = runtime.NumCPU()
	if field := strings.Fields(l.line("proc/loadavg")); len(field) > 1 {
		l.found.Load, _ = strconv.ParseFloat(field[1], 64)
	}
}

// number reads a file with one number in it; nil when there is none.
func (l *look) number(name string) *int {
	n, err := strconv.Atoi(l.line(name))
	if err != nil {
		return nil
	}
	return &n
}

// chosen is the word in brackets, as the kernel marks one of several.
func chosen(line string) string {
	_, after, _ := strings.Cut(line, "[")
	word, _, found := strings.Cut(after, "]")
	if !found {
		return ""
	}
	return word
}
