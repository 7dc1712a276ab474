package task

import (
	"context"
	"encoding/json"
	"fmt"

	"hostler/agent/check"
	"hostler/agent/link"
	"hostler/agent/wire"
)

// checkHost looks the host over and makes what it finds the job's output. It changes nothing, so doing it again does no
// harm.
func checkHost(session *link.Session) func(context.Context, *Work) (wire.JobResult, error) {
	return func(ctx context.Context, work *Work) (wire.JobResult, error) {
		if work.Job.Check == nil {
			return wire.JobResult{}, badJob("check is missing")
		}
		found := check.Collect(ctx, "/", work.Job.Check, check.ServerOf(session))
		if err := ctx.Err(); err != nil {
			return wire.JobResult{}, err
		}
		text, err := json.Marshal(found)
		if err != nil {
			return wire.JobResult{}, fmt.Errorf("cannot tell what was found: %w", err)
		}
		return wire.JobResult{Stdout: int64(len(text))}, work.Keep(wire.Stdout, text)
	}
}
