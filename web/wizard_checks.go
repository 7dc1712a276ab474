package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/check"
	"hostler/server/remote"
	"hostler/ui/page"
)

// readyHosts are the hosts that a draft has set up so far.
func (w *Web) readyHosts(ctx context.Context, d *db.Draft) (map[int64]bool, error) {
	ready := map[int64]bool{}
	if d.Method == page.MethodManual {
		for _, a := range w.arrivals(ctx, d.ID) {
			ready[a.HostID] = true
		}
		return ready, nil
	}
	if d.OperationID == nil {
		return ready, nil
	}
	tasks, err := w.DB.Tasks(ctx, *d.OperationID)
	for i := range tasks {
		if t := &tasks[i]; t.State == db.Done && t.HostID != nil {
			ready[*t.HostID] = true
		}
	}
	return ready, err
}

// draftToCheck is the draft that the path names, with the hosts that it has set up.
func (w *Web) draftToCheck(c *gin.Context) (*db.Draft, map[int64]bool, error) {
	d, err := w.draft(c)
	if err != nil {
		return nil, nil, err
	}
	ready, err := w.readyHosts(c.Request.Context(), d)
	return d, ready, err
}

// wizardChecksPage is GET /wizards/{id}/checks: what the agents found on the draft's hosts. With ?asked it asks whether to go on
// without those that are not well.
func (w *Web) wizardChecksPage(c *gin.Context) error {
	d, ready, err := w.draftToCheck(c)
	if err != nil {
		return err
	}
	if d.Method != page.MethodManual && d.OperationID == nil {
		return goTo(c, wizardPath(d.ID, page.WizardHosts))
	}
	v := page.WizardChecksView{Frame: w.frame(c), Draft: w.draftFor(c, d)}
	if v.Report, err = w.hostChecksView(c, ready); err != nil {
		return err
	}
	if c.Query("asked") != "" {
		if v.Open, err = w.openChecks(c.Request.Context(), d, ready); err != nil {
			return err
		}
	}
	v.Report.Draft = d.ID
	if d.HostCheckID != nil {
		run, err := w.run(c, *d.HostCheckID)
		if err != nil {
			return err
		}
		v.Operation = &run.operation
	}
	return show(c, http.StatusOK, page.WizardChecksPage(v))
}

// openChecks is how many of a draft's hosts have failed, or were not checked since it was begun.
func (w *Web) openChecks(ctx context.Context, d *db.Draft, ready map[int64]bool) (int, error) {
	r, err := w.checked(ctx, checkQuery{hosts: ready})
	well := func(h checkedHost) bool { return h.since(d) && h.state != string(check.Fail) }
	return len(slices.DeleteFunc(r.hosts, well)), err
}

// startWizardChecks is POST /wizards/{id}/checks: the hosts that are named, or those that the report shows, are checked again;
// without either, those that were not checked since the draft was begun.
func (w *Web) startWizardChecks(c *gin.Context) error {
	w.starting.Lock()
	defer w.starting.Unlock()
	d, ready, err := w.draftToCheck(c)
	if err != nil {
		return err
	}
	f, err := readForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	ids, err := w.hostsToCheck(ctx, d, ready, f)
	if err != nil {
		return err
	}
	further(d, page.WizardChecks)
	running, err := w.checking(ctx, d)
	if err != nil {
		return err
	}
	if len(ids) > 0 && !running {
		o, err := w.Remote.Check(ctx, remote.CheckRequest{Common: remote.Common{Targets: remote.Targets{IDs: ids}}}, identity(c).Name)
		if err != nil {
			return invalidWork(ctx, err)
		}
		d.HostCheckID = &o.ID
	} else {
		audit.Omit(ctx)
	}
	// The operation runs: a browser that went away must not make the draft lose it.
	if err := w.DB.SaveDraft(context.WithoutCancel(ctx), d); err != nil {
		return err
	}
	return goTo(c, wizardPath(d.ID, page.WizardChecks))
}

// hostsToCheck are the hosts that a form of the step means.
func (w *Web) hostsToCheck(ctx context.Context, d *db.Draft, ready map[int64]bool, f *form) ([]int64, error) {
	if len(f.texts("host")) == 0 && f.text("again") == "" {
		r, err := w.checked(ctx, checkQuery{hosts: ready})
		var ids []int64
		for i := range r.hosts {
			if !r.hosts[i].since(d) {
				ids = append(ids, r.hosts[i].ID)
			}
		}
		return ids, err
	}
	q, err := checkQueryOf(f.text)
	if err != nil {
		return nil, err
	}
	q.hosts = ready
	return w.hostsOfReport(ctx, f.texts("host"), q)
}

// since tells that a host was checked since a draft was begun.
func (h *checkedHost) since(d *db.Draft) bool {
	return h.check != nil && !h.check.CheckedAt.Before(d.CreatedAt)
}

// checking tells that a draft's hosts are being checked.
func (w *Web) checking(ctx context.Context, d *db.Draft) (bool, error) {
	if d.HostCheckID == nil {
		return false, nil
	}
	o, err := w.DB.Operation(ctx, *d.HostCheckID)
	return err == nil && !o.State.Ended(), err
}

// acceptInWizard is POST /wizards/{id}/checks/accept.
func (w *Web) acceptInWizard(c *gin.Context) error {
	d, ready, err := w.draftToCheck(c)
	if err != nil {
		return err
	}
	q, err := w.warningForm(c, ready, w.acceptWarnings)
	if err != nil {
		return err
	}
	notice(c, "warnings_accepted")
	return goTo(c, wizardPath(d.ID, page.WizardChecks)+q.query())
}

// unacceptInWizard is POST /wizards/{id}/checks/unaccept.
func (w *Web) unacceptInWizard(c *gin.Context) error {
	d, ready, err := w.draftToCheck(c)
	if err != nil {
		return err
	}
	q, err := w.warningForm(c, ready, w.unacceptWarnings)
	if err != nil {
		return err
	}
	notice(c, "warnings_unaccepted")
	return goTo(c, wizardPath(d.ID, page.WizardChecks)+q.query())
}

// wizardCheckReport is GET /wizards/{id}/checks/report: what was found on the draft's hosts, as a file.
func (w *Web) wizardCheckReport(c *gin.Context) error {
	_, ready, err := w.draftToCheck(c)
	if err != nil {
		return err
	}
	return w.sendReport(c, ready)
}

// passWizardChecks is POST /wizards/{id}/checks/next: on to the summary, when all hosts were checked and none fails, or despite that.
func (w *Web) passWizardChecks(c *gin.Context) error {
	d, ready, err := w.draftToCheck(c)
	if err != nil {
		return err
	}
	f, err := readForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	open, err := w.openChecks(ctx, d, ready)
	if err != nil {
		return err
	}
	if open > 0 && f.text("despite") == "" {
		audit.Omit(ctx)
		return goTo(c, wizardPath(d.ID, page.WizardChecks)+"?asked=yes#go-on") // which asks
	}
	further(d, page.WizardSummary)
	audit.About(ctx, "draft "+strconv.FormatInt(d.ID, 10), nil, map[string]any{"hosts": len(ready), "failed_or_unchecked": open})
	if err := w.DB.SaveDraft(ctx, d); err != nil {
		return err
	}
	return goTo(c, wizardPath(d.ID, page.WizardSummary))
}
