package page

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/live"
)

// used is the share of a disk that is in use, per cent.
func (d Disk) used() int {
	if d.Size == 0 {
		return 0
	}
	return int(100 * float64(d.Size-min(d.Free, d.Size)) / float64(d.Size))
}

// step is the heartbeat interval in force, in seconds.
func (v HostView) step() int {
	if v.Host.Step > 0 {
		return v.Host.Step
	}
	return v.DefaultStep
}

func beatClass(b Beat) string {
	switch {
	case !b.Known:
		return "beat beat-unknown"
	case b.Seen:
		return "beat beat-seen"
	}
	return "beat beat-missed"
}

// A missed beat stands out by its height as well as by its colour.
func beatTop(b Beat) string {
	switch {
	case !b.Known:
		return "21"
	case b.Seen:
		return "9"
	}
	return "1"
}

func beatHeight(b Beat) string {
	switch {
	case !b.Known:
		return "4"
	case b.Seen:
		return "16"
	}
	return "24"
}

func beatTitle(ctx context.Context, b Beat) string {
	at := b.Start.UTC().Format("15:04:05") + " UTC"
	switch {
	case !b.Known:
		return i18n.T(ctx, "beat.unknown", "Time", at)
	case b.Seen:
		return i18n.T(ctx, "beat.seen", "Time", at)
	}
	return i18n.T(ctx, "beat.missed", "Time", at)
}

// beatsText tells how many intervals had no heartbeat, out of the time of which that is known.
func beatsText(ctx context.Context, beats []Beat, slot time.Duration) string {
	missed, known := 0, 0
	for _, b := range beats {
		if b.Known {
			known++
		}
		if b.Known && !b.Seen {
			missed++
		}
	}
	span := spanText(ctx, slot*time.Duration(known))
	if missed == 0 {
		return i18n.T(ctx, "beats.none_missed", "Span", span)
	}
	return i18n.N(ctx, "beats.missed", missed, "Span", span)
}

func memoryText(ctx context.Context, f *Facts) string {
	if f.Swap == 0 {
		return Bytes(f.Memory)
	}
	return i18n.T(ctx, "fact.memory_swap", "Memory", Bytes(f.Memory), "Swap", Bytes(f.Swap))
}

func virtualisationText(ctx context.Context, v string) string {
	if v == "none" {
		return i18n.T(ctx, "fact.bare_metal")
	}
	return v
}

func joinAddresses(addresses []string) string { return strings.Join(addresses, "  ") }

func childTone(status string) string {
	switch status {
	case "running":
		return live.ToneDone
	case "fatal", "killed":
		return live.ToneFailed
	}
	return live.ToneStopped
}

func jobTone(state string) string {
	switch state {
	case "succeeded":
		return live.ToneDone
	case "failed", "timed_out":
		return live.ToneFailed
	case "lost", "expired":
		return live.ToneWarning
	case "canceled":
		return live.ToneStopped
	case "delivered", "running":
		return live.ToneRunning
	}
	return live.ToneWaiting
}

// jobHint explains the states that are easily taken for a failure.
func jobHint(ctx context.Context, state string) string {
	switch state {
	case "lost", "expired":
		return i18n.T(ctx, "job.hint."+state)
	}
	return ""
}

func childUptime(ctx context.Context, c Child) string {
	if c.Uptime <= 0 {
		return "–"
	}
	return Elapsed(ctx, c.Uptime)
}

func cpuText(c Child) string {
	if c.Status != "running" {
		return "–"
	}
	return withLimit(strconv.FormatFloat(c.CPU, 'f', 1, 64)+"%", c.CPULimit)
}

func childMemory(c Child) string {
	if c.Memory == 0 {
		return withLimit("–", c.MemoryLimit)
	}
	return withLimit(Bytes(c.Memory), c.MemoryLimit)
}

func withLimit(text, limit string) string {
	if limit == "" {
		return text
	}
	return text + " / " + limit
}

// limitedBy says what holds a child agent to its limits.
func limitedBy(ctx context.Context, c Child) string {
	if c.CPULimit+c.MemoryLimit == "" || c.LimitedBy == "" {
		return ""
	}
	return known(ctx, "children.limiter.", c.LimitedBy)
}

func exitText(ctx context.Context, c Child) string {
	switch {
	case c.ExitReason != "":
		return c.ExitReason
	case c.ExitCode != "":
		return i18n.T(ctx, "job.exit", "Code", c.ExitCode)
	case c.ExitSignal != "":
		return c.ExitSignal
	}
	return i18n.T(ctx, "children.unseen")
}

// Printable takes out what a terminal would obey and a page would show as nothing: control characters and the colours of
// ANSI escape sequences.
func Printable(text string) string {
	text = ansi.ReplaceAllString(text, "")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// ansi are control sequences of ECMA-48: CSI and OSC.
var ansi = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?)")

// jobResult is what the agent reported; "" until it did.
func jobResult(ctx context.Context, j Job) string {
	if j.State == "succeeded" || j.ErrCode == 0 {
		return j.Message
	}
	return i18n.T(ctx, "job.error", "Code", strconv.Itoa(j.ErrCode), "Message", j.Message)
}

// certificateTone warns when the agent should have renewed its certificate by now: it tries from two thirds of its life on.
func certificateTone(h Host, now time.Time) string {
	life := h.CertExpires.Sub(h.CertIssued)
	switch {
	case h.CertExpires.IsZero():
		return ""
	case !h.CertExpires.After(now):
		return live.ToneFailed
	case h.CertExpires.Sub(now) < life/6:
		return live.ToneWarning
	}
	return ""
}
