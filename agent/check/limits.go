package check

import (
	"strconv"
	"strings"
)

// limits finds what services may have, which the agent is one of, and the umask of logins. The hard limit of open files is
// told: programs raise the soft one to it.
func (l *look) limits() {
	for _, line := range l.lines("proc/self/limits") {
		if rest, is := strings.CutPrefix(line, "Max open files"); is {
			l.found.OpenFiles = limit(rest, 1)
		}
		if rest, is := strings.CutPrefix(line, "Max processes"); is {
			l.found.Processes = limit(rest, 0)
		}
	}
	for _, line := range l.lines("etc/login.defs") {
		if field := strings.Fields(line); len(field) > 1 && field[0] == "UMASK" {
			l.found.Umask = clip(field[1])
		}
	}
}

// limit reads one of the columns of a limit: soft, hard.
func limit(columns string, which int) int64 {
	field := strings.Fields(columns)
	if which >= len(field) {
		return 0
	}
	if field[which] == "unlimited" {
		return -1
	}
	n, _ := strconv.ParseInt(field[which], 10, 64) // the kernel writes numbers
	return n
}
