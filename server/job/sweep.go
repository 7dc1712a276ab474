package job

import (
	"context"
	"errors"

	"hostler/db"
)

// sweepBatch bounds how many jobs one query looks at.
const sweepBatch = 500

// Sweep ends the jobs whose time is over. name finds a host's name.
func (q *Queue) Sweep(ctx context.Context, name func(ctx context.Context, hostID int64) string) error {
	return errors.Join(q.expire(ctx, name), q.lose(ctx, name))
}

// expire ends jobs that did not reach their host in time.
func (q *Queue) expire(ctx context.Context, name func(ctx context.Context, hostID int64) string) error {
	for {
		jobs, err := q.db.ExpiredJobs(ctx, q.now(), sweepBatch)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			ended, err := q.db.ExpireJob(ctx, j.ID, "the host did not report in time: the job did not run", q.now())
			if err != nil {
				return err
			}
			if ended {
				if err := q.swept(ctx, j.ID, name); err != nil {
					return err
				}
			}
		}
		if len(jobs) < sweepBatch {
			return nil
		}
	}
}

// lose gives up jobs that reached their host and gave no result in time. A job that its agent still names is not lost,
// however long it takes; and a server that was down itself first listens for a while.
func (q *Queue) lose(ctx context.Context, name func(ctx context.Context, hostID int64) string) error {
	now := q.now()
	if now.Sub(q.begun) < grace {
		return nil
	}
	for {
		jobs, err := q.db.OverdueJobs(ctx, now, sweepBatch)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if now.Sub(q.namedSince(j.HostID, j.ID)) < grace {
				err = q.db.ExtendJob(ctx, j.ID, now.Add(grace))
			} else {
				err = q.giveUp(ctx, &j, name)
			}
			if err != nil {
				return err
			}
		}
		if len(jobs) < sweepBatch {
			return nil
		}
	}
}

func (q *Queue) giveUp(ctx context.Context, j *db.Job, name func(ctx context.Context, hostID int64) string) error {
	lost, err := q.db.LoseJob(ctx, j.ID, "no result came in time: nobody knows how the job ended", q.now())
	if err != nil || !lost {
		return err
	}
	return q.swept(ctx, j.ID, name)
}

func (q *Queue) swept(ctx context.Context, id string, name func(ctx context.Context, hostID int64) string) error {
	j, err := q.db.Job(ctx, id)
	if err != nil {
		return err
	}
	q.ended(ctx, []ending{{job: j}}, name(ctx, j.HostID))
	return nil
}
