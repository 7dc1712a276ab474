package bootstrap

import (
	"context"
	"time"

	"hostler/server/fleet"
)

var heartbeatPhase = Phase{Name: "heartbeat", Title: "Wait for the first heartbeat", timeout: 90 * time.Second, run: heartbeat}

// heartbeat waits for a heartbeat that is younger than this run.
func heartbeat(ctx context.Context, r *run) error {
	id := r.task.ID()
	_, err := r.await(ctx, r.Limits.Heartbeat, codeHeartbeatTimeout, func(h fleet.Host) bool {
		return h.TaskID != nil && *h.TaskID == id && h.LastSeenAt != nil && !h.LastSeenAt.Before(r.started)
	})
	if err != nil {
		return err
	}
	r.task.Logf("the first heartbeat has arrived")
	return nil
}
