package web

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/bootstrap"
	"hostler/server/fleet"
	"hostler/ui/i18n"
	"hostler/ui/page"
)

const (
	maxCluster = 100
	maxPort    = 65535
)

var clusterPattern = regexp.MustCompile(`^[\pL\pN][\pL\pN._-]*$`)

// wizardsPage is GET /wizards.
func (w *Web) wizardsPage(c *gin.Context) error {
	drafts, err := w.DB.OpenDrafts(c.Request.Context())
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.WizardsPage(page.WizardsView{Frame: w.frame(c), Drafts: w.draftViews(drafts)}))
}

// startWizard is POST /wizards.
func (w *Web) startWizard(c *gin.Context) error {
	d := &db.Draft{Version: 1, Step: page.WizardStart, Method: page.MethodSSH, CreatedBy: identity(c).Name}
	if err := w.DB.CreateDraft(c.Request.Context(), d); err != nil {
		return err
	}
	return goTo(c, wizardPath(d.ID, page.WizardStart))
}

func wizardPath(n int64, step string) string {
	return "/wizards/" + strconv.FormatInt(n, 10) + "/" + step
}

// draft finds the open draft that the path names.
func (w *Web) draft(c *gin.Context) (*db.Draft, error) {
	n, err := pathID(c, "id")
	if err != nil {
		return nil, err
	}
	d, err := w.DB.Draft(c.Request.Context(), n)
	if err == nil && d.FinishedAt != nil {
		return nil, db.ErrNotFound
	}
	return d, err
}

// resumeWizard is GET /wizards/{id}: on to the step where the draft was left.
func (w *Web) resumeWizard(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	return goTo(c, wizardPath(d.ID, w.draftView(d).Resume()))
}

// wizardStartPage is GET /wizards/{id}/start.
func (w *Web) wizardStartPage(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.WizardStartPage(page.WizardStartView{Frame: w.frame(c), Draft: w.draftFor(c, d)}))
}

// saveWizardStart is POST /wizards/{id}/start: the cluster's name.
func (w *Web) saveWizardStart(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	f, err := readForm(c)
	if err != nil {
		return err
	}
	ctx, fields, was := c.Request.Context(), map[string]string{}, *d
	d.Cluster = strings.TrimSpace(f.text("cluster"))
	refuseKeys(ctx, fields, map[string]*string{"cluster": &d.Cluster})
	switch {
	case len(fields) > 0:
	case d.Cluster == "":
		fields["cluster"] = page.FieldText(ctx, "required")
	case !rightCluster(d.Cluster):
		fields["cluster"] = page.FieldText(ctx, "cluster_invalid")
	}
	status := http.StatusUnprocessableEntity
	if len(fields) == 0 {
		further(d, page.WizardVersions)
		markReview(&was, d)
		reviewed(d, page.WizardStart)
		err = w.saveDraft(c, d, versionOf(f))
		if err == nil {
			return goTo(c, wizardPath(d.ID, page.WizardVersions))
		}
		if !errors.Is(err, db.ErrStale) {
			return err
		}
		stale := staleDraft(c)
		if wantsJSON(c) {
			return stale
		}
		status, fields[""] = stale.status, stale.cause.Message
	}
	if wantsJSON(c) {
		return invalid(fields)
	}
	return show(c, status, page.WizardStartPage(page.WizardStartView{Frame: w.frame(c), Draft: w.draftFor(c, d), Fields: fields}))
}

func rightCluster(name string) bool {
	return len(name) <= maxCluster && clusterPattern.MatchString(name)
}

// saveDraft stores a draft whose form was made at a version; db.ErrStale when the draft is newer. d.Version keeps
// the stored version then, so that a page made from d can be sent once more.
func (w *Web) saveDraft(c *gin.Context, d *db.Draft, version int) error {
	if version != d.Version {
		return db.ErrStale
	}
	return w.DB.SaveDraft(c.Request.Context(), d)
}

// versionOf is the version at which a wizard's form was made; 0, which no draft has, when it does not tell.
func versionOf(f *form) int {
	n, _ := strconv.Atoi(f.text("version"))
	return n
}

// staleDraft tells a script that somebody else saved the draft.
func staleDraft(c *gin.Context) *failure {
	return refuse(http.StatusConflict, "stale", i18n.T(c.Request.Context(), "draft.stale"), "")
}

// draftRequest is what a wizard's page saves while somebody types. There are no fields for secrets, and fields
// that are not known are refused.
type draftRequest struct {
	Version int     `json:"version"`
	Cluster *string `json:"cluster"`
	Hosts   *string `json:"hosts"`
	Method  *string `json:"method"`
	User    *string `json:"user"`
	Port    *int    `json:"port"`
	Become  *string `json:"become"`
	// Versions are kept as they are typed; they are right once their step was sent.
	Versions bootstrap.Sources `json:"versions"`

	JumpHost *string `json:"jump_host"`
	JumpUser *string `json:"jump_user"`
	JumpPort *int    `json:"jump_port"`
}

type savedReply struct {
	Version int `json:"version"`
}

