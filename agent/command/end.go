package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"hostler/agent/process"
)

// identify writes down which process the runner is, before its command begins, for an agent that finds it dead.
func identify(dir string) {
	if id, ok := process.Of(os.Getpid()); ok {
		content, _ := json.Marshal(id)                                // two strings and a number
		_ = os.WriteFile(filepath.Join(dir, pidFile), content, 0o600) // without it only the cleaning up is less
	}
}

// abandon ends what a runner that was killed has left of its command, as far as it has stayed in the runner's session. The
// kernel has ended the command itself with the runner; this is for what it had started.
func abandon(dir string) {
	var runner process.ID
	content, err := os.ReadFile(filepath.Join(dir, pidFile))
	if err != nil || json.Unmarshal(content, &runner) != nil || runner.PID <= 1 || runner.Boot != process.Boot() {
		return
	}
	// While a member of the session lives its number is not given to another; who has it now must be no stranger.
	if now, lives := process.Of(runner.PID); lives && now != runner {
		return
	}
	end(func() []int { return process.InSession(runner.PID) })
}

// killAll kills the command's group and every process that descends from this one.
func killAll(group int) {
	_ = syscall.Kill(-group, syscall.SIGKILL)
	end(func() []int { return process.Descendants(os.Getpid()) })
}

// end kills processes until there is none or patience has come to its end. All are stopped before the first is killed, or
// one could start others meanwhile.
func end(processes func() []int) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		left := processes()
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
