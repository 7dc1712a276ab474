package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"hostler/agent/process"
)

// identify writes down which process the command is, for an agent that finds the runner dead.
func identify(dir string, pid int) {
	if id, ok := process.Of(pid); ok {
		content, _ := json.Marshal(id)                                // two strings and a number
		_ = os.WriteFile(filepath.Join(dir, pidFile), content, 0o600) // without it only the cleaning up is less
	}
}

// abandon ends what a runner that was killed has left of its command. The kernel has ended the command itself
// with the runner; this is for the rest of its group.
func abandon(dir string) {
	var leader process.ID
	content, err := os.ReadFile(filepath.Join(dir, pidFile))
	if err != nil || json.Unmarshal(content, &leader) != nil || leader.PID <= 1 || leader.Boot != process.Boot() {
		return
	}
	// While a member of the group lives its number is not given to another; who leads it now must be no stranger.
	if now, lives := process.Of(leader.PID); !lives || now == leader {
		_ = syscall.Kill(-leader.PID, syscall.SIGKILL)
	}
}

// killAll kills the command's group and every process that descends from this one, until there is none or
// patience has come to its end. All are stopped before the first is killed, or one could start others meanwhile.
func killAll(group int) {
	_ = syscall.Kill(-group, syscall.SIGKILL)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		left := process.Descendants(os.Getpid())
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		<-tick.C
	}
}
