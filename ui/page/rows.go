package page

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"hostler/ui/i18n"
	"hostler/ui/live"
)

// Groups of task rows: the filter chips of an operation.
const (
	GroupFailed  = "failed"
	GroupRunning = "running"
	GroupWaiting = "waiting" // queued, or in want of a person
	GroupDone    = "done"
	GroupStopped = "stopped" // removed or canceled
)

// TaskGroups lists the groups in the order of the chips.
var TaskGroups = []string{GroupFailed, GroupRunning, GroupWaiting, GroupDone, GroupStopped}

func taskGroup(state string) string {
	switch state {
	case Failed:
		return GroupFailed
	case Running:
		return GroupRunning
	case Done:
		return GroupDone
	case Skipped, Canceled:
		return GroupStopped
	}
	return GroupWaiting
}

// byGroup puts the tasks that need a look first, as the scripts do when a task changes its group.
func byGroup(tasks []Task) []Task {
	rank := func(t Task) int { return slices.Index(TaskGroups, taskGroup(t.State)) }
	return slices.SortedStableFunc(slices.Values(tasks), func(a, b Task) int { return rank(a) - rank(b) })
}

// Group counts the tasks of one of TaskGroups.
func (c Counts) Group(group string) int {
	n := 0
	for state, k := range c {
		if taskGroup(state) == group {
			n += k
		}
	}
	return n
}

// Progress is how far an operation is by its counts alone, per cent.
func (c Counts) Progress() int {
	total := c.Total()
	if total == 0 {
		return 0
	}
	return 100 * (total - c.Group(GroupRunning) - c.Group(GroupWaiting)) / total
}

// Progress is how far an operation is, per cent, counting the steps of the tasks that have not ended.
func Progress(tasks []Task) int {
	if len(tasks) == 0 {
		return 0
	}
	sum := 0
	for _, t := range tasks {
		switch g := taskGroup(t.State); {
		case g != GroupRunning && g != GroupWaiting:
			sum += 100
		case t.Steps > 0:
			sum += 100 * max(t.StepNumber-1, 0) / t.Steps
		}
	}
	return sum / len(tasks)
}

// TaskRow is a row of topic operation.<id>. Cells: name, state, step, progress ("4/10"), message, hint, elapsed.
func TaskRow(ctx context.Context, t Task) live.Row {
	cells := map[string]string{
		"name": t.Name, "state": StateText(ctx, t.State), "step": "", "progress": "", "message": t.Note, "hint": "",
		"elapsed": elapsed(ctx, t.Started, t.Finished),
	}
	if t.Step != "" && t.State != Done && t.State != Pending {
		cells["step"] = StepTitle(ctx, t.Step)
	}
	if t.Steps > 0 && t.State == Running {
		cells["progress"] = strconv.Itoa(t.StepNumber) + "/" + strconv.Itoa(t.Steps)
	}
	switch t.State {
	case Failed:
		cells["message"], cells["hint"] = t.Problem.CauseIn(ctx), t.Problem.HintIn(ctx)
	case Waiting:
		cells["message"] = known(ctx, "reason.", t.Reason)
	}
	return live.Row{ID: strconv.FormatInt(t.ID, 10), Tone: stateTone(t.State), Group: taskGroup(t.State), Cells: cells}
}

// OperationValues are the values of topic operation.<id>: state, tone, title (of the browser tab), progress (per
// cent), total, one count per group under its name, counts (all of them as a sentence), batch (which one it is at, and how many failures end it), elapsed, and active ("1"
// while it has not ended, else "").
func OperationValues(ctx context.Context, o Operation) map[string]string {
	v := map[string]string{
		"state": StateText(ctx, o.State), "tone": stateTone(o.State), "progress": strconv.Itoa(o.Progress),
		"total": strconv.Itoa(o.Counts.Total()), "elapsed": elapsed(ctx, o.Started, o.Finished), "active": "",
	}
	for _, g := range TaskGroups {
		v[g] = strconv.Itoa(o.Counts.Group(g))
	}
	v["counts"] = countsText(ctx, o.Counts)
	v["batch"] = batchText(ctx, o)
	v["title"] = o.TitleIn(ctx)
	if o.State == Pending || o.State == Running || o.State == Waiting {
		v["active"] = "1"
		v["title"] = v["progress"] + "% · " + v["title"]
	}
	return v
}

func countsText(ctx context.Context, c Counts) string {
	s := i18n.T(ctx, "counts.done", "N", c.Group(GroupDone))
	for _, g := range []string{GroupRunning, GroupFailed, GroupWaiting, GroupStopped} {
		if n := c.Group(g); n > 0 {
			s += " · " + i18n.T(ctx, "counts."+g, "N", n)
		}
	}
	return s
}

// OperationRow is a row of topic operations. Cells: title, state, progress (per cent), counts, elapsed, created.
func OperationRow(ctx context.Context, o Operation) live.Row {
	return live.Row{
		ID: strconv.FormatInt(o.ID, 10), Tone: operationTone(o), Group: taskGroup(o.State),
		Cells: map[string]string{
			"title": o.TitleIn(ctx), "state": StateText(ctx, o.State), "progress": strconv.Itoa(o.Progress),
			"counts": countsText(ctx, o.Counts), "elapsed": elapsed(ctx, o.Started, o.Finished),
			"created": stamp(o.Created), "by": actorText(ctx, o.CreatedBy),
		},
	}
}

// operationTone warns of an operation that goes on although some of its tasks failed.
func operationTone(o Operation) string {
	if o.State != Failed && o.Counts.Group(GroupFailed) > 0 {
		return live.ToneWarning
	}
	return stateTone(o.State)
}

