// Package component holds the small parts that pages are put together from: icons, states, times, form fields,
// empty states. Each is a function of its arguments.
package component

import (
	"context"
	"strconv"
	"time"

	"hostler/ui/i18n"
)

// Age writes how long ago t was, as a browser's Intl.RelativeTimeFormat does in its narrow style, so that the
// text does not jump when the scripts take over. The zero time is never.
func Age(ctx context.Context, t, now time.Time) string {
	if t.IsZero() {
		return i18n.T(ctx, "age.never")
	}
	d, id := now.Sub(t), "age."
	if d < 0 {
		d, id = -d, "age.in_"
	}
	switch {
	case d < time.Minute:
		return i18n.T(ctx, id+"s", "N", int(d.Seconds()))
	case d < time.Hour:
		return i18n.T(ctx, id+"m", "N", int(d.Minutes()))
	case d < 24*time.Hour:
		return i18n.T(ctx, id+"h", "N", int(d.Hours()))
	}
	return i18n.T(ctx, id+"d", "N", int(d.Hours())/24)
}

// Clock is how absolute times are written out, in UTC; scripts rewrite them in the viewer's zone.
func Clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

func iso(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// Input describes one field of a form.
type Input struct {
	Name, Label, Value string
	Type               string // "text" when empty
	Help               string // below the field
	Error              string // what is wrong; marks the field
	Placeholder        string
	Autocomplete       string // "off" when empty
	Required, Focus    bool
	Min, Max, Length   int      // limits of numbers and of the number of characters; 0 for none
	Rows               int      // more than 0 makes a text area
	Options            []Option // some make a list to choose Value from
	Mono               bool     // the value is code
}

// Option is something to choose.
type Option struct{ Value, Label string }

func (f Input) id() string { return "field-" + f.Name }

func (f Input) inputType() string {
	if f.Type == "" {
		return "text"
	}
	return f.Type
}

func (f Input) autocomplete() string {
	if f.Autocomplete == "" {
		return "off"
	}
	return f.Autocomplete
}

// describedBy names what explains the field; the error's element is always there for the scripts to fill.
func (f Input) describedBy() string {
	s := f.id() + "-error"
	if f.Help != "" {
		s = f.id() + "-help " + s
	}
	return s
}

func number(n int) string { return strconv.Itoa(n) }