// autosaveWizard is POST /wizards/{id}/save: what was typed so far, checked for private keys alone.
func (w *Web) autosaveWizard(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	var in draftRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	fields, was := map[string]string{}, *d
	if in.Hosts != nil && len(*in.Hosts) > maxHosts {
		fields["hosts"] = page.FieldText(c.Request.Context(), "hosts_too_many")
	}
	refuseKeys(c.Request.Context(), fields, map[string]*string{
		"cluster": in.Cluster, "hosts": in.Hosts, "user": in.User, "jump_host": in.JumpHost, "jump_user": in.JumpUser,
	})
	for family, source := range in.Versions {
		refuseKeys(c.Request.Context(), fields, map[string]*string{"key_" + string(family): &source.Key})
	}
	if len(fields) > 0 {
		return invalid(fields)
	}
	for to, given := range map[*string]*string{
		&d.Cluster: in.Cluster, &d.Hosts: in.Hosts, &d.SSHUser: in.User, &d.JumpHost: in.JumpHost, &d.JumpUser: in.JumpUser,
	} {
		if given != nil {
			*to = *given
		}
	}
	if in.Method != nil && (*in.Method == page.MethodSSH || *in.Method == page.MethodManual) {
		d.Method = *in.Method
	}
	for to, given := range map[*int]*int{&d.SSHPort: in.Port, &d.JumpPort: in.JumpPort} {
		if given != nil && *given > 0 && *given <= maxPort {
			*to = *given
		}
	}
	if in.Become != nil && bootstrap.Become(*in.Become).Check() == nil {
		d.SSHBecome = *in.Become
	}
	if in.Versions != nil {
		keepTyped(d, in.Versions)
	}
	d.Cluster, d.SSHUser = truncate(d.Cluster, maxCluster), truncate(d.SSHUser, maxUser)
	d.JumpHost, d.JumpUser = truncate(d.JumpHost, maxUser), truncate(d.JumpUser, maxUser)
	markReview(&was, d)
	if err := w.saveDraft(c, d, in.Version); err != nil {
		return err
	}
	c.JSON(http.StatusOK, savedReply{d.Version})
	return nil
}

// truncate cuts a text to what its column holds, between characters.
func truncate(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}

// wizardConfirmPage is GET /wizards/{id}/confirm: the operation at work.
func (w *Web) wizardConfirmPage(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	if d.OperationID == nil {
		return goTo(c, wizardPath(d.ID, page.WizardHosts))
	}
	run, err := w.run(c, *d.OperationID)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.WizardConfirmPage(page.WizardConfirmView{
		Frame: w.frame(c), Draft: w.draftFor(c, d), Operation: run.operation, Tasks: run.tasks, Locked: run.locked, Unlock: run.unlock,
	}))
}

// wizardSummaryPage is GET /wizards/{id}/summary.
func (w *Web) wizardSummaryPage(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	v := page.WizardSummaryView{Frame: w.frame(c), Draft: w.draftFor(c, d)}
	switch {
	case d.Method == page.MethodManual:
		v.Arrivals = w.arrivals(c.Request.Context(), d.ID)
	case d.OperationID == nil:
		return goTo(c, wizardPath(d.ID, page.WizardHosts))
	default:
		run, err := w.run(c, *d.OperationID)
		if err != nil {
			return err
		}
		v.Operation = &run.operation
		for _, t := range run.tasks {
			switch t.State {
			case page.Done:
				v.Done = append(v.Done, t)
			case page.Skipped: // a person took it out, and knows
			default:
				v.Failed = append(v.Failed, t)
			}
		}
	}
	ready, err := w.readyHosts(c.Request.Context(), d)
	if err != nil {
		return err
	}
	checks, err := w.checked(c.Request.Context(), checkQuery{hosts: ready})
	if err != nil {
		return err
	}
	if v.Checks = checks.counts; d.HostCheckID == nil {
		v.Checks = nil
	}
	return show(c, http.StatusOK, page.WizardSummaryPage(v))
}

// arrivals are the hosts that a draft's token admitted.
func (w *Web) arrivals(ctx context.Context, draftID int64) []page.Arrival {
	hosts := w.Fleet.Select(ctx, func(h *db.Host) bool { return h.DraftID != nil && *h.DraftID == draftID })
	return arrivalViews(hosts)
}

func arrivalViews(hosts []fleet.Host) []page.Arrival {
	out := make([]page.Arrival, len(hosts))
	for i, h := range hosts {
		out[i] = arrivalView(h)
	}
	return out
}

// finishWizard is POST /wizards/{id}/finish: the key is forgotten, the tokens end and the draft is done.
func (w *Web) finishWizard(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	if d.OperationID != nil {
		if err := w.Engine.Forget(c.Request.Context(), *d.OperationID); err != nil {
			return err
		}
	}
	if err := w.CA.EndTokens(c.Request.Context(), d.ID); err != nil {
		return err
	}
	now := w.Options.Now()
	d.FinishedAt, d.Step = &now, page.WizardSummary
	if err := w.DB.SaveDraft(c.Request.Context(), d); err != nil {
		return err
	}
	w.tokens.forget(d.ID)
	notice(c, "wizard_finished")
	return goTo(c, "/hosts")
}

// discardWizard is POST /wizards/{id}/discard. An operation that the draft started goes on; its tokens end.
func (w *Web) discardWizard(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	if d.CheckID != nil {
		if err := w.Engine.Forget(ctx, *d.CheckID); err != nil {
			return err
		}
	}
	if err := w.CA.EndTokens(ctx, d.ID); err != nil {
		return err
	}
	if err := w.DB.DeleteDraft(ctx, d.ID); err != nil {
		return err
	}
	w.tokens.forget(d.ID)
	notice(c, "draft_discarded")
	return goTo(c, "/wizards")
}
