package trust

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
)

// Topic is where revoked certificates are published: []db.Denial.
const Topic = "certificate.revoked"

// rereadEach bounds how long a server that missed a message goes on serving a revoked certificate.
const rereadEach = time.Minute

// denyList holds the certificates that are refused although they have not expired. It is asked with every request, so it
// is in memory.
type denyList struct {
	mu       sync.RWMutex
	until    map[string]time.Time // by serial number; when the certificate expires
	watchers map[int]func(serials []string)
	counter  int // of watchers' keys
}

func newDenyList() *denyList {
	return &denyList{until: map[string]time.Time{}, watchers: map[int]func([]string){}}
}

func (l *denyList) has(serial string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, denied := l.until[serial]
	return denied
}

func (l *denyList) size() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.until)
}

// add takes what is new on the list and tells the watchers of that.
func (l *denyList) add(ds []db.Denial) {
	l.mu.Lock()
	var serials []string
	for _, d := range ds {
		if _, known := l.until[d.Serial]; !known {
			serials = append(serials, d.Serial)
		}
		l.until[d.Serial] = d.NotAfter
	}
	l.mu.Unlock()
	l.tell(serials)
}

// tell tells the watchers of certificates that are refused from now on.
func (l *denyList) tell(serials []string) {
	l.mu.RLock()
	watchers := make([]func([]string), 0, len(l.watchers))
	for _, fn := range l.watchers {
		watchers = append(watchers, fn)
	}
	l.mu.RUnlock()
	if len(serials) == 0 {
		return
	}
	for _, fn := range watchers {
		fn(serials)
	}
}

// drop forgets what has expired: TLS refuses that by itself.
func (l *denyList) drop(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for serial, until := range l.until {
		if until.Before(now) {
			delete(l.until, serial)
		}
	}
}

// OnRevoked calls fn, which must not block, with the serial numbers of certificates that were just revoked, here or by
// another server, or whose authority is no longer trusted. They are refused already then. cancel ends that.
func (c *CA) OnRevoked(fn func(serials []string)) (cancel func()) {
	l := c.denied
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counter++
	key := l.counter
	l.watchers[key] = fn
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, key)
	}
}

// CheckRevoked refuses a certificate's serial number, in hex, by a *wire.Error when the certificate was revoked. It costs
// no query.
func (c *CA) CheckRevoked(serial string) error {
	if c.denied.has(serial) {
		return errRevoked()
	}
	return nil
}

// Denied counts the certificates that are refused although they have not expired.
func (c *CA) Denied() int { return c.denied.size() }

func errRevoked() error {
	return &wire.Error{Code: "certificate_revoked", Message: "this certificate was revoked", Hint: "enrol the host again"}
}

// reread takes from the database what was revoked.
func (c *CA) reread(ctx context.Context) error {
	now := c.now()
	ds, err := c.db.Denials(ctx, now)
	if err != nil {
		return err
	}
	c.denied.add(ds)
	c.denied.drop(now.Add(-backdate)) // another server's clock may be behind
	return nil
}

// Follow takes over what other servers revoke, as soon as they say so on the bus, and tells them what this one revokes.
// Call it before anything is served; stop ends it.
func (c *CA) Follow(ctx context.Context, bus *event.Bus, log *slog.Logger) (stop func(), err error) {
	unsubscribe, err := bus.Subscribe(Topic, func(_ string, payload []byte) {
		var ds []db.Denial
		if err := json.Unmarshal(payload, &ds); err != nil {
			log.Error("cannot read which certificates were revoked", "err", err)
			return
		}
		c.denied.add(ds)
	})
	if err != nil {
		return nil, err
	}
	// What was revoked before the subscription was told to nobody here.
	if err := c.reread(ctx); err != nil {
		unsubscribe()
		return nil, err
	}
	c.publish = func(ds []db.Denial) { bus.Publish(Topic, ds) }
	lapsed := make(chan struct{}, 1)
	ended := bus.OnLapse(func() {
		select {
		case lapsed <- struct{}{}:
		default:
		}
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); c.keepReading(ctx, lapsed, log) }()
	return func() { unsubscribe(); ended(); cancel(); <-done }, nil
}

// keepReading reads the database again when messages were lost, and from time to time in any case.
func (c *CA) keepReading(ctx context.Context, lapsed <-chan struct{}, log *slog.Logger) {
	tick := time.NewTicker(rereadEach)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-lapsed:
		case <-ctx.Done():
			return
		}
		if err := c.reread(ctx); err != nil && ctx.Err() == nil {
			log.Error("cannot read which certificates were revoked", "err", err)
		}
	}
}
