package page

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/live"
)

// previewNames is how many names the preview shows; the rest are counted.
const previewNames = 200

// wizardNeeds are what one should have at hand before starting.
var wizardNeeds = []string{"names", "access", "system"}

func needText(ctx context.Context, id string) string { return i18n.T(ctx, "wizards.need."+id) }

// untilExpiry is how long the commands are good from now on.
func (v WizardManualView) untilExpiry() time.Duration { return v.TokenExpires.Sub(v.Frame.Now) }

func wizardStepText(ctx context.Context, step string) string { return i18n.T(ctx, "wizard.step."+step) }

// steps are the steps that this draft goes through.
func (d Draft) steps() []string { return WizardSteps(d.Method) }

// step is where the draft goes on.
func (d Draft) step() string {
	if slices.Contains(d.steps(), d.Step) {
		return d.Step
	}
	return WizardStart
}

// stepStatus is "current", "open" for steps that were reached, "past" for those that cannot be changed any more
// because hosts are being bootstrapped with what they say, or "" for those ahead.
func (d Draft) stepStatus(step, current string) string {
	order := d.steps()
	i := slices.Index(order, step)
	switch {
	case step == current:
		return "current"
	case step == WizardConnections && d.CheckID == 0: // there is none to go to
		if d.OperationID != 0 {
			return "skipped"
		}
		return ""
	case d.OperationID != 0 && i < slices.Index(order, WizardRun(d.Method)):
		return "past"
	case slices.Contains(d.Review, step) && d.OperationID == 0:
		return "review"
	case i < max(slices.Index(order, current), slices.Index(order, d.step())):
		return "open"
	}
	return ""
}

func draftTitle(ctx context.Context, d Draft) string {
	if d.Cluster == "" {
		return i18n.T(ctx, "draft.unnamed")
	}
	return i18n.T(ctx, "draft.title", "Cluster", d.Cluster)
}

// draftLine says where a draft stands; its age follows.
func draftLine(ctx context.Context, d Draft) string {
	s := wizardStepText(ctx, d.step())
	if d.HostCount > 0 {
		s += " · " + i18n.N(ctx, "preview.hosts", d.HostCount)
	}
	if d.CreatedBy != "" {
		s += " · " + actorText(ctx, d.CreatedBy)
	}
	if len(d.Review) > 0 && d.OperationID == 0 {
		s += " · " + i18n.T(ctx, "wizard.needs_review")
	}
	return s + " ·"
}

// newKeys is how many host keys nobody has trusted yet.
func (v WizardConnectionsView) newKeys() int {
	n := 0
	for _, k := range v.Keys {
		if !k.Known {
			n++
		}
	}
	return n
}

// failed are the hosts that can be mended.
func (v WizardConnectionsView) failed() []Task {
	var failed []Task
	for _, t := range v.Tasks {
		if t.State == Failed {
			failed = append(failed, t)
		}
	}
	return failed
}

// ended tells that no host is being checked any more.
func (v WizardConnectionsView) ended() bool { return !v.Operation.Finished.IsZero() }

func keyText(ctx context.Context, k ShownKey) string {
	if k.Comparison != "" {
		return i18n.T(ctx, "connections.key_"+k.Comparison)
	}
	if k.Known {
		return i18n.T(ctx, "connections.key_known")
	}
	return i18n.T(ctx, "connections.key_new")
}

func (v WizardHostsView) user() string {
	if v.Draft.User == "" {
		return "root"
	}
	return v.Draft.User
}

func (v WizardHostsView) port() string {
	if v.Draft.Port == 0 {
		return "22"
	}
	return strconv.Itoa(v.Draft.Port)
}

// manyHosts is how many hosts a person must say that so many are meant.
const manyHosts = 10_000

func (p Preview) shown() []string { return p.Lines[:min(len(p.Lines), previewNames)] }

