package page

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/live"
)

func operationPath(id int64) string { return "/operations/" + strconv.FormatInt(id, 10) }

func hostPath(id int64) string { return "/hosts/" + strconv.FormatInt(id, 10) }

func wizardPath(id int64, step string) string {
	return "/wizards/" + strconv.FormatInt(id, 10) + "/" + step
}

// filtered is the list at path with those filters, names and values in turn, that have a value.
func filtered(path string, filters ...string) string {
	q := url.Values{}
	for filter := range slices.Chunk(filters, 2) {
		if filter[1] != "" {
			q.Set(filter[0], filter[1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// filterText says which hosts a filter leaves, in words.
func filterText(ctx context.Context, state, search string) string {
	var words []string
	if state != "" {
		words = append(words, HostStateText(ctx, state))
	}
	if search != "" {
		words = append(words, i18n.T(ctx, "work.search", "Text", search))
	}
	return strings.Join(words, ", ")
}

// path is the list with the filters of the view, but for the severity.
func (v EventsView) path(severity string) string {
	return filtered("/events", append([]string{"severity", severity, "kind", v.Kind, "hours", v.Hours}, v.Host.query()...)...)
}

// everywhere is the list with the same filters, of all hosts.
func (v EventsView) everywhere() string {
	v.Host = ListHost{}
	return v.path(v.Severity)
}

func (v EventsView) filtered() bool {
	return v.Severity+v.Kind+v.Host.Name+v.Hours != "" || v.Host.ID != 0
}

// topic is what the page listens to. Rows of a filtered list come with the page, which is read again.
func (v EventsView) topic() string {
	if v.filtered() {
		return liveTopic(!v.Paged, live.TopicOverview)
	}
	return liveTopic(!v.Paged, live.TopicEvents)
}

// path is the list with the filters of the view, but for the state.
func (v JobsView) path(state string) string {
	return filtered("/jobs", append([]string{"state", state, "action", v.Action, "operation", v.Operation}, v.Host.query()...)...)
}

// everywhere is the list with the same filters, of all hosts.
func (v JobsView) everywhere() string {
	v.Host = ListHost{}
	return v.path(v.State)
}

func (v JobsView) filtered() bool {
	return v.State+v.Action+v.Host.Name+v.Operation != "" || v.Host.ID != 0
}

// ListHost is the host that a list is narrowed down to.
type ListHost struct {
	ID   int64  // 0: there is none, or none of the name
	Name string // as somebody typed it; of a known host, its name
}

// query are the filter's names and values.
func (h ListHost) query() []string {
	if h.ID != 0 {
		return []string{"host", strconv.FormatInt(h.ID, 10)}
	}
	return []string{"host_name", h.Name}
}

func (h Host) number() string { return strconv.FormatInt(h.ID, 10) }

// callsItself is what a host calls itself if that is not what the operator called it.
func (h Host) callsItself() string {
	if strings.EqualFold(h.CallsItself, h.Name) {
		return ""
	}
	return h.CallsItself
}

func hostsPath(state, search string) string {
	return filtered("/hosts", "state", state, "search", search)
}

func childrenPath(status, search string) string {
	return filtered("/child-agents", "status", status, "search", search)
}

func trustPath(state, search string) string {
	return filtered("/trust", "state", state, "search", search)
}

// pageKey is the query parameter that pages the list at path: lists by name go on after one, newest-first lists before.
func pageKey(path string) string {
	if strings.HasPrefix(path, "/hosts") || strings.HasPrefix(path, "/host-checks") || strings.HasPrefix(path, "/wizards") || strings.HasPrefix(path, "/child-agents") || strings.HasPrefix(path, "/trust") || strings.HasPrefix(path, "/users") || strings.HasPrefix(path, "/repositories") {
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

// versionTone tells agents that have the version from those that are to be upgraded.
func versionTone(have, want string) string {
	if have == want {
		return live.ToneDone
	}
	return live.ToneWaiting
}

func versionText(ctx context.Context, version string) string {
	if version == "" {
		return i18n.T(ctx, "upgrade.never_reported")
	}
	return version
}

// ellipsis says that a list goes on.
func ellipsis(more bool) string {
	if more {
		return ", …"
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
