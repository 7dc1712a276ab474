package web

import (
	"testing"
	"time"

	"hostler/db"
)

func TestBeatViews(t *testing.T) {
	const step = 10 * time.Second
	now := db.Now()
	ago := func(seconds ...int) (beats []time.Time) {
		for _, s := range seconds {
			beats = append(beats, now.Add(-time.Duration(s)*time.Second))
		}
		return beats
	}
	for name, c := range map[string]struct {
		beats []time.Time
		want  string // of the last six slots of 20 s: what is not known, missed, seen
	}{
		"a new host":        {ago(35, 25, 15, 5), "????ss"},
		"a missed interval": {ago(95, 85, 75, 30, 10), "?ssmss"},
		"a host that ended": {ago(115, 105), "smmmmm"},
		"one long gone":     {ago(3600), "mmmmmm"},
	} {
		beats, slot := beatViews(c.beats, step, now)
		if len(beats) != beatSlots || slot != 2*step {
			t.Fatalf("%s: %d slots of %s", name, len(beats), slot)
		}
		got := ""
		for _, b := range beats[beatSlots-6:] {
			switch {
			case b.Seen:
				got += "s"
			case b.Known:
				got += "m"
			default:
				got += "?"
			}
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	if beats, _ := beatViews(nil, step, now); beats != nil {
		t.Error("a host that never beat has a strip")
	}
}
