package check

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"hostler/agent/wire"
)

// maxMounts bounds the list on hosts that mount by the thousand: the fullest are told.
const maxMounts = 10

// local are the file systems that keep data on the host. Asking a network file system whose server is gone would hang.
var local = []string{
	"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "vfat", "exfat", "ntfs", "ntfs3", "ubifs", "overlay",
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`, `\043`, "#")

// disks finds what is free on each mount, once for each device.
func (l *look) disks() {
	seen := map[string]bool{}
	var all []wire.CheckMount
	for line := range bytes.Lines(l.read("proc/self/mounts")) {
		part := strings.Fields(string(line))
		if len(part) < 4 {
			continue
		}
		mount := mountEscapes.Replace(part[1])
		isRoot := mount == "/" && part[2] != "rootfs"
		if !isRoot && (!slices.Contains(local, part[2]) || part[2] == "overlay" || seen[part[0]]) {
			continue
		}
		var stat syscall.Statfs_t
		if syscall.Statfs(filepath.Join(l.root, mount), &stat) != nil || stat.Blocks == 0 {
			continue
		}
		seen[part[0]] = true
		m := wire.CheckMount{
			Mount: clip(mount), Type: part[2], Size: stat.Blocks * uint64(stat.Bsize), Free: stat.Bavail * uint64(stat.Bsize),
			ReadOnly: slices.Contains(strings.Split(part[3], ","), "ro"),
		}
		if stat.Files > 0 {
			m.Inodes = int((stat.Files - min(stat.Files, stat.Ffree)) * 100 / stat.Files)
		}
		all = append(all, m)
	}
	slices.SortStableFunc(all, func(a, b wire.CheckMount) int {
		return compareShares(a.Free, a.Size, b.Free, b.Size)
	})
	l.found.Mounts = all[:min(len(all), maxMounts)]
}

// compareShares orders by the share that a is of its whole.
func compareShares(a, ofA, b, ofB uint64) int {
	left, right := float64(a)/float64(ofA), float64(b)/float64(ofB)
	switch {
	case left < right:
		return -1
	case left > right:
		return 1
	}
	return 0
}
