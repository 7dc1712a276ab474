// Package clock is the agent's view of time, so that tests decide when an hour has passed.
//
// It never looks at the wall clock on its own account; whoever needs time is given a Clock.
package clock

import "time"

// Clock tells the time and waits.
type Clock struct {
	Now   func() time.Time
	After func(d time.Duration) <-chan time.Time // fires once, d from now
}

// Real is the machine's clock.
func Real() Clock {
	return Clock{Now: time.Now, After: time.After}
}
