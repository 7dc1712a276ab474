package main

import (
	"bufio"
	"context"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// shrinkEvery is how often the agent lets go of its program's pages. What it uses of them between two heartbeats comes
// back at the cost of some hundred microseconds.
const shrinkEvery = 15 * time.Second

// keepSmall gives memory back once a heartbeat has been answered: much of what has been read and made so far has served its
// purpose then. The program's pages it gives back again and again. A host's memory is for its own work, and the pages that
// starting, jobs and collections touch, most of the binary, would stay.
func (w *worker) keepSmall(ctx context.Context) {
	select {
	case <-w.answered:
	case <-ctx.Done():
		return
	}
	debug.FreeOSMemory()
	program := ownProgram()
	tick := time.NewTicker(shrinkEvery)
	defer tick.Stop()
	for {
		drop(program)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// ownProgram finds where this program is mapped; nowhere when that cannot be told.
func ownProgram() []mapping {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil
	}
	defer func() { _ = maps.Close() }() // only read
	return clean(bufio.NewScanner(maps), program)
}

// drop unmaps the pages of mappings that hold nothing but what is in their file. What is used again is mapped again, from
// the kernel's cache.
func drop(mappings []mapping) {
	for _, m := range mappings {
		// A failure leaves the pages where they are.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.length, unix.MADV_DONTNEED)
	}
}

// mapping is a part of the address space.
type mapping struct{ start, length uintptr }

// clean lists the mappings of a file, by proc_pid_smaps(5), that hold nothing but what is in the file: they cannot be
// written, and no page of them has been changed before that was so.
func clean(smaps *bufio.Scanner, file string) (found []mapping) {
	var m mapping
	ours := false
	for smaps.Scan() {
		fields := strings.Fields(smaps.Text())
		if len(fields) == 3 && ours && fields[0] == "Anonymous:" && fields[1] == "0" {
			found = append(found, m)
		}
		if len(fields) < 5 || strings.HasSuffix(fields[0], ":") {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		m = mapping{uintptr(start), uintptr(end - start)}
		ours = err1 == nil && err2 == nil && len(fields) == 6 && fields[5] == file && !strings.Contains(fields[1], "w")
	}
	return found
}
