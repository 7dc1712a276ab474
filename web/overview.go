package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/fleet"
	"hostler/ui/page"
)

// Lengths of the overview's lists.
const (
	overviewHosts      = 10
	overviewOperations = 20 // looked at; the ones in want of attention or running are shown
	overviewEvents     = 10
)

// overviewPage is GET /.
func (w *Web) overviewPage(c *gin.Context) error {
	ctx := c.Request.Context()
	events, err := w.DB.Events(ctx, db.EventQuery{Limit: overviewEvents})
	if err != nil {
		return err
	}
	drafts, err := w.DB.OpenDrafts(ctx)
	if err != nil {
		return err
	}
	ops, err := w.DB.Operations(ctx, 0, overviewOperations)
	if err != nil {
		return err
	}
	sums, err := w.Engine.SummariseAll(ctx, ops)
	if err != nil {
		return err
	}
	v := page.OverviewView{
		Frame: w.frame(c), Counts: hostCounts(w.Fleet.Counts(ctx)), Troubled: w.troubled(ctx), Events: w.eventViews(ctx, events),
		Drafts: w.draftViews(drafts), Operations: len(ops) > 0,
	}
	for _, s := range sums {
		switch {
		case s.State == db.Running || s.State == db.Pending:
			v.Running = append(v.Running, operationView(s))
		case s.Counts[db.Waiting]+s.Counts[db.Failed] > 0:
			v.Stuck = append(v.Stuck, operationView(s))
		}
	}
	return show(c, http.StatusOK, page.OverviewPage(v))
}

// troubled are the first of the hosts that need somebody, worst first.
func (w *Web) troubled(ctx context.Context) []page.Host {
	hosts := w.Fleet.Select(ctx, func(h *db.Host) bool { return h.State == db.HostLost || h.State == db.HostUnhealthy })
	slices.SortStableFunc(hosts, func(a, b fleet.Host) int {
		return cmp.Compare(slices.Index(db.HostStates, a.State), slices.Index(db.HostStates, b.State))
	})
	return w.hostViews(hosts[:min(len(hosts), overviewHosts)])
}
