package supervise

import (
	"context"
	"errors"
	"sync"
)

// Halt stops all child agents, because the host is shutting down: each after those that are started after it, with its own
// signal and its own time to end, and what does not depend on each other at once. Nothing is started any more. What ran is
// started again when an agent comes. It returns when all have ended, or ctx does.
func (s *Supervisor) Halt(ctx context.Context) error {
	after := s.order()
	gone := make(map[string]chan struct{}, len(after))
	for name := range after {
		gone[name] = make(chan struct{})
	}
	// dependents are those that must be gone before.
	dependents := map[string][]chan struct{}{}
	for name, before := range after {
		for _, b := range before {
			dependents[b] = append(dependents[b], gone[name])
		}
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for name := range after {
		all.Go(func() {
			defer close(gone[name])
			for _, d := range dependents[name] {
				select {
				case <-d:
				case <-ctx.Done():
				}
			}
			err := s.ask(ctx, name, request{kind: halt})
			if errors.Is(err, ErrNoChild) {
				return // it is gone already
			}
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
		})
	}
	all.Wait()
	return failed
}

// order tells of each child agent after which others it is started. It has no circles: those are refused as definitions,
// and of definitions that came one after another those that would make one are left out.
func (s *Supervisor) order() map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := loaded{definitions: map[string]*Definition{}, problems: map[string]error{}}
	for name, c := range s.children {
		if c.sent != nil {
			l.definitions[name] = c.sent
		}
	}
	l.refuseCycles()
	after := make(map[string][]string, len(s.children))
	for name := range s.children {
		after[name] = nil
		if d := l.definitions[name]; d != nil {
			after[name] = d.After
		}
	}
	return after
}
