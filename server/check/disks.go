package check

import (
	"slices"
	"strconv"
)

const (
	// Per cent of a file system that are to be free.
	fullBelow       = 3
	nearlyFullBelow = 10
	// Bytes that are to be free where the system writes.
	systemNeeds  = 512 << 20
	systemWishes = 2 << 30
	// Per cent of the inodes that may be in use.
	inodesMost = 90
)

// systemMounts are where the system and its services write.
var systemMounts = []string{"/", "/var", "/tmp", "/var/lib", "/var/log", "/usr", "/opt"}

func disk(s *subject) Verdict {
	worst := untold
	for i := range s.Mounts {
		m := &s.Mounts[i]
		system := slices.Contains(systemMounts, m.Mount)
		args := []string{"Mount", m.Mount, "Free", size(m.Free), "Size", size(m.Size), "Percent", strconv.Itoa(share(m.Free, m.Size))}
		v := pass(args...)
		switch {
		case m.ReadOnly && system:
			v = fail("read_only", args...)
		case m.ReadOnly:
			continue
		case share(m.Free, m.Size) < fullBelow, system && m.Free < systemNeeds:
			v = fail("full", args...)
		case share(m.Free, m.Size) < nearlyFullBelow, system && m.Free < systemWishes:
			v = warn("nearly_full", args...)
		}
		if v.State.Worse(worst.State) {
			worst = v
		}
	}
	return worst
}

func inodes(s *subject) Verdict {
	if len(s.Mounts) == 0 {
		return untold
	}
	most := &s.Mounts[0]
	for i := range s.Mounts {
		if s.Mounts[i].Inodes > most.Inodes {
			most = &s.Mounts[i]
		}
	}
	if most.Inodes > inodesMost {
		return warn("full", "Mount", most.Mount, "Percent", strconv.Itoa(most.Inodes))
	}
	return pass("Mount", most.Mount, "Percent", strconv.Itoa(most.Inodes))
}
