package db

import (
	"context"
	"time"
)

// JobQuery filters and pages jobs, newest first.
type JobQuery struct {
	HostID      int64 // 0 for all
	OperationID int64
	State       JobState
	Action      string
	Before      string // ids below this; "": from the newest
	Limit       int    // rows; 0 means 50, at most 501
}

// Jobs reads one page, without payloads.
func (d *DB) Jobs(ctx context.Context, q JobQuery) ([]Job, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 50
	}
	g := d.read(ctx).Omit("payload").Order("id DESC").Limit(min(limit, 501))
	if q.HostID != 0 {
		g = g.Where("host_id = ?", q.HostID)
	}
	if q.OperationID != 0 {
		g = g.Where("operation_id = ?", q.OperationID)
	}
	if q.State != "" {
		g = g.Where("state = ?", q.State)
	}
	if q.Action != "" {
		g = g.Where("action = ?", q.Action)
	}
	if q.Before != "" {
		g = g.Where("id < ?", q.Before)
	}
	var js []Job
	return js, translate("read jobs", g.Find(&js).Error)
}

// CountJobsOf counts the jobs of a host by state.
func (d *DB) CountJobsOf(ctx context.Context, hostID int64) (map[JobState]int, error) {
	var counts []JobCount
	err := d.read(ctx).Model(&Job{}).Select("state, COUNT(*) AS n").Where("host_id = ?", hostID).Group("state").Scan(&counts).Error
	states := map[JobState]int{}
	for _, c := range counts {
		states[c.State] = c.N
	}
	return states, translate("count jobs", err)
}

// JobCount is how many jobs of an action are in a state.
type JobCount struct {
	Action string
	State  JobState
	N      int
}

// CountOpenJobs counts the jobs without a result.
func (d *DB) CountOpenJobs(ctx context.Context) ([]JobCount, error) {
	var counts []JobCount
	err := d.read(ctx).Model(&Job{}).Select("action, state, COUNT(*) AS n").Where("state IN ?", openJobs).
		Group("action, state").Scan(&counts).Error
	return counts, translate("count jobs", err)
}

// Outcome is a group of an operation's jobs that ended alike, or are in the same state.
type Outcome struct {
	State      JobState
	ErrCode    int
	ExitCode   *int
	OutputHash string
	Count      int
	Jobs       []OutcomeJob `gorm:"-"` // the first of them
}

// OutcomeJob is one job of an Outcome.
type OutcomeJob struct {
	ID      string
	HostID  int64
	TaskID  *int64
	Host    string
	Message string
}

// Outcomes groups the jobs that count of an operation by how they ended, each group with at most hosts of its jobs. Of
// more than groups groups only the largest are told; rest is how many jobs the others have.
func (d *DB) Outcomes(ctx context.Context, operationID int64, groups, hosts int) (all []Outcome, rest int, err error) {
	if LimitOf(ctx) != "" { // whose operation it is sees all of its hosts
		if _, err := d.Operation(ctx, operationID); err != nil {
			return nil, 0, err
		}
		ctx = WithLimit(ctx, "")
	}
	const alike = "state, err_code, exit_code, output_hash"
	var rows []struct {
		Outcome
		OutcomeJob
	}
	err = d.read(ctx).Raw("SELECT g.*, hosts.name AS host, jobs.message AS message FROM ("+
		"SELECT id, host_id, task_id, "+alike+", COUNT(*) OVER (PARTITION BY "+alike+") AS count, "+
		"ROW_NUMBER() OVER (PARTITION BY "+alike+" ORDER BY id) AS place "+
		"FROM jobs WHERE operation_id = ? AND superseded = ?) g "+
		"JOIN jobs ON jobs.id = g.id JOIN hosts ON hosts.id = g.host_id WHERE g.place <= ? "+
		"ORDER BY g.count DESC, g.state, g.err_code, g.exit_code, g.output_hash, g.id", operationID, false, hosts).Scan(&rows).Error
	if err != nil {
		return nil, 0, translate("group an operation's jobs", err)
	}
	for _, r := range rows {
		if n := len(all); n > 0 && all[n-1].alike(r.Outcome) {
			all[n-1].Jobs = append(all[n-1].Jobs, r.OutcomeJob)
			continue
		}
		r.Jobs = []OutcomeJob{r.OutcomeJob}
		all = append(all, r.Outcome)
	}
	for len(all) > groups {
		rest += all[len(all)-1].Count
		all = all[:len(all)-1]
	}
	return all, rest, nil
}

// OutcomeHosts are the hosts of one group of Outcomes.
func (d *DB) OutcomeHosts(ctx context.Context, operationID int64, group Outcome) ([]int64, error) {
	g := d.read(ctx).Model(&Job{}).Where("operation_id = ? AND superseded = ? AND state = ? AND err_code = ? AND output_hash = ?",
		operationID, false, group.State, group.ErrCode, group.OutputHash)
	if group.ExitCode == nil {
		g = g.Where("exit_code IS NULL")
	} else {
		g = g.Where("exit_code = ?", *group.ExitCode)
	}
	var ids []int64
	return ids, translate("read the hosts of a group", g.Pluck("host_id", &ids).Error)
}

func (o *Outcome) alike(other Outcome) bool {
	return o.State == other.State && o.ErrCode == other.ErrCode && o.OutputHash == other.OutputHash &&
		(o.ExitCode == nil) == (other.ExitCode == nil) && (o.ExitCode == nil || *o.ExitCode == *other.ExitCode)
}

// DeleteJobsBefore removes at most limit jobs that ended before a time, with their output, the oldest first, and says
// how many. Jobs of operations that have not ended stay.
func (d *DB) DeleteJobsBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	var ids []string
	err := d.read(ctx).Model(&Job{}).Select("jobs.id").
		Joins("LEFT JOIN operations ON operations.id = jobs.operation_id").
		Where("jobs.finished_at < ? AND jobs.state NOT IN ?", before, openJobs).
		Where("jobs.operation_id IS NULL OR operations.finished_at IS NOT NULL").
		Order("jobs.finished_at").Limit(limit).Pluck("jobs.id", &ids).Error
	if err != nil || len(ids) == 0 {
		return 0, translate("find old jobs", err)
	}
	// Output goes with its job, and there may be many chunks of it.
	g := d.write(ctx).Where("id IN ?", ids).Delete(&Job{})
	return g.RowsAffected, translate("delete old jobs", g.Error)
}
