package page

import (
	"context"

	"hostler/ui/i18n"
)

// Batch is the batch that an operation is at, or was at last.
type Batch struct {
	Number int // 1 for the first; 0: the operation has none
	Of     int
	Size   int // tasks in it
	Done   int
	Failed int
	Left   bool // there is something left to do in it
}

// BatchOf is the first batch that has something left to do, was cut short, or is the last.
func BatchOf(tasks []Task) (b Batch) {
	for _, t := range tasks {
		open := taskGroup(t.State) == GroupRunning || taskGroup(t.State) == GroupWaiting || t.Reason == reasonFailures
		if open && (b.Number == 0 || t.Batch < b.Number) {
			b.Number = t.Batch
		}
		b.Of = max(b.Of, t.Batch)
	}
	if b.Number == 0 {
		b.Number = b.Of
	}
	for _, t := range tasks {
		if t.Batch != b.Number {
			continue
		}
		b.Size++
		switch taskGroup(t.State) {
		case GroupDone:
			b.Done++
		case GroupFailed:
			b.Failed++
		case GroupRunning, GroupWaiting:
			b.Left = true
		}
	}
	return b
}

// reasonFailures is why a task was never begun: too many others had failed.
const reasonFailures = "too_many_failures"

// batchText says at which batch an operation is and how that goes, and how many failures end it.
func batchText(ctx context.Context, o Operation) string {
	text := ""
	if b := o.Batch; b.Number > 0 {
		text = i18n.T(ctx, "batch.now", "Number", b.Number, "Of", b.Of, "Done", b.Done, "Size", b.Size)
		if b.Failed > 0 {
			text += i18n.T(ctx, "batch.failed", "Failed", b.Failed)
		}
	}
	if o.StopAfter > 0 {
		if text != "" {
			text += " · "
		}
		text += i18n.N(ctx, "batch.stop", o.StopAfter, "Failed", max(0, o.Counts.Group(GroupFailed)-o.Forgiven))
	}
	return text
}