// previewNotes say what is no problem and may still not be meant.
func previewNotes(ctx context.Context, p Preview) []string {
	var notes []string
	if p.Again > 0 {
		notes = append(notes, i18n.N(ctx, "preview.again", p.Again))
	}
	if p.Known > 0 {
		names := strings.Join(p.Managed[:min(len(p.Managed), managedShown)], ", ")
		if p.Known > managedShown {
			names += ", …"
		}
		notes = append(notes, i18n.N(ctx, "preview.managed", p.Known, "Names", names))
	}
	return notes
}

// managedShown is how many hosts a note names.
const managedShown = 5

func previewProblems(ctx context.Context, p Preview) string {
	if len(p.Errors) == 0 {
		return ""
	}
	return i18n.N(ctx, "preview.problems", len(p.Errors))
}

func previewError(ctx context.Context, e PreviewError) string {
	if e.Line == 0 {
		return e.Message
	}
	return i18n.T(ctx, "preview.line", "Line", e.Line) + e.Message
}

func previewMore(ctx context.Context, p Preview) string {
	if n := p.Count - previewNames; n > 0 {
		return i18n.N(ctx, "preview.more", n)
	}
	return ""
}

// ready is how many hosts beat.
func (v WizardSummaryView) ready() int { return len(v.Done) + len(v.Arrivals) }

func (v WizardSummaryView) tone() string {
	switch {
	case v.ready() == 0:
		return live.ToneFailed
	case len(v.Failed) > 0:
		return live.ToneWarning
	}
	return live.ToneDone
}

// topic is what the page of the checks listens to besides its wizard's.
func (v WizardChecksView) topic() string {
	if v.Operation == nil {
		return ""
	}
	return live.TopicOperation(v.Operation.ID)
}

// checksLine is how the checks of the hosts ended; "" when there were none.
func (v WizardSummaryView) checksLine(ctx context.Context) string {
	var parts []string
	for _, state := range HostCheckStates {
		if n := v.Checks[state]; n > 0 {
			parts = append(parts, known(ctx, "hostchecks.state.", state)+": "+strconv.Itoa(n))
		}
	}
	return strings.Join(parts, " · ")
}

// summaryReason is why a host is not ready.
func summaryReason(r live.Row) string {
	if r.Cells["message"] == "" {
		return r.Cells["state"]
	}
	return r.Cells["message"]
}

// harmfulKeys is how many keys a file of known_hosts speaks against.
func (v WizardConnectionsView) harmfulKeys() (n int) {
	for _, k := range v.Keys {
		if k.Harmful {
			n++
		}
	}
	return n
}

// kind is how the family's packages are kept.
func (f FamilyView) kind() string {
	if f.Name == "debian" {
		return "apt"
	}
	return "yum"
}

// channelHelp tells which channels there are.
func channelHelp(ctx context.Context, f FamilyView) string {
	if len(f.Channels) == 0 {
		return i18n.T(ctx, "versions.channel_help")
	}
	return i18n.T(ctx, "versions.channels", "Channels", strings.Join(f.Channels, ", "))
}

// needsReview says whether an earlier step has changed since this one was done.
func (d Draft) needsReview(step string) bool {
	return d.OperationID == 0 && slices.Contains(d.Review, step)
}

// Resume is where the draft goes on: at the first step that is to be looked through again, or where it was left.
func (d Draft) Resume() string {
	for _, step := range d.steps() {
		if d.needsReview(step) {
			return step
		}
	}
	return d.step()
}

func presenceText(ctx context.Context, p Presence) string {
	names := p.Names
	if p.Myself {
		names = append(slices.Clone(names), i18n.T(ctx, "wizard.here_myself"))
	}
	if len(names) == 0 {
		return ""
	}
	return i18n.T(ctx, "wizard.here", "Names", strings.Join(names, ", "))
}

// PresenceValues are the live values of who else has a page open.
func PresenceValues(ctx context.Context, p Presence) map[string]string {
	return map[string]string{"here": presenceText(ctx, p)}
}

// wizardTopics are what every page of a wizard listens to, and what this one does.
func wizardTopics(d Draft, more string) string {
	return strings.TrimSpace(live.TopicWizard(d.ID) + " " + more)
}
