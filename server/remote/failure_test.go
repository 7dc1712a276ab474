package remote

import (
	"maps"
	"regexp"
	"slices"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
)

// TestEveryOutcomeHasItsText holds the tables against each other and against the protocol.
func TestEveryOutcomeHasItsText(t *testing.T) {
	for _, code := range slices.Concat(slices.Collect(maps.Values(ended)), slices.Collect(maps.Values(failed))) {
		if _, ok := texts[code]; !ok {
			t.Errorf("%s has no text", code)
		}
	}
	for code, text := range texts {
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(code) || text.cause == "" || text.hint == "" {
			t.Errorf("code %q: %+v", code, text)
		}
	}
	// Those of the protocol that have a state of their own are told by it; ErrCodeFailed is told by its message.
	for code := wire.ErrCodeOK; code <= wire.ErrCodeRolledBack; code++ {
		_, byCode := failed[code]
		if byCode == (db.JobOutcome(code) != db.JobFailed || code == wire.ErrCodeFailed) {
			t.Errorf("error code %d is told twice, or not at all", code)
		}
	}
	for _, s := range db.JobStates {
		if _, told := ended[s]; told == (!s.Ended() || s == db.JobSucceeded || s == db.JobFailed) {
			t.Errorf("state %s is told wrongly", s)
		}
	}
}
