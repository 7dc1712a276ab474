package cgroup

import (
	"context"
	"path/filepath"
	"syscall"
	"time"
)

// Kill ends every process of the group and waits until it is empty, or until ctx ends. It reports how many are left.
func (g *Group) Kill(ctx context.Context) int {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		pids := g.PIDs()
		if len(pids) == 0 {
			return 0
		}
		// The kernel kills them all at once, and what they start meanwhile. Before 5.14 it cannot.
		if g.tree.unified == "" || write(filepath.Join(g.tree.unified, g.name), "cgroup.kill", "1") != nil {
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGKILL) // one that is gone is what is wanted
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return len(g.PIDs())
		}
	}
}
