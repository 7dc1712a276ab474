package task

import (
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Moment is an instant that can be told apart from another after a restart of the agent or of the host, whatever
// somebody has done to the host's clock meanwhile.
type Moment struct {
	Boot  string        `json:"boot"`  // which boot of the host
	Since time.Duration `json:"since"` // since that boot, suspensions included
	Wall  int64         `json:"wall"`  // Unix seconds
}

// Now is this instant.
func Now() Moment {
	var since unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &since) // by its manual page it fails for unknown clocks only
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return Moment{Boot: strings.TrimSpace(string(boot)), Since: time.Duration(since.Nano()), Wall: time.Now().Unix()}
}

// after is how long m is after an earlier moment. Over a reboot only the wall clock can tell; where that has gone
// backwards nobody can, and it counts as for ever.
func (m Moment) after(earlier Moment) time.Duration {
	if m.Boot == earlier.Boot {
		return m.Since - earlier.Since
	}
	if m.Wall < earlier.Wall {
		return math.MaxInt64
	}
	return time.Duration(min(m.Wall-earlier.Wall, math.MaxInt32)) * time.Second
}
