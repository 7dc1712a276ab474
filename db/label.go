package db

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Labels are what a host is grouped by: "rack" is "/r7", "service" is "ecs". A label without a value has "". Hosts get
// them with the token or the list of hosts that they came by; in the database and on the wire they are the host's
// tags, "component,rack=/r7".
type Labels map[string]string

// MaxLabels is how long the labels of one host may be, written as tags, in bytes.
const MaxLabels = 255

// LabelRack is the label that says where a host stands.
const LabelRack = "rack"

// ParseLabels reads tags. What is no label, as in tags that somebody else's program gave, is left out.
func ParseLabels(tags string) Labels {
	l := Labels{}
	for tag := range strings.SplitSeq(tags, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(tag), "=")
		if CheckLabel(name, value) == nil {
			l[name] = value
		}
	}
	return l
}

// String writes labels as tags, sorted.
func (l Labels) String() string {
	tags := make([]string, 0, len(l))
	for _, name := range slices.Sorted(maps.Keys(l)) {
		tag := name
		if l[name] != "" {
			tag += "=" + l[name]
		}
		tags = append(tags, tag)
	}
	return strings.Join(tags, ",")
}

// Match reports whether every label of want is there with the same value.
func (l Labels) Match(want Labels) bool {
	for name, value := range want {
		if got, ok := l[name]; !ok || got != value {
			return false
		}
	}
	return true
}

// With is l with the labels of more in it, which win.
func (l Labels) With(more Labels) Labels {
	all := Labels{}
	maps.Copy(all, l)
	maps.Copy(all, more)
	return all
}

var (
	labelName  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$`)
	labelValue = regexp.MustCompile(`^[A-Za-z0-9._/:+@-]{0,63}$`)
)

// CheckLabel says what is wrong with one label.
func CheckLabel(name, value string) error {
	switch {
	case !labelName.MatchString(name):
		return fmt.Errorf("%q is no name of a label: it has up to 63 letters, digits and . _ / -, and begins and ends with a letter or digit", name)
	case !labelValue.MatchString(value):
		return fmt.Errorf("%q is no value of a label: it has up to 63 letters, digits and . _ / : + @ -", value)
	}
	return nil
}

// Labels are what the host is grouped by.
func (h *Host) Labels() Labels { return ParseLabels(h.Tags) }
