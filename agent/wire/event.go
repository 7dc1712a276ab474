package wire

// Event is something that happened on a host. The agent keeps it until the server has acknowledged it; it may
// arrive twice and is recorded once.
type Event struct {
	ID       string            `json:"id"`   // UUID
	Time     int64             `json:"time"` // Unix milliseconds by the host's clock
	Kind     EventKind         `json:"kind"`
	Severity Severity          `json:"severity"`
	Child    string            `json:"child,omitempty"`  // the child agent it is about
	Params   map[string]string `json:"params,omitempty"` // what fills its text, by kind
}

// EventKind says what happened. The server shows kinds that it does not know by their name.
type EventKind string

// Kinds of events, with their params.
const (
	EventChildExited       EventKind = "child.exited"        // code or signal, uptime (seconds), strikes
	EventChildFatal        EventKind = "child.fatal"         // reason
	EventChildKilled       EventKind = "child.killed"        // reason
	EventChildLimitsPolled EventKind = "child.limits_polled" // reason: why there is no cgroup
	EventConfigRefused     EventKind = "config.refused"      // file, reason (with the line); kept: "yes" if what was in force before goes on
	EventDiskFull          EventKind = "disk.full"           // path
	EventDiskFreed         EventKind = "disk.freed"          // path
	EventClockJumped       EventKind = "clock.jumped"        // seconds, negative for backwards
	EventAgentUpgraded     EventKind = "agent.upgraded"      // from, to
	EventAgentRolledBack   EventKind = "agent.rolled_back"   // from, to, reason
	EventEventsDropped     EventKind = "events.dropped"      // count: more than could be kept
)

// Severity ranks events.
type Severity string

// The severities.
const (
	SeverityInfo    Severity = "info"
	SeverityWarning Severity = "warning"
	SeverityError   Severity = "error"
)

// ConfigRefused is the event of a file that cannot be used; kept says whether what was in force before goes on.
func ConfigRefused(file string, reason error, kept bool) Event {
	e := Event{Kind: EventConfigRefused, Severity: SeverityError, Params: map[string]string{"file": file, "reason": reason.Error()}}
	if kept {
		e.Params["kept"] = "yes"
	}
	return e
}
