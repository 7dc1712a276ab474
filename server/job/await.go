package job

import (
	"context"
	"errors"
	"time"

	"hostler/db"
)

// lookEvery is how long Await trusts the bus to tell of every change.
const lookEvery = 30 * time.Second

// Await returns a job once enough accepts it, or ctx's error; db.ErrNotFound once the job is gone with its host.
func (q *Queue) Await(ctx context.Context, id string, enough func(*db.Job) bool) (*db.Job, error) {
	changed := make(chan struct{}, 1)
	q.mu.Lock()
	if q.waits[id] == nil {
		q.waits[id] = map[chan struct{}]struct{}{}
	}
	q.waits[id][changed] = struct{}{}
	q.mu.Unlock()
	defer q.forget(id, changed)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		j, err := q.db.Job(ctx, id)
		if err == nil && enough(j) {
			return j, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.Is(err, db.ErrNotFound) {
			return nil, err
		}
		if err != nil {
			q.log.Warn("cannot look at a job; trying again", "job", id, "err", err)
		}
		select {
		case <-changed:
		case <-look.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *Queue) forget(id string, changed chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waits[id], changed)
	if len(q.waits[id]) == 0 {
		delete(q.waits, id)
	}
}

// notify wakes those who wait for a job.
func (q *Queue) notify(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for changed := range q.waits[id] {
		nudge(changed)
	}
}

// Forget has those who wait for jobs of a host look again, because it is gone with all of them.
func (q *Queue) Forget(hostID int64) {
	q.mu.Lock()
	delete(q.open, hostID)
	q.mu.Unlock()
	q.notifyAll()
}

// notifyAll wakes all who wait, because messages were lost.
func (q *Queue) notifyAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, waiting := range q.waits {
		for changed := range waiting {
			nudge(changed)
		}
	}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
