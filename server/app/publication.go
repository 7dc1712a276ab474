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
	again   bool // the attempt under way is to be followed by another one, as what it publishes has changed
	stopped bool
	stop    context.CancelFunc // ends the last attempt
}

// attempt is one try at publishing. err may be read when done is closed.
type attempt struct {
	done chan struct{}
	err  error
}

func (a *attempt) failed() bool { return a.ended() && a.err != nil }

func (a *attempt) ended() bool {
	select {
	case <-a.done:
		return true
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
	return p.start()
}

// anew publishes once more: something has changed that what is published depends on.
func (p *publication) anew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil || p.last.ended() {
		p.start()
	} else {
		p.again = true
	}
}

// start begins an attempt. p.mu is held.
func (p *publication) start() *attempt {
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
		for more := true; more; more = !p.end(a, ctx.Err() != nil) {
			if a.err = p.publish(ctx); a.err != nil && ctx.Err() == nil {
				p.log.Error("cannot publish the agent's packages; hosts cannot be installed", "err", a.err)
			}
			debug.FreeOSMemory() // packing takes a hundred megabytes that are not needed again
		}
	}()
	return a
}

// end ends an attempt, unless it is to publish once more.
func (p *publication) end(a *attempt, stopped bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	again := p.again && !stopped
	p.again = false
	if !again {
		close(a.done)
	}
	return !again
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
