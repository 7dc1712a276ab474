package check

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// timeServices are the programs that keep clocks, as the kernel shortens their names.
var timeServices = []string{"chronyd", "ntpd", "systemd-timesyn", "openntpd", "ptp4l", "phc2sys", "timemaster"}

// unsynchronised is the kernel's STA_UNSYNC, see adjtimex(2).
const unsynchronised = 0x40

// clock asks the kernel whether something keeps its clock, and looks which program that may be.
func (l *look) clock() {
	var state syscall.Timex
	if _, err := syscall.Adjtimex(&state); err == nil {
		l.found.Clock.Synchronised = state.Status&unsynchronised == 0
	}
	processes, _ := os.ReadDir(filepath.Join(l.Root, "proc")) // without it there is none
	for _, process := range processes {
		if name := process.Name(); name[0] < '0' || name[0] > '9' {
			continue
		}
		if comm := l.Line("proc/" + process.Name() + "/comm"); slices.Contains(timeServices, comm) {
			l.found.Clock.Service = comm
			return
		}
	}
}
