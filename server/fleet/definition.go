package fleet

import (
	"context"
	"maps"
	"slices"
	"time"

	"hostler/agent/wire"
	"hostler/db"
)

const (
	// askFor is how long a host is asked, and how long an answer that nobody waited for any more is kept.
	askFor = 5 * time.Minute
	// mostAsked bounds what one host is asked.
	mostAsked = 100
)

// question is one for a child agent's definition.
type question struct {
	asked   time.Duration // when
	waiting int           // who waits for the answer
	answer  *wire.Definition
	done    chan struct{} // closed with the answer
}

// Definition asks a host what its file says of a child agent, has it woken, and waits for the answer until ctx ends. What
// comes later is there for who asks next. Without an answer the error is ctx's, and db.ErrNotFound for what the host does not
// report.
func (f *Fleet) Definition(ctx context.Context, id int64, name string, wake func(int64)) (*wire.Definition, error) {
	q, err := f.ask(ctx, id, name)
	if err != nil {
		return nil, err
	}
	wake(id)
	select {
	case <-q.done:
		return q.answer, nil
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	q.waiting--
	if q.answer != nil {
		return q.answer, nil
	}
	return nil, ctx.Err()
}

func (f *Fleet) ask(ctx context.Context, id int64, name string) (*question, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.find(ctx, id)
	if !ok {
		return nil, db.ErrNotFound
	}
	if _, reported := e.children[name]; !reported {
		return nil, db.ErrNotFound
	}
	now := f.opts.Elapsed()
	maps.DeleteFunc(e.questions, func(_ string, q *question) bool { return now-q.asked > askFor })
	q := e.questions[name]
	switch {
	case q == nil:
		q = &question{done: make(chan struct{})}
		if e.questions == nil {
			e.questions = map[string]*question{}
		}
		if len(e.questions) < mostAsked {
			e.questions[name] = q
		}
	case q.answer != nil:
		delete(e.questions, name) // it is read once: the next one may be another
		return q, nil
	}
	q.asked = now
	q.waiting++
	return q, nil
}

// answered takes a host's answers and returns what it is to be asked; f.mu is held.
func (e *entry) answered(answers []wire.Definition, now time.Duration) (ask []string) {
	for i := range answers {
		q := e.questions[answers[i].Name]
		if q == nil || q.answer != nil {
			continue
		}
		q.answer = &answers[i]
		close(q.done)
		if q.waiting > 0 {
			delete(e.questions, answers[i].Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.questions)) {
		if q := e.questions[name]; q.answer == nil && now-q.asked <= askFor && len(ask) < wire.MaxDefinitions {
			ask = append(ask, name)
		}
	}
	return ask
}
