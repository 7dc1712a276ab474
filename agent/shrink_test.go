package main

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestOnlyWhatTheFileHoldsIsDropped(t *testing.T) {
	const smaps = `00400000-00800000 r-xp 00000000 fe:00 1234                               /usr/bin/hostler-agent
Size:               4096 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00800000-00b00000 r--p 00400000 fe:00 1234                               /usr/bin/hostler-agent
Anonymous:             0 kB
00b00000-00c00000 r--p 00700000 fe:00 1234                               /usr/bin/hostler-agent
Anonymous:             4 kB
00c00000-00c50000 rw-p 00800000 fe:00 1234                               /usr/bin/hostler-agent
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0                              [anon: Go: heap]
Anonymous:             0 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 99                         /usr/lib/locale/C.utf8/LC_CTYPE
Anonymous:             0 kB
`
	got := clean(bufio.NewScanner(strings.NewReader(smaps)), "/usr/bin/hostler-agent")
	if want := []mapping{{0x400000, 0x400000}, {0x800000, 0x300000}}; !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestTheProgramGoesOnWithoutItsPages(t *testing.T) {
	before := resident(t)
	drop(ownProgram())
	if after := resident(t); after >= before {
		t.Errorf("%d kB of files before, %d kB after", before, after)
	}
}

// resident is what this process has of files in memory, in kilobytes. Those of a program on a file system in memory count as shared.
func resident(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		if name != "RssFile" && name != "RssShmem" {
			continue
		}
		size, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += size
	}
	return sum
}
