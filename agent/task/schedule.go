package task

import "context"

// next marks the jobs that may begin now as running and returns them.
func (r *Runner) next(ctx context.Context) []*item {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	now := r.survey()
	var begin []*item
	for _, it := range r.items {
		if it.running || !now.admits(it, r.Limit) {
			continue
		}
		it.running = true
		now.add(it)
		begin = append(begin, it)
	}
	return begin
}

// survey is what runs, for the question what else may.
type survey struct {
	lanes  map[string]bool // that a job runs in, or an earlier one waits for
	inLane int
	free   int
	bound  int  // jobs that end with the agent's process
	alone  bool // one runs or waits that nothing bound may run beside
}

func (r *Runner) survey() *survey {
	s := &survey{lanes: map[string]bool{}}
	for _, it := range r.items {
		if it.running {
			s.add(it)
		}
	}
	return s
}

func (s *survey) add(it *item) {
	if it.lane == "" {
		s.free++
	} else {
		s.inLane++
		s.lanes[it.lane] = true
	}
	if !it.action.Apart {
		s.bound++
	}
	s.alone = s.alone || it.action.Alone
}

// admits says whether a job may begin now. It is asked in the order of arrival, so a job that has to wait holds up
// those behind it in its lane.
func (s *survey) admits(it *item, limit int) bool {
	if it.lane != "" {
		if s.lanes[it.lane] {
			return false
		}
		s.lanes[it.lane] = true
		if s.inLane >= limit {
			return false
		}
	} else if s.free >= limit {
		return false
	}
	if it.action.Alone && s.bound > 0 {
		s.alone = true
		return false
	}
	return !s.alone || it.action.Apart
}
