package bootstrap

import (
	"context"
	"time"
)

// A later run starts the agent again, so that it reads its new token.
var startPhase = Phase{Name: "start", Title: "Start the agent", timeout: 90 * time.Second, repeat: true, run: start}

// start enables and starts, or restarts, the agent's service.
func start(ctx context.Context, r *run) error { return r.script(ctx, nil, "start") }
