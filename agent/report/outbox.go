package report

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"hostler/agent/link"
	"hostler/agent/wire"
)

const (
	// outputPace is how far apart messages with output are: some a second, and a chatty command fills each.
	outputPace = 250 * time.Millisecond
	// absentFor is how long a path is left alone that the server does not have: it is older than the agent.
	absentFor = 10 * time.Minute
	// maxEvents bounds the events in one message.
	maxEvents = 100
)

// outbox is one kind of thing that goes to the server beside heartbeats. A refusal of one kind delays that kind
// only.
type outbox struct {
	name string
	path string
	pack func() (body any, taken func()) // nil: there is nothing to send
	pace time.Duration                   // at least so long between messages
	// absent is told whether the server lacks the path; nil: every server has it.
	absent func(bool)

	retry link.Backoff
	after time.Time // not before this
}

// outboxes lists what is sent, the most urgent first. A job's result goes out after its output.
func (r *Reporter) outboxes() []*outbox {
	output := r.Runner.Output()
	return []*outbox{
		{name: "events", path: wire.PathEvents, pack: r.packEvents, absent: func(bool) {}},
		{name: "the output of jobs", path: wire.PathOutput, pack: r.packOutput, pace: outputPace, absent: output.Unwanted},
		{name: "the results of jobs", path: wire.PathJobResult, pack: r.packResults},
	}
}

func (r *Reporter) packEvents() (any, func()) {
	events := r.Events.Next(maxEvents)
	if len(events) == 0 {
		return nil, nil
	}
	return events, func() { r.Events.Acknowledge(events) }
}

func (r *Reporter) packOutput() (any, func()) {
	chunks := r.Runner.Output().Next()
	if len(chunks) == 0 {
		return nil, nil
	}
	return chunks, func() { r.Runner.Output().Acknowledge(chunks) }
}

func (r *Reporter) packResults() (any, func()) {
	results := r.Runner.Results(maxResults)
	if len(results) == 0 {
		return nil, nil
	}
	return results, func() {
		if err := r.Runner.Acknowledge(results); err != nil {
			r.Log.Error("delivered results will be sent again after a restart", "error", err)
		}
	}
}

// send sends what one outbox has and says so, or returns when the next one that waits may be asked again.
func (r *Reporter) send(ctx context.Context, now time.Time) (sent bool, next time.Time) {
	for _, box := range r.boxes {
		if now.Before(box.after) {
			if body, _ := box.pack(); body != nil && (next.IsZero() || box.after.Before(next)) {
				next = box.after
			}
			continue
		}
		if body, taken := box.pack(); body != nil {
			r.settle(ctx, r.deliver(ctx, box, body, taken))
			return true, next
		}
	}
	return false, next
}

// deliver sends one message. Only what concerns heartbeats as well is returned as an error.
func (r *Reporter) deliver(ctx context.Context, box *outbox, body any, taken func()) error {
	var reply wire.ResultReply
	err := link.Post(ctx, r.client, r.url(box.path), body, &reply)
	if err == nil && reply.ErrCode == 0 {
		box.retry.Reset()
		box.after = r.Clock.Now().Add(box.pace)
		if box.absent != nil {
			box.absent(false)
		}
		taken()
		return nil
	}
	if err == nil {
		err = &link.Refusal{Status: http.StatusOK, Cause: wire.Error{Message: fmt.Sprintf("errcode %d", reply.ErrCode)}}
	}
	err = fmt.Errorf("cannot deliver %s: %w", box.name, err)
	refusal, refused := link.AsRefusal(err)
	if !refused || refusal.RetryAfter > 0 || refusal.Status >= 500 || refusal.Cause.Code == "not_registered" {
		return err
	}
	if refusal.Status == http.StatusNotFound && box.absent != nil {
		box.absent(true)
		box.after = r.Clock.Now().Add(absentFor + link.Jitter(absentFor/10))
		r.Log.Info("the server is older than this agent and does not take "+box.name, "again", box.after)
		return nil
	}
	box.retry.Max = r.interval()
	box.after = r.Clock.Now().Add(box.retry.Next())
	r.complain(err)
	return nil
}
