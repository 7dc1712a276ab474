package agenttest

import (
	"sync"
	"testing"
	"time"

	"hostler/agent/clock"
)

// patience bounds every wait of a test for something that is to happen at once.
const patience = time.Minute

// Clock stands still until the test moves it.
type Clock struct {
	t      testing.TB
	mu     sync.Mutex
	now    time.Time
	timers []*timer
	set    chan time.Duration // every wait that the agent begins
}

type timer struct {
	at   time.Time
	fire chan time.Time
}

// NewClock makes a clock that starts now.
func NewClock(t testing.TB) *Clock {
	return &Clock{t: t, now: time.Now().Round(0), set: make(chan time.Duration, 10_000)}
}

// Clock is what the agent is given.
func (c *Clock) Clock() clock.Clock { return clock.Clock{Now: c.read, After: c.after} }

// Waiting returns the next wait that the agent has begun, waiting for it to do so.
func (c *Clock) Waiting() time.Duration {
	c.t.Helper()
	return Receive(c.t, c.set)
}

// Waits receives every wait that the agent begins.
func (c *Clock) Waits() <-chan time.Duration { return c.set }

// Advance moves the clock and fires what has become due.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	var left []*timer
	for _, timer := range c.timers {
		if timer.at.After(c.now) {
			left = append(left, timer)
			continue
		}
		timer.fire <- c.now
	}
	c.timers = left
}

func (c *Clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *Clock) after(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := &timer{at: c.now.Add(d), fire: make(chan time.Time, 1)}
	if d > 0 {
		c.timers = append(c.timers, timer)
	} else {
		timer.fire <- c.now
	}
	c.set <- d
	return timer.fire
}

// Receive returns the next value of a channel and fails the test when none comes.
func Receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		t.Fatalf("nothing came within %v", patience)
		panic("unreachable")
	}
}

// Eventually returns once the condition holds and fails the test when it does not come to. It is for what
// happens after the last message that a test could wait for.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !condition(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
