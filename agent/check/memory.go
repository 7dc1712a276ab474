package check

import (
	"runtime"
	"strconv"
	"strings"
)

// memory finds memory, swap and how the kernel is to use them, and the cores with their load.
func (l *look) memory() {
	memory := l.Memory()
	l.found.Memory, l.found.Available = memory["MemTotal"], memory["MemAvailable"]
	l.found.Swap, l.found.SwapFree = memory["SwapTotal"], memory["SwapFree"]
	l.found.Swappiness = l.number("proc/sys/vm/swappiness")
	l.found.HugePages = chosen(l.Line("sys/kernel/mm/transparent_hugepage/enabled"))
	l.found.Cores = runtime.NumCPU()
	if field := strings.Fields(l.Line("proc/loadavg")); len(field) > 1 {
		l.found.Load, _ = strconv.ParseFloat(field[1], 64)
	}
}

// number reads a file with one number in it; nil when there is none.
func (l *look) number(name string) *int {
	n, err := strconv.Atoi(l.Line(name))
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
