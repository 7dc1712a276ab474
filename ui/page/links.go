package page

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hostler/ui/live"
)

func operationPath(id int64) string { return "/operations/" + strconv.FormatInt(id, 10) }

func hostPath(id int64) string { return "/hosts/" + strconv.FormatInt(id, 10) }

func wizardPath(id int64, step string) string {
	return "/wizards/" + strconv.FormatInt(id, 10) + "/" + step
}

func eventsPath(severity string) string {
	if severity == "" {
		return "/events"
	}
	return "/events?severity=" + url.QueryEscape(severity)
}

// hostsPath is the hosts page with a filter.
func hostsPath(state, search string) string {
	q := url.Values{}
	if state != "" {
		q.Set("state", state)
	}
	if search != "" {
		q.Set("search", search)
	}
	if len(q) == 0 {
		return "/hosts"
	}
	return "/hosts?" + q.Encode()
}

// pageKey is the query parameter that pages the list at path: lists by name go on after one, newest-first lists before.
func pageKey(path string) string {
	if strings.HasPrefix(path, "/hosts") || strings.HasPrefix(path, "/child-agents") || strings.HasPrefix(path, "/trust") {
		return "after"
	}
	return "before"
}

func withQuery(path, key, value string) string {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return path + separator + key + "=" + url.QueryEscape(value)
}

// liveTopic is a topic that is listened to only when the page shows what the topic is about.
func liveTopic(on bool, topic string) string {
	if on {
		return topic
	}
	return ""
}

// eventTarget is the page that an event is about; "" for none.
func eventTarget(e Event) string {
	switch {
	case e.HostID != 0:
		return hostPath(e.HostID)
	case e.OperationID != 0:
		return operationPath(e.OperationID)
	}
	return ""
}

var severities = []string{"error", "warning", "info"}

func severityTone(severity string) string {
	switch severity {
	case "error":
		return live.ToneFailed
	case "warning":
		return live.ToneWarning
	}
	return live.ToneStopped
}

func groupText(ctx context.Context, group string) string { return known(ctx, "group.", group) }

// elapsedText is what a stopwatch shows first.
func elapsedText(ctx context.Context, started, finished, now time.Time) string {
	if started.IsZero() {
		return ""
	}
	if finished.IsZero() {
		finished = now
	}
	return Elapsed(ctx, finished.Sub(started))
}
