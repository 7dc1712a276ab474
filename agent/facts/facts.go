// Package facts finds out what a host is, by reading files that the kernel and the distribution keep.
//
// It starts no program and changes nothing. What a host does not have (an os-release, a DMI table) is left
// empty: a host without it is still a host.
package facts

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"hostler/agent/wire"
	"hostler/internal/distro"
)

// Collect collects everything. Root is "/" but in tests. Names are resolved for about a second at most.
func Collect(ctx context.Context, root string) *wire.Facts {
	h := host{Files{Root: root}}
	hostname, _ := os.Hostname()
	memory := h.Memory()
	return &wire.Facts{
		OS:             h.os(),
		Kernel:         h.Line("proc/sys/kernel/osrelease"),
		Arch:           runtime.GOARCH,
		CPU:            h.cpu(),
		Memory:         memory["MemTotal"],
		Swap:           memory["SwapTotal"],
		Disks:          h.disks(),
		Interfaces:     interfaces(),
		Virtualisation: h.virtualisation(),
		FQDN:           h.fqdn(ctx, hostname),
		MachineID:      h.MachineID(),
		BootTime:       h.bootTime(),
	}
}

// maxFile bounds what is read of any file; cpuinfo of a machine with 1,000 cores has 1.5 MB.
const maxFile = 4 << 20

// Files is a file system that a host is told by.
type Files struct {
	Root string // "/" but in tests
}

// host is one that facts are read from.
type host struct{ Files }

// Read returns a file's content, of a very large one its beginning; nil when it cannot be read.
func (f Files) Read(name string) []byte {
	file, err := os.Open(filepath.Join(f.Root, name))
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // only read
	content, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil
	}
	return content
}

// Line returns a file's only line.
func (f Files) Line(name string) string {
	return strings.TrimSpace(string(f.Read(name)))
}

// Exists says whether there is a file, or what a link leads to.
func (f Files) Exists(name string) bool {
	_, err := os.Stat(filepath.Join(f.Root, name))
	return err == nil
}

// fields calls each with the key and the value of every "key<separator>value" line, until it says false.
func fields(content []byte, separator string, each func(key, value string) bool) {
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		key, value, found := strings.Cut(lines.Text(), separator)
		if found && !each(strings.TrimSpace(key), strings.TrimSpace(value)) {
			return
		}
	}
}

func (h host) os() wire.OS {
	text := func(name string) string { return string(h.Read(name)) }
	release := distro.Release{
		OS: text("etc/os-release"), LSB: text("etc/lsb-release"), RedHat: text("etc/redhat-release"), SUSE: text("etc/SuSE-release"), Debian: text("etc/debian_version"),
	}
	if release.OS == "" {
		release.OS = text("usr/lib/os-release")
	}
	s := distro.Detect(release)
	return wire.OS{ID: s.ID, Version: s.Version, Name: s.Name, Family: string(s.Family), Major: s.Major}
}

// cpu reads the x86 and the arm64 form of cpuinfo; the latter has no model name but in few cases.
func (h host) cpu() (cpu wire.CPU) {
	fields(h.Read("proc/cpuinfo"), ":", func(key, value string) bool {
		switch {
		case key == "processor":
			cpu.Cores++
		case cpu.Model == "" && (key == "model name" || key == "Model" || key == "Hardware"):
			cpu.Model = value
		}
		return true
	})
	if cpu.Cores == 0 {
		cpu.Cores = runtime.NumCPU()
	}
	if cpu.Model == "" {
		cpu.Model = strings.Trim(h.Line("sys/firmware/devicetree/base/model"), "\x00")
	}
	return cpu
}

// Memory returns the values of meminfo, in bytes.
func (f Files) Memory() map[string]uint64 {
	sizes := map[string]uint64{}
	fields(f.Read("proc/meminfo"), ":", func(key, value string) bool {
		if kib, err := strconv.ParseUint(strings.TrimSuffix(value, " kB"), 10, 54); err == nil {
			sizes[key] = kib << 10
		}
		return true
	})
	return sizes
}

// MachineID is systemd's, or where there is none that of D-Bus.
func (f Files) MachineID() string {
	if id := f.Line("etc/machine-id"); id != "" {
		return id
	}
	return f.Line("var/lib/dbus/machine-id")
}

func (h host) bootTime() (seconds int64) {
	fields(h.Read("proc/stat"), " ", func(key, value string) bool {
		if key == "btime" {
			seconds, _ = strconv.ParseInt(value, 10, 64)
		}
		return key != "btime"
	})
	return seconds
}
