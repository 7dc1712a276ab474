package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/fleet"
	"hostler/ui/page"
)

// Lengths of the lists on a host's page.
const (
	hostJobs   = 20
	hostEvents = 20
)

// hostPage is GET /hosts/{id}.
func (w *Web) hostPage(c *gin.Context) error { return w.showHost(c, http.StatusOK, nil) }

func (w *Web) showHost(c *gin.Context, status int, fields map[string]string) error {
	h, err := w.host(c)
	if err != nil {
		return err
	}
	filter := hostFilterOf(c)
	r, err := w.recordsOf(c, h, filter)
	if err != nil {
		return err
	}
	records, err := w.tally(c, h.ID, filter)
	if err != nil {
		return err
	}
	view := w.hostView(h)
	view.CertIssued, view.CertExpires = at(r.issued), at(r.expires)
	beats, slot := beatViews(h.Beats, w.Fleet.StepOf(h), w.Options.Now())
	return show(c, status, page.HostPage(page.HostView{
		Frame: w.frame(c), Host: view, Facts: factsView(h.Facts), Beats: beats, BeatSlot: slot,
		Children: childViews(h.Children), Jobs: w.jobViews(c.Request.Context(), r.jobs), Events: w.eventViews(c.Request.Context(), r.events),
		DefaultStep: int(w.Options.Step / time.Second), Fields: fields,
		Filter: records,
	}))
}

// hostRecords is what the database knows of a host beside the host itself.
type hostRecords struct {
	jobs    []db.Job
	events  []db.Event
	issued  *time.Time // begin of its certificate; nil when it has none
	expires *time.Time // its end
}

// hostFilter narrows the lists on a host's page down; "" for all. What is no state, severity or kind leaves nothing.
type hostFilter struct {
	job      db.JobState
	severity db.Severity
	kind     string // the first word of kinds
}

func hostFilterOf(c *gin.Context) hostFilter {
	return hostFilter{db.JobState(c.Query("job_state")), db.Severity(c.Query("severity")), c.Query("kind")}
}

func (w *Web) recordsOf(c *gin.Context, h fleet.Host, f hostFilter) (r hostRecords, err error) {
	ctx := c.Request.Context()
	if r.jobs, err = w.DB.Jobs(ctx, db.JobQuery{HostID: h.ID, State: f.job, Limit: hostJobs}); err != nil {
		return r, err
	}
	events := db.EventQuery{HostID: h.ID, Severity: f.severity, Kind: f.kind, Limit: hostEvents}
	if r.events, err = w.DB.Events(ctx, events); err != nil {
		return r, err
	}
	certificate, err := w.DB.CurrentCertificate(ctx, h.AgentSN)
	if errors.Is(err, db.ErrNotFound) {
		return r, nil
	}
	r.issued, r.expires = &certificate.NotBefore, &certificate.NotAfter
	return r, err
}

// tally counts what the filters of a host's page choose among: the events of a kind by severity, those of a severity by
// kind.
func (w *Web) tally(c *gin.Context, hostID int64, f hostFilter) (page.HostFilter, error) {
	v := page.HostFilter{JobState: string(f.job), Severity: string(f.severity), Kind: f.kind, Severities: map[string]int{}, Kinds: map[string]int{}}
	jobs, err := w.DB.CountJobsOf(c.Request.Context(), hostID)
	if err != nil {
		return v, err
	}
	v.Jobs = map[string]int{}
	for state, n := range jobs {
		v.Jobs[string(state)] = n
	}
	events, err := w.DB.CountEventsOf(c.Request.Context(), hostID)
	for _, e := range events {
		if f.kind == "" || f.kind == e.Family {
			v.Severities[string(e.Severity)] += e.N
		}
		if f.severity == "" || f.severity == e.Severity {
			v.Kinds[e.Family] += e.N
		}
	}
	return v, err
}
