// Package together does in one go what several callers ask for at the same time, as databases do with what is committed
// together: while one go is under way, those that come wait for the next one, which does all of theirs. It knows
// nothing of what is done.
package together

import (
	"context"
	"errors"
	"sync"
)

// Group does things of one kind.
type Group[T any] struct {
	do   func(ctx context.Context, all []T) error
	turn chan struct{} // holds one while somebody does what waits

	mu    sync.Mutex
	queue []*call[T]
}

// call is what one caller wants done.
type call[T any] struct {
	items []T
	done  chan struct{}
	err   error
}

// New returns a Group. do is never called twice at a time. Its context is that of one of the callers, and does not end with it.
func New[T any](do func(ctx context.Context, all []T) error) *Group[T] {
	return &Group[T]{do: do, turn: make(chan struct{}, 1)}
}

// Do returns when the items are done, those of one caller in one go, and the error of that. When a go of several callers
// fails, each has one of its own, so that none fails by what another brought; not when its time is up, which would be
// up as often as there are callers.
func (g *Group[T]) Do(ctx context.Context, items ...T) error {
	c := &call[T]{items: items, done: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, c)
	g.mu.Unlock()
	select {
	case g.turn <- struct{}{}:
		g.doQueue(context.WithoutCancel(ctx))
		<-g.turn
	case <-c.done:
	}
	<-c.done // whoever had the turn last has taken it out of the queue
	return c.err
}

// doQueue does what waits; the caller has the turn.
func (g *Group[T]) doQueue(ctx context.Context) {
	g.mu.Lock()
	calls := g.queue
	g.queue = nil
	g.mu.Unlock()
	if len(calls) == 0 {
		return
	}
	var all []T
	for _, c := range calls {
		all = append(all, c.items...)
	}
	err := g.do(ctx, all)
	for _, c := range calls {
		c.err = err
		if err != nil && len(calls) > 1 && !errors.Is(err, context.DeadlineExceeded) {
			c.err = g.do(ctx, c.items)
		}
		close(c.done)
	}
}
