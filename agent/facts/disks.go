package facts

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"hostler/agent/wire"
)

// maxDisks bounds the list on hosts that mount by the thousand.
const maxDisks = 256

// local are the file systems that keep data on the host. Network and FUSE ones are left out: they are not the
// host's disks, and asking one whose server is gone would hang.
var local = []string{
	"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "vfat", "exfat", "ntfs", "ntfs3", "ubifs",
}

// disks lists the mounts with data, one per device; the root is in it whatever it is.
func (h host) disks() []wire.Disk {
	disks, seen := []wire.Disk{}, map[string]bool{}
	for line := range bytes.Lines(h.Read("proc/self/mounts")) {
		part := strings.Fields(string(line))
		if len(part) < 3 {
			continue
		}
		disk := wire.Disk{Device: unescape(part[0]), Mount: unescape(part[1]), Type: part[2]}
		isRoot := disk.Mount == "/" && disk.Type != "rootfs"
		if !isRoot && (!slices.Contains(local, disk.Type) || seen[disk.Device]) {
			continue
		}
		// A container's manager mounts single files over the root's; they are no disks.
		if at, err := os.Stat(filepath.Join(h.Root, disk.Mount)); err != nil || !at.IsDir() {
			continue
		}
		var stat syscall.Statfs_t
		if syscall.Statfs(filepath.Join(h.Root, disk.Mount), &stat) != nil || stat.Blocks == 0 {
			continue
		}
		disk.Size, disk.Free = stat.Blocks*uint64(stat.Bsize), stat.Bavail*uint64(stat.Bsize)
		seen[disk.Device] = true
		if disks = append(disks, disk); len(disks) == maxDisks {
			break
		}
	}
	return disks
}

// mountEscapes are the octal escapes of the kernel's mount table.
var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`, `\043`, "#")

func unescape(text string) string { return mountEscapes.Replace(text) }
