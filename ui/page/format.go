package page

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"hostler/ui/i18n"
)

// stamp writes a time for a cell that ticks; "" for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// ClockLayout is how absolute times are written out, in UTC; scripts rewrite them in the viewer's zone.
const ClockLayout = "2006-01-02 15:04:05"

// Elapsed writes a duration the way a stopwatch is read: "1.4 s", "1 min 12 s", "3 h 5 min", "2 d 4 h".
func Elapsed(ctx context.Context, d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 10*time.Second:
		return i18n.T(ctx, "duration.s", "S", fmt.Sprintf("%.1f", d.Seconds()))
	case d < time.Minute:
		return i18n.T(ctx, "duration.s", "S", strconv.Itoa(int(d.Seconds())))
	case d < time.Hour:
		return i18n.T(ctx, "duration.ms", "M", int(d.Minutes()), "S", int(d.Seconds())%60)
	case d < 24*time.Hour:
		return i18n.T(ctx, "duration.hm", "H", int(d.Hours()), "M", int(d.Minutes())%60)
	}
	return i18n.T(ctx, "duration.dh", "D", int(d.Hours())/24, "H", int(d.Hours())%24)
}

// spanText writes a length of time as it is spoken: "40 seconds", "10 minutes". It is rounded down.
func spanText(ctx context.Context, d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return i18n.N(ctx, "span.seconds", int(d.Seconds()))
	case d < 2*time.Hour:
		return i18n.N(ctx, "span.minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return i18n.N(ctx, "span.hours", int(d.Hours()))
	}
	return i18n.N(ctx, "span.days", int(d.Hours())/24)
}

// elapsed is a cell: a start that ticks while the work runs, the time it took once it ended, or nothing.
func elapsed(ctx context.Context, started, finished time.Time) string {
	switch {
	case started.IsZero():
		return ""
	case finished.IsZero():
		return stamp(started)
	}
	return Elapsed(ctx, finished.Sub(started))
}

// Bytes writes a size with binary units: "15.6 GiB".
func Bytes(n uint64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return strconv.FormatUint(n, 10) + " B"
	}
	v, i := float64(n)/1024, 0
	for v >= 1024 && i < len(units)-1 {
		v /= 1024
		i++
	}
	if v >= 100 {
		return fmt.Sprintf("%.0f %ciB", v, units[i])
	}
	return fmt.Sprintf("%.1f %ciB", v, units[i])
}
