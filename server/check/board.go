package check

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"sync"

	"hostler/agent/wire"
	"hostler/db"
)

// Board tells how hosts stand after their last checks. To judge ten thousand takes most of a second, and somebody who looks
// through them looks often: how they stand is remembered until a host is checked again, or renamed, or comes or goes, or a warning is accepted.
// Its methods may be called concurrently.
type Board struct {
	db   *db.DB
	seed maphash.Seed

	mu   sync.Mutex
	kept map[uint64]*Standing // by what it was made of
}

// NewBoard is a board of the checks in a database.
func NewBoard(d *db.DB) *Board {
	return &Board{db: d, seed: maphash.MakeSeed(), kept: map[uint64]*Standing{}}
}

// maxKept bounds the standings that are remembered. There is one for each set of hosts that people may know of: all of
// them, and those of each limited account.
const maxKept = 8

// Standing is how each of some hosts ended each check. It never changes.
type Standing struct {
	Last   map[int64]db.HostCheck // by host, without the findings; hosts that were never checked are missing
	states map[int64][]State      // by host
	others *Fleet
}

// Standing is how hosts stand, compared with one another and with nobody else.
func (b *Board) Standing(ctx context.Context, hosts []db.Host) (*Standing, error) {
	last, err := b.db.HostCheckHeads(ctx)
	if err != nil {
		return nil, err
	}
	s := &Standing{Last: make(map[int64]db.HostCheck, len(last))}
	for i := range last {
		s.Last[last[i].HostID] = last[i]
	}
	heads, err := b.db.AcceptedWarningHeads(ctx)
	if err != nil {
		return nil, err
	}
	may := acceptedOf(heads)
	key := b.key(s.Last, may, hosts)
	b.mu.Lock()
	kept := b.kept[key]
	b.mu.Unlock()
	if kept != nil {
		return kept, nil
	}
	found, err := b.findings(ctx, hosts)
	if err != nil {
		return nil, err
	}
	s.others, s.states = Compare(hosts, found), make(map[int64][]State, len(found))
	for i := range hosts {
		if f := found[hosts[i].ID]; f != nil {
			s.states[hosts[i].ID] = states(may.mark(hosts[i].ID, Judge(&hosts[i], f, s.others)))
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.kept) == maxKept {
		clear(b.kept)
	}
	b.kept[key] = s
	return s, nil
}

// key stands for all that verdicts on hosts depend on.
func (b *Board) key(last map[int64]db.HostCheck, may accepted, hosts []db.Host) uint64 {
	var h maphash.Hash
	h.SetSeed(b.seed)
	for i := range hosts {
		one := &hosts[i]
		machine := ""
		if one.Facts != nil {
			machine = one.Facts.MachineID
		}
		for _, text := range []string{one.AgentSN, one.Name, one.FQDN, one.Cluster, machine, last[one.ID].JobID, may.text(one.ID)} {
			_, _ = h.WriteString(text) // hashes take everything
			_ = h.WriteByte(0)
		}
	}
	return h.Sum64()
}

func (b *Board) findings(ctx context.Context, hosts []db.Host) (map[int64]*wire.Findings, error) {
	ids := make([]int64, len(hosts))
	for i := range hosts {
		ids[i] = hosts[i].ID
	}
	rows, err := b.db.HostChecks(ctx, ids)
	found := make(map[int64]*wire.Findings, len(rows))
	for i := range rows {
		found[rows[i].HostID] = rows[i].Findings
	}
	return found, err
}

// Verdicts are those on some of a standing's hosts, in words' codes, by the host's number.
func (b *Board) Verdicts(ctx context.Context, s *Standing, hosts []db.Host) (map[int64][]Verdict, error) {
	found, err := b.findings(ctx, hosts)
	if err != nil {
		return nil, err
	}
	rows, err := b.db.AcceptedWarnings(ctx, slices.Collect(maps.Keys(found)))
	may, verdicts := acceptedOf(rows), make(map[int64][]Verdict, len(found))
	for i := range hosts {
		if f := found[hosts[i].ID]; f != nil {
			verdicts[hosts[i].ID] = may.mark(hosts[i].ID, Judge(&hosts[i], f, s.others))
		}
	}
	return verdicts, err
}

func states(verdicts []Verdict) []State {
	all := make([]State, len(rules))
	for i := range verdicts {
		all[slices.IndexFunc(rules, func(r rule) bool { return r.name == verdicts[i].Check })] = verdicts[i].State
	}
	return all
}

// States are those of a host's checks, in the order of Names: "" where a check told nothing; nil when it was not checked.
func (s *Standing) States(host int64) []State { return s.states[host] }

// Worst is the worst state of a host's checks, for which accepted warnings are well; "" of a host that was not checked.
func (s *Standing) Worst(host int64) State {
	all := s.states[host]
	if all == nil {
		return ""
	}
	worst := slices.MaxFunc(append(all[:len(all):len(all)], Pass), func(a, b State) int { return rank[a] - rank[b] })
	if worst == Accepted {
		return Pass
	}
	return worst
}

// Of is how one check of a host ended; "" when it told nothing.
func (s *Standing) Of(host int64, check string) State {
	i := slices.IndexFunc(rules, func(r rule) bool { return r.name == check })
	if all := s.states[host]; all != nil && i >= 0 {
		return all[i]
	}
	return ""
}
