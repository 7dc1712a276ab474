package check

import (
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
	for _, line := range l.lines("proc/self/mounts") {
		part := strings.Fields(line)
		if len(part) < 4 {
			continue
		}
		mount := mountEscapes.Replace(part[1])
		isRoot := mount == "/" && part[2] != "rootfs"
		if !isRoot && (!slices.Contains(local, part[2]) || part[2] == "overlay" || seen[part[0]]) {
			continue
		}
		var stat syscall.Statfs_t
		if syscall.Statfs(filepath.Join(l.Root, mount), &stat) != nil || stat.Blocks == 0 {
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
	for len(l.found.Mounts) < maxMounts && len(all) > 0 {
		fullest := 0
		for i := range all {
			if float64(all[i].Free)/float64(all[i].Size) < float64(all[fullest].Free)/float64(all[fullest].Size) {
				fullest = i
			}
		}
		l.found.Mounts = append(l.found.Mounts, all[fullest])
		all[fullest] = all[len(all)-1]
		all = all[:len(all)-1]
	}
}
