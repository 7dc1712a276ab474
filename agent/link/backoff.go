package link

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

// Jitter returns a random duration from 0 to most.
func Jitter(most time.Duration) time.Duration {
	var random [8]byte
	_, _ = rand.Read(random[:]) // by its documentation it never fails
	return time.Duration(binary.NativeEndian.Uint64(random[:]) % uint64(most+1))
}

// Backoff gives growing, jittered waits between attempts. The jitter keeps thousands of agents that lost
// their server in the same second from coming back in the same second.
type Backoff struct {
	First time.Duration // upper bound of the first wait
	Max   time.Duration // upper bound of every wait

	next time.Duration
}

// Next returns how long to wait now: between half the current bound and the bound, which then doubles.
func (b *Backoff) Next() time.Duration {
	bound := min(max(b.next, b.First), b.Max)
	b.next = bound * 2
	return bound/2 + Jitter(bound/2)
}

// After returns how long to wait after err: what the server asked for, spread by up to a quarter, or Next.
func (b *Backoff) After(err error) time.Duration {
	wait := b.Next()
	if refusal, ok := AsRefusal(err); ok && refusal.RetryAfter > 0 {
		return refusal.RetryAfter + Jitter(refusal.RetryAfter/4)
	}
	return wait
}

// Reset makes the next wait a first one again.
func (b *Backoff) Reset() { b.next = 0 }
