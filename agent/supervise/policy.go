package supervise

import (
	"fmt"
	"slices"
	"time"
)

// Policy says whether and when a child agent that has ended is started again.
type Policy struct {
	Kind     string        // "document", "fast" or "never"
	Check    time.Duration // document: restarts fall on multiples of this since the agent looks after the child
	HoldOff  time.Duration // document: none sooner after the end than this
	First    time.Duration // fast: wait before the second restart in a row; the first has none, each later one doubles it
	Most     time.Duration // fast: bounds that wait
	Stable   time.Duration // who runs that long has no strikes any more
	Strikes  int           // more in a row than this are fatal; 0 of "fast" stands for any number
	Expected []int         // exit statuses that are no failure; such a child is not started again by itself
}

// documentPolicy is that of the BootAgent document: a check every minute, no restart for three minutes after a failure, a
// failure within fifteen minutes is a strike, and more than three of them in a row are fatal.
func documentPolicy() Policy {
	return Policy{
		Kind: "document", Check: time.Minute, HoldOff: 3 * time.Minute, Stable: 15 * time.Minute, Strikes: 3, Expected: []int{0},
	}
}

func parsePolicy(text string) (Policy, error) {
	p := documentPolicy()
	switch text {
	case "document", "never":
		p.Kind = text
	case "fast":
		p = Policy{Kind: text, First: 100 * time.Millisecond, Most: 30 * time.Second, Stable: 10 * time.Second, Expected: []int{0}}
	default:
		return p, fmt.Errorf("must be document, fast or never, not %.40q", text)
	}
	return p, nil
}

// expects says whether an exit status is no failure.
func (p *Policy) expects(code *int) bool { return code != nil && slices.Contains(p.Expected, *code) }

// fatal says whether that many strikes in a row are too many.
func (p *Policy) fatal(strikes int) bool {
	return strikes > p.Strikes && (p.Kind != "fast" || p.Strikes > 0)
}

// wait is how long after a failure the next start is, when the agent has looked after the child for that long.
func (p *Policy) wait(strikes int, watched time.Duration) time.Duration {
	if p.Kind == "fast" {
		if strikes <= 1 {
			return 0
		}
		return min(p.Most, p.First<<min(strikes-2, 20))
	}
	if p.Check <= 0 {
		return p.HoldOff
	}
	due := watched + p.HoldOff
	check := due.Truncate(p.Check)
	if check < due {
		check += p.Check
	}
	return check - watched
}
