package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
)

func TestPublicationIsTriedAgain(t *testing.T) {
	full := errors.New("no space left on device")
	results := make(chan error)
	p := &publication{log: slog.New(slog.DiscardHandler), publish: func(context.Context) error { return <-results }}
	defer p.close()
	p.current() // as at the server's start

	const hosts = 5
	ask := func() (all *sync.WaitGroup, errs []error) {
		all, errs = &sync.WaitGroup{}, make([]error, hosts)
		for i := range errs {
			all.Go(func() { errs[i] = p.wait(t.Context()) })
		}
		return all, errs
	}
	all, errs := ask()
	results <- full
	for range errs { // those who ask only after the failure make the next attempt, one for all
		select {
		case results <- full:
		case <-waited(all):
		}
	}
	all.Wait()
	for _, err := range errs {
		if !errors.Is(err, full) {
			t.Errorf("a host that waits is told %v", err)
		}
	}
	all, errs = ask()
	results <- nil
	all.Wait()
	for _, err := range errs {
		if err != nil {
			t.Errorf("after a second attempt a host is told %v", err)
		}
	}
	if err := p.wait(t.Context()); err != nil { // nothing is published any more: this would wait for ever
		t.Error(err)
	}
}

// waited is closed when all have an answer.
func waited(all *sync.WaitGroup) <-chan struct{} {
	done := make(chan struct{})
	go func() { defer close(done); all.Wait() }()
	return done
}

func TestPublicationEnds(t *testing.T) {
	p := &publication{log: slog.New(slog.DiscardHandler), publish: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	p.current()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.wait(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("a task that is canceled gets %v", err)
	}
	p.close()
	if err := p.wait(t.Context()); err == nil {
		t.Error("the packages are published although nobody did")
	}
	unused := &publication{}
	unused.close()
	if err := unused.wait(t.Context()); !errors.Is(err, errStopped) {
		t.Errorf("after the end: %v", err)
	}
}

// TestPublicationFollowsChanges tells of a change while something is published, and afterwards.
func TestPublicationFollowsChanges(t *testing.T) {
	begun, results := make(chan struct{}), make(chan error)
	p := &publication{log: slog.New(slog.DiscardHandler), publish: func(ctx context.Context) error {
		select {
		case begun <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		return <-results
	}}
	p.anew() // nothing has been published yet
	<-begun
	p.anew()
	p.anew() // both by one more attempt
	results <- nil
	<-begun
	results <- nil
	if err := p.wait(t.Context()); err != nil {
		t.Error(err)
	}
	p.anew()
	<-begun
	p.anew()
	close(results)
	<-begun
	p.close()
	p.anew()
	if err := p.wait(t.Context()); !errors.Is(err, errStopped) && err != nil {
		t.Error(err)
	}
}
