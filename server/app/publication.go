package app

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
)

// publication publishes the agent's packages in the background. An attempt that failed is made again when
// somebody needs the packages, by all who wait together.
type publication struct {
	publish func(ctx context.Context) error
	log     *slog.Logger

	mu      sync.Mutex
	last    *attempt
	stopped bool
	stop    context.CancelFunc // ends the last attempt
}

// attempt is one try at publishing. err may be read when done is closed.
type attempt struct {
	done chan struct{}
	err  error
}

func (a *attempt) failed() bool {
	select {
	case <-a.done:
		return a.err != nil
	default:
		return false
	}
}

var errStopped = errors.New("the server is stopping")

// wait returns when the packages are published, or why they cannot be.
func (p *publication) wait(ctx context.Context) error {
	a := p.current()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// current is the attempt that counts: a new one at first and after a failure.
func (p *publication) current() *attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil && (!p.last.failed() || p.stopped) {
		return p.last
	}
	a := &attempt{done: make(chan struct{})}
	p.last = a
	if p.stopped {
		a.err = errStopped
		close(a.done)
		return a
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() {
		defer cancel()
		defer close(a.done)
		if a.err = p.publish(ctx); a.err != nil && ctx.Err() == nil {
			p.log.Error("cannot publish the agent's packages; hosts cannot be installed", "err", a.err)
		}
		debug.FreeOSMemory() // packing takes a hundred megabytes that are not needed again
	}()
	return a
}

// close ends the attempt that is under way, and waits for it.
func (p *publication) close() {
	p.mu.Lock()
	p.stopped = true
	a, stop := p.last, p.stop
	p.mu.Unlock()
	if stop != nil {
		stop()
		<-a.done
	}
}
