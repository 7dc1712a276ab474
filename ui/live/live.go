// Package live holds the messages of the /live WebSocket that keep an open page up to date. The server builds
// them with the row builders of ui/page, which also make the first paint, so a live cell and a reloaded page
// can never say different things. It knows neither sockets nor topics' sources.
package live

import "strconv"

// Row is one row of a live table. Cells are plain text in the viewer's language, never HTML; a cell that holds
// an RFC 3339 time is shown as an age that ticks.
type Row struct {
	ID    string            `json:"id"`
	Tone  string            `json:"tone"`  // a Tone; picks colour and icon
	Group string            `json:"group"` // which filter chip it belongs to
	Cells map[string]string `json:"cells"`
}

// Delta is one message to a page. Seq grows by one per topic and connection; a gap makes the page fetch itself
// again, as Reload does.
type Delta struct {
	Topic   string            `json:"topic"`
	Seq     int64             `json:"seq"`
	Rows    []Row             `json:"rows,omitempty"`    // new and changed rows
	Removed []string          `json:"removed,omitempty"` // ids of rows that are gone
	Values  map[string]string `json:"values,omitempty"`  // for the elements marked data-value on the page
	Reload  bool              `json:"reload,omitempty"`
}

// Subscribe is the one message that a page sends: all that it listens to, and how many milliseconds ago it asked for what it
// shows. What changed since then is told again.
type Subscribe struct {
	Topics []string `json:"subscribe"`
	Age    int64    `json:"age"`
}

// Tones colour a state and pick its icon. Text always stands beside them.
const (
	ToneDone    = "done"    // good
	ToneRunning = "running" // in progress
	ToneWaiting = "waiting" // something is expected
	ToneWarning = "warning" // works, but needs a look
	ToneFailed  = "failed"  // broken
	ToneStopped = "stopped" // ended on purpose
)

// Topics without a number.
const (
	TopicHosts      = "hosts"      // rows: HostRow; values: HostCountValues
	TopicOperations = "operations" // rows: OperationRow
	TopicEvents     = "events"     // rows: EventRow
	TopicOverview   = "overview"   // values: HostCountValues; reload when a list changed
)

// TopicHost is the topic of one host's page. Values: HostValues; reload when child agents, jobs or events changed.
func TopicHost(id int64) string { return "host." + strconv.FormatInt(id, 10) }

// TopicOperation is the topic of one operation. Rows: TaskRow; values: OperationValues.
func TopicOperation(id int64) string { return "operation." + strconv.FormatInt(id, 10) }

// TopicJob is the topic of one job's page. Values: JobValues, when there is more output; reload when the job changed.
func TopicJob(id string) string { return "job." + id }

// TopicDraft is the topic of hosts that register by hand. Rows: ArrivalRow; values: ArrivalValues.
func TopicDraft(id int64) string { return "draft." + strconv.FormatInt(id, 10) }

// TopicWizard is the topic of all pages of one wizard. Values: "here", who else has one of them open.
func TopicWizard(id int64) string { return "wizard." + strconv.FormatInt(id, 10) }

// TopicLog is the topic of one task's log. Values: "size", the log's length in bytes.
func TopicLog(taskID int64) string { return "log." + strconv.FormatInt(taskID, 10) }
