package check

import (
	"context"
	"slices"
	"strconv"

	"hostler/db"
)

// accepted are the warnings that may stay, by host.
type accepted map[int64][]db.AcceptedWarning

func acceptedOf(rows []db.AcceptedWarning) accepted {
	a := make(accepted, len(rows))
	for _, row := range rows {
		a[row.HostID] = append(a[row.HostID], row)
	}
	return a
}

// mark changes the verdicts on a host that may stay. What fails never may, and neither what is found instead of it.
func (a accepted) mark(host int64, verdicts []Verdict) []Verdict {
	for i := range verdicts {
		v := &verdicts[i]
		is := func(w db.AcceptedWarning) bool { return w.Check == v.Check && w.Code == v.Code }
		if k := slices.IndexFunc(a[host], is); k >= 0 && v.State == Warn {
			v.State, v.Acceptance = Accepted, &a[host][k]
		}
	}
	return verdicts
}

// text stands for what may stay on a host.
func (a accepted) text(host int64) string {
	text := ""
	for _, w := range a[host] {
		text += strconv.Quote(w.Check) + strconv.Quote(w.Code)
	}
	return text
}

// Accept says that what a check warns of on some of a standing's hosts may stay, and tells on which of them it warned. In w
// are the check, the reason and who says so.
func (b *Board) Accept(ctx context.Context, s *Standing, hosts []db.Host, w db.AcceptedWarning) ([]db.Host, error) {
	warned := slices.DeleteFunc(slices.Clone(hosts), func(h db.Host) bool { return s.Of(h.ID, w.Check) != Warn })
	verdicts, err := b.Verdicts(ctx, s, warned)
	if err != nil {
		return nil, err
	}
	var rows []db.AcceptedWarning
	for i := range warned {
		for _, v := range verdicts[warned[i].ID] {
			if v.Check == w.Check && v.State == Warn {
				w.HostID, w.Code = warned[i].ID, v.Code
				rows = append(rows, w)
			}
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return warned, b.db.AcceptWarnings(ctx, rows)
}
