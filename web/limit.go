package web

import (
	"net/netip"
	"sync"
	"time"

	"hostler/internal/network"
)

// limiter bounds how often an address does what is counted: burst times at once, and rate times a second in the long run.
// Addresses of one IPv6 network of 64 bits are one, because whoever has one has all.
type limiter struct {
	now         func() time.Time
	burst, rate float64

	mu      sync.Mutex
	buckets map[netip.Prefix]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func newLimiter(now func() time.Time, burst, rate float64) *limiter {
	return &limiter{now: now, burst: burst, rate: rate, buckets: map[netip.Prefix]bucket{}}
}

// spent says whether an address has used up what it may do now.
func (l *limiter) spent(address netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refilled(network.Of(address)).left < 1
}

// count counts one.
func (l *limiter) count(address netip.Addr) {
	const kept = 100_000
	key := network.Of(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buckets) >= kept {
		clear(l.buckets)
	}
	b := l.refilled(key)
	b.left--
	l.buckets[key] = b
}

// refilled is a bucket as it is now; l.mu is held.
func (l *limiter) refilled(key netip.Prefix) bucket {
	now := l.now()
	b, known := l.buckets[key]
	if !known {
		return bucket{l.burst, now}
	}
	b.left, b.at = min(l.burst, b.left+now.Sub(b.at).Seconds()*l.rate), now
	return b
}
