package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/clip"
)

// Output stores pieces of the output of a host's jobs. A piece that was stored already changes nothing. One of a job that
// is unknown or another host's is not stored and is acknowledged all the same, because sending it again would not help.
// Pieces that no agent makes are refused with a *wire.Error.
func (q *Queue) Output(ctx context.Context, hostID int64, chunks []wire.OutputChunk) error {
	byJob, err := sortChunks(chunks)
	if err != nil {
		return err
	}
	var begun []string // jobs that the agent has taken over, as their output shows before the next heartbeat says so
	for _, pieces := range byJob {
		id := pieces[0].Job
		grown, state, err := q.db.AppendOutput(ctx, hostID, id, pieces)
		if errors.Is(err, db.ErrNotFound) {
			q.log.Warn("a host sent output of a job that is not its own", "host", hostID, "job", clip.Text(id, 64))
			continue
		}
		if err != nil {
			return err
		}
		if state == db.JobDelivered {
			begun = append(begun, id)
		}
		for stream, size := range grown {
			q.bus.Publish("job-output."+id, OutputGrew{Stream: stream, Size: size})
		}
	}
	return q.running(ctx, hostID, begun, q.now())
}

// sortChunks checks the pieces of a message and returns them by job, each job's in the order of their offsets.
func sortChunks(chunks []wire.OutputChunk) ([][]wire.OutputChunk, error) {
	total := 0
	for _, c := range chunks {
		total += len(c.Data)
		switch {
		case c.Stream != wire.Stdout && c.Stream != wire.Stderr:
			return nil, badOutput("a stream is neither stdout nor stderr")
		case c.Offset < 0:
			return nil, badOutput("an offset is negative")
		case len(c.Data) > wire.MaxChunk:
			return nil, badOutput(fmt.Sprintf("a piece has %d bytes, and may have %d", len(c.Data), wire.MaxChunk))
		case total > wire.MaxOutput:
			return nil, badOutput(fmt.Sprintf("a message has more than %d bytes of output", wire.MaxOutput))
		}
	}
	sorted := slices.Clone(chunks)
	slices.SortStableFunc(sorted, func(a, b wire.OutputChunk) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Offset, b.Offset))
	})
	var byJob [][]wire.OutputChunk
	for i, c := range sorted {
		if i == 0 || c.Job != sorted[i-1].Job {
			byJob = append(byJob, nil)
		}
		byJob[len(byJob)-1] = append(byJob[len(byJob)-1], c)
	}
	return byJob, nil
}

func badOutput(why string) error { return &wire.Error{Code: "bad_output", Message: why} }
