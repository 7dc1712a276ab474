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
	"hostler/server/fleet"
	"hostler/server/remote"
	"hostler/ui/page"
)

// postMend is POST host-checks/mend.
func (w *Web) postMend(c *gin.Context) error {
	var in unacceptRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	o, err := w.mendHosts(c, warningRequest{Targets: in.Targets, Check: in.Check})
	if err != nil {
		return err
	}
	c.Header("Location", api+"/operations/"+strconv.FormatInt(o.ID, 10))
	c.JSON(http.StatusCreated, startedReply{o.ID})
	return nil
}

// mendForm is POST /host-checks/mend: on one host, or on all that the report is of.
func (w *Web) mendForm(c *gin.Context) error {
	var o *db.Operation
	_, err := w.warningForm(c, nil, func(c *gin.Context, in warningRequest) (_ int, err error) {
		o, err = w.mendHosts(c, in)
		return 0, err
	})
	if err != nil {
		return err
	}
	return goTo(c, "/operations/"+strconv.FormatInt(o.ID, 10))
}

// mendInWizard is POST /wizards/{id}/checks/mend.
func (w *Web) mendInWizard(c *gin.Context) error {
	w.starting.Lock()
	defer w.starting.Unlock()
	d, ready, err := w.draftToCheck(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	running, err := w.checking(ctx, d)
	if err != nil {
		return err
	}
	if running { // a second click, too
		audit.Omit(ctx)
		return goTo(c, wizardPath(d.ID, page.WizardChecks))
	}
	q, err := w.warningForm(c, ready, func(c *gin.Context, in warningRequest) (int, error) {
		o, err := w.mendHosts(c, in)
		if err == nil {
			d.HostCheckID = &o.ID
			err = w.DB.SaveDraft(context.WithoutCancel(ctx), d)
		}
		return 0, err
	})
	if err != nil {
		return err
	}
	return goTo(c, wizardPath(d.ID, page.WizardChecks)+q.query())
}

// mendHosts starts to mend what a check found on hosts, on those on which it found what there is a script for.
func (w *Web) mendHosts(c *gin.Context, in warningRequest) (*db.Operation, error) {
	ctx := c.Request.Context()
	hosts, err := w.warningHosts(ctx, &in)
	if err != nil {
		return nil, err
	}
	standing, err := w.checks.Standing(ctx, w.Fleet.Find(ctx, fleet.Filter{}))
	if err != nil {
		return nil, err
	}
	verdicts, err := w.checks.Verdicts(ctx, standing, hosts)
	if err != nil {
		return nil, err
	}
	mend := remote.MendRequest{Check: in.Check}
	for i := range hosts {
		of := verdicts[hosts[i].ID]
		k := slices.IndexFunc(of, func(v check.Verdict) bool { return v.Check == in.Check })
		if k < 0 || of[k].State == check.Pass {
			continue
		}
		if script := check.Mend(in.Check, of[k].Code); script != "" {
			mend.Script, mend.Targets.IDs = script, append(mend.Targets.IDs, hosts[i].ID)
		}
	}
	if mend.Script == "" {
		return nil, invalid(map[string]string{"check": page.FieldText(ctx, "check_mend")})
	}
	o, err := w.Remote.Mend(ctx, mend, identity(c).Name)
	return o, invalidWork(ctx, err)
}
