// Package testclock is a clock for tests that moves only when it is told to.
package testclock

import (
	"sync"
	"time"
)

// Clock tells the time that a test gave it. It is safe for concurrent use.
type Clock struct {
	mu      sync.Mutex
	at      time.Time
	elapsed time.Duration
}

// New returns a clock that stands at a time.
func New(at time.Time) *Clock { return &Clock{at: at} }

// Now is for constructors that take a clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	c.elapsed += d
}

// Elapsed is how far the clock was advanced. Setting it does not count.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

// Set makes the clock tell another time, as a person or NTP does: no time passes.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}
