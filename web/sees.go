package web

import (
	"context"
	"strconv"
	"strings"

	"hostler/db"
	"hostler/ui/live"
)

// sees reports whether whoever has the context may listen to a topic. Without a limit everybody may who has the right; with
// one only to what is within it, and to lists, whose rows seesRow looks at. What the database does not answer is not told.
func (w *Web) sees(ctx context.Context, topic string) bool {
	if db.LimitOf(ctx) == "" {
		return true
	}
	kind, n, _ := parseTopic(topic)
	var err error
	switch kind {
	case live.TopicHosts, live.TopicOperations, live.TopicEvents, live.TopicOverview:
		return true
	case "host":
		_, known := w.Fleet.Get(ctx, n)
		return known
	case "operation": // and its rows: all of its hosts are within the limit
		_, err = w.DB.Operation(ctx, n)
	case "log":
		var t *db.Task
		if t, err = w.DB.Task(ctx, n); err == nil {
			_, err = w.DB.Operation(ctx, t.OperationID)
		}
	case "job":
		_, err = w.DB.Job(ctx, strings.TrimPrefix(topic, "job."))
	default:
		return false
	}
	return err == nil
}

// seesRow reports whether whoever has the context may know of a row of a topic that it listens to.
func (w *Web) seesRow(ctx context.Context, topic, row string) bool {
	if db.LimitOf(ctx) == "" {
		return true
	}
	n, err := strconv.ParseInt(row, 10, 64)
	if err != nil {
		return false
	}
	switch topic {
	case live.TopicHosts:
		_, known := w.Fleet.Get(ctx, n)
		return known
	case live.TopicOperations:
		_, err = w.DB.Operation(ctx, n)
	case live.TopicEvents:
		_, err = w.DB.Event(ctx, n)
	}
	return err == nil
}