// HostStateText names a host's state.
func HostStateText(ctx context.Context, state string) string { return known(ctx, "host.state.", state) }

func hostTone(state string) string {
	switch state {
	case HostHealthy:
		return live.ToneDone
	case HostUnhealthy:
		return live.ToneWarning
	case HostLost:
		return live.ToneFailed
	}
	return live.ToneWaiting
}

// HostRow is a row of topic hosts. Cells: name, fqdn (if that is another), state, address, os, last_seen, version, children.
func HostRow(ctx context.Context, h Host) live.Row {
	children := "–"
	if h.Children > 0 {
		children = i18n.T(ctx, "host.children.running", "Run", h.ChildrenRun, "All", h.Children)
	}
	return live.Row{
		ID: strconv.FormatInt(h.ID, 10), Tone: hostTone(h.State), Group: h.State,
		Cells: map[string]string{
			"name": h.Name, "fqdn": h.callsItself(), "state": HostStateText(ctx, h.State), "address": h.Address, "os": h.OS,
			"last_seen": stamp(h.LastSeen), "version": h.AgentVersion, "children": children,
		},
	}
}

// HostValues are the values of topic host.<id>: state, tone, last_seen, version, address, agent_started.
func HostValues(ctx context.Context, h Host) map[string]string {
	return map[string]string{
		"state": HostStateText(ctx, h.State), "tone": hostTone(h.State), "last_seen": stamp(h.LastSeen),
		"version": h.AgentVersion, "address": h.Address, "agent_started": stamp(h.AgentStarted),
	}
}

// HostCountValues are the values of topics hosts and overview: total, and one count per state under its name.
func HostCountValues(c HostCounts) map[string]string {
	v := map[string]string{"total": strconv.Itoa(c.Total())}
	for _, s := range HostStates {
		v[s] = strconv.Itoa(c[s])
	}
	return v
}

// ArrivalRow is a row of topic draft.<id>. Cells: name, state, address, os, registered, last_seen.
func ArrivalRow(ctx context.Context, a Arrival) live.Row {
	return live.Row{
		ID: strconv.FormatInt(a.HostID, 10), Tone: hostTone(a.State), Group: a.State,
		Cells: map[string]string{
			"name": a.Name, "state": HostStateText(ctx, a.State), "address": a.Address, "os": a.OS,
			"registered": stamp(a.Registered), "last_seen": stamp(a.LastSeen),
		},
	}
}

// ArrivalValues are the values of topic draft.<id>: arrived, the number of hosts, and uses, how many more hosts
// the token admits.
func ArrivalValues(arrived, uses int) map[string]string {
	return map[string]string{"arrived": strconv.Itoa(arrived), "uses": strconv.Itoa(uses)}
}

// EventKinds are the events that the catalogues have a text for.
var EventKinds = []string{
	"host.enrolled", "host.registered", "host.lost", "host.back", "host.identity_refused", "host.cloned", "host.twin", "host.key_forgotten",
	"enrol.refused", "operation.started", "operation.finished", "operation.canceled", "operation.retried",
	"user.created", "user.login", "user.login_failed", "user.password", "user.role", "user.limited", "user.disabled", "user.enabled", "user.removed",
	"user.second_factor", "user.second_factor_removed", "user.second_factor_required", "user.recovery_code",
	"token.created", "token.ended", "job.finished", "server.started",
	"child.exited", "child.fatal", "child.killed", "child.limits_polled", "config.refused", "disk.full", "disk.freed",
	"clock.jumped", "agent.upgraded", "agent.rolled_back", "events.dropped", "certificate.revoked",
	"certificate.renewal_asked", "authority.moved",
	"enrol.token_created", "enrol.token_ended", "enrol.waiting", "enrol.signed", "enrol.denied",
	"certificate.presigned", "enrol.decided", "enrol.queue_opened", "enrol.queue_closed", "host.namesake", "enrol.rule_created", "enrol.rule_removed",
	"repository.created", "repository.removed", "repository.packages_added", "repository.package_refused", "repository.watched_folder_failed", "repository.packages_dropped", "repository.promoted",
	"repository.imported", "repository.mirror_created", "repository.mirror_changed", "repository.mirror_removed", "repository.rolled_back",
	"repository.key_moved",
}

// EventFamilies are the first words of EventKinds, by which events are filtered.
func EventFamilies() []string {
	var all []string
	for _, kind := range EventKinds {
		if family, _, _ := strings.Cut(kind, "."); !slices.Contains(all, family) {
			all = append(all, family)
		}
	}
	return all
}

// EventHours are the spans of time by which events are filtered.
var EventHours = []string{"1", "24", "168"}

// EventText says what happened, in the context's language.
func EventText(ctx context.Context, e Event) string {
	args := map[string]string{"actor": actorText(ctx, e.Actor), "host": e.HostName}
	for k, v := range e.Params {
		args[k] = v
	}
	args["role"] = known(ctx, "role.", args["role"])
	if args["reason"] == "" { // that of a host's event is in the agent's own words
		args["reason"] = refusalText(ctx, args["code"], args["message"])
	}
	args["title"] = titleIn(ctx, args["kind"], args["title"])
	if s, ok := i18n.Fill(ctx, "event."+e.Kind, args); ok {
		return s
	}
	return e.Kind
}

// EventRow is a row of topic events. Cells: time, severity, text, actor.
func EventRow(ctx context.Context, e Event) live.Row {
	return live.Row{
		ID: strconv.FormatInt(e.ID, 10), Tone: severityTone(e.Severity), Group: e.Severity,
		Cells: map[string]string{
			"time": stamp(e.Time), "severity": known(ctx, "severity.", e.Severity), "text": EventText(ctx, e), "actor": actorText(ctx, e.Actor),
		},
	}
}
