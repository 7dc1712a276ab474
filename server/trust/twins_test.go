package trust

import (
	"strings"
	"testing"
	"time"
)

func TestTwins(t *testing.T) {
	for what, test := range map[string]struct {
		beats string // each letter is a process
		every time.Duration
		want  string // those that are found to be copies
	}{
		"one process":                          {"AAAAAAAA", time.Second, ""},
		"started anew again and again":         {"AABBCCDDEEFFGGHHIIJJKKLL", time.Second, ""},
		"a message that came late":             {"AABABBBB", time.Second, ""},
		"two that came late":                   {"AABABBCBCC", time.Second, ""},
		"late ones far apart":                  {"ABABABABABAB", 11 * time.Minute, ""},
		"two in turn":                          {"ABABAB", time.Second, "B"},
		"the original was started anew before": {"AABBCBCBCB", time.Second, "C"},
		"three in turn":                        {"ABCABCABC", time.Second, "BC"},
		"the copy's step is longer":            {"AAABAAABAAABAAAB", time.Minute, "B"},
		"the original is the later process":    {"BABABA", time.Second, "A"}, // nobody can know
	} {
		now, found := time.Unix(1_800_000_000, 0), ""
		hosts := &twins{hosts: map[string]*lives{}}
		for _, instance := range strings.Split(test.beats, "") {
			now = now.Add(test.every)
			hosts.note("other", "A", now)
			if hosts.note("host", instance, now) && !strings.Contains(found, instance) {
				found += instance
			}
		}
		if found != test.want {
			t.Errorf("%s: found %q, want %q", what, found, test.want)
		}
	}
}
