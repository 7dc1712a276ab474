package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/bootstrap"
	"hostler/server/bootstrap/hostlist"
	"hostler/server/operation"
	"hostler/ui/page"
)

// wizardConnectionsPage is GET /wizards/{id}/connections: what the check of the draft's hosts found.
func (w *Web) wizardConnectionsPage(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	if d.CheckID == nil {
		return goTo(c, wizardPath(d.ID, page.WizardHosts))
	}
	return w.showConnections(c, http.StatusOK, d, nil)
}

// showConnections shows what the check found.
func (w *Web) showConnections(c *gin.Context, status int, d *db.Draft, fields map[string]string) error {
	known := w.compared.get(*d.CheckID, w.Options.Now())
	run, err := w.run(c, *d.CheckID)
	if err != nil {
		return err
	}
	tasks, err := w.DB.Tasks(c.Request.Context(), *d.CheckID)
	if err != nil {
		return err
	}
	keys, err := bootstrap.HostKeys(tasks, known)
	if err != nil {
		return err
	}
	return show(c, status, page.WizardConnectionsPage(page.WizardConnectionsView{
		Frame: w.frame(c), Draft: w.draftFor(c, d), Operation: run.operation, Tasks: run.tasks, Locked: run.locked, Unlock: run.unlock,
		Keys: keyViews(keys), Compared: known != nil, Fields: fields,
	}))
}

// startBootstrapOfCheck is POST /wizards/{id}/connections: the keys that were shown are trusted, and the hosts that were
// checked are bootstrapped as they were reached, with the credentials that the server still has.
func (w *Web) startBootstrapOfCheck(c *gin.Context) error {
	w.starting.Lock()
	defer w.starting.Unlock()
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	f, err := readForm(c)
	if err != nil {
		return err
	}
	if d.CheckID == nil {
		return goTo(c, wizardPath(d.ID, page.WizardHosts))
	}
	ctx := c.Request.Context()
	if running, err := w.underWay(ctx, d, f); err != nil || running {
		if err != nil {
			return err
		}
		return goTo(c, wizardPath(d.ID, page.WizardConfirm))
	}
	tasks, hosts, fields, err := w.checkedHosts(ctx, *d.CheckID)
	if err != nil {
		return err
	}
	harmful, err := w.refuseHarm(ctx, *d.CheckID, tasks, f.text("despite") != "", fields)
	if err != nil {
		return err
	}
	refuseSources(ctx, fields, d)
	if slices.Contains(reviewOf(d), page.WizardConnections) && f.text("reviewed") == "" {
		fields["reviewed"] = page.FieldText(ctx, "review_needed")
	}
	credentials, err := w.borrow(ctx, *d.CheckID)
	if errors.Is(err, operation.ErrSecretsNeeded) {
		fields[""], err = page.FieldText(ctx, "check_locked"), nil
	}
	if err != nil {
		return err
	}
	if len(fields) > 0 {
		credentials.Wipe()
		if wantsJSON(c) {
			return invalid(fields)
		}
		return w.showConnections(c, http.StatusUnprocessableEntity, d, fields)
	}
	trusted, err := bootstrap.TrustFound(ctx, w.DB, tasks)
	if err != nil {
		credentials.Wipe()
		return err
	}
	audit.About(ctx, "draft "+strconv.FormatInt(d.ID, 10), nil, map[string]any{"host_keys_trusted": trusted, "host_keys_against_known_hosts": harmful})
	d.Step, d.Review = page.WizardConfirm, ""
	if err := w.startOperation(c, d, f, hosts, credentials); err != nil {
		if errors.Is(err, db.ErrStale) {
			return staleDraft(c)
		}
		return err
	}
	w.compared.forget(*d.CheckID)
	return goTo(c, wizardPath(d.ID, d.Step))
}

// checkedHosts are the hosts of a check for a bootstrap, and what is in the way of it.
func (w *Web) checkedHosts(ctx context.Context, checkID int64) (tasks []db.Task, hosts []hostlist.Host, fields map[string]string, err error) {
	fields = map[string]string{}
	o, err := w.DB.Operation(ctx, checkID)
	if err != nil {
		return nil, nil, nil, err
	}
	if tasks, err = w.DB.Tasks(ctx, checkID); err != nil {
		return nil, nil, nil, err
	}
	if hosts, err = bootstrap.Checked(tasks); err != nil {
		return nil, nil, nil, err
	}
	switch {
	case !o.State.Ended():
		fields[""] = page.FieldText(ctx, "check_running")
	case len(hosts) == 0:
		fields[""] = page.FieldText(ctx, "check_empty")
	default:
		err = w.refuseBusy(ctx, fields, names(hosts))
	}
	return tasks, hosts, fields, err
}

// borrow copies the credentials of a check; never nil.
func (w *Web) borrow(ctx context.Context, checkID int64) (*bootstrap.Credentials, error) {
	clone := &bootstrap.Credentials{}
	err := w.Engine.Borrow(ctx, checkID, func(s operation.Secrets) error {
		if c, ok := s.(*bootstrap.Credentials); ok {
			clone = c.Clone()
		}
		return nil
	})
	if err != nil {
		return clone, err
	}
	return clone, clone.Check()
}

// mendConnections is POST /wizards/{id}/connections/mend: failed hosts get another user, port or key, and are checked
// again, and only they.
func (w *Web) mendConnections(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	f, err := readForm(c)
	if err != nil {
		return err
	}
	defer f.wipe()
	if d.CheckID == nil {
		return goTo(c, wizardPath(d.ID, page.WizardHosts))
	}
	ctx := c.Request.Context()
	m, fields := mendOf(ctx, f)
	defer m.given.Wipe()
	if len(fields) == 0 {
		err = w.mend(ctx, *d.CheckID, m, identity(c).Name)
	}
	var wrong *bootstrap.FieldError
	switch {
	case errors.As(err, &wrong):
		fields[formField(wrong.Field)], err = credentialText(ctx, wrong), nil
	case errors.Is(err, operation.ErrSecretsNeeded):
		fields[""], err = page.FieldText(ctx, "check_locked"), nil
	case errors.Is(err, operation.ErrNothingToDo):
		fields["task"], err = page.FieldText(ctx, "check_choose"), nil
	}
	if err != nil {
		return err
	}
	if len(fields) > 0 {
		if wantsJSON(c) {
			return invalid(fields)
		}
		return w.showConnections(c, http.StatusUnprocessableEntity, d, fields)
	}
	return goTo(c, wizardPath(d.ID, page.WizardConnections))
}

// mending is what failed hosts are to be tried with.
type mending struct {
	tasks []int64
	user  string
	port  int
	given *bootstrap.Credentials
	fresh bool // given is more than nothing
}

func mendOf(ctx context.Context, f *form) (m mending, fields map[string]string) {
	fields = largeFields(ctx, f)
	m.given = formCredentials(f)
	m.user, m.given.User = m.given.User, ""
	m.fresh = len(m.given.PrivateKey)+len(m.given.Password)+len(m.given.SudoPassword) > 0 || m.given.Become != "" || m.given.Jump != nil
	refuseKeys(ctx, fields, map[string]*string{"user": &m.user})
	var settings hostlist.Settings
	if m.user != "" && settings.SetUser(m.user) != nil {
		fields["user"] = page.HostListText(ctx, hostlist.CodeUserInvalid, map[string]string{"text": m.user, "user": m.user}, "")
	}
	if port := strings.TrimSpace(f.text("port")); port != "" {
		if settings.SetPort(port) != nil {
			fields["port"] = page.HostListText(ctx, hostlist.CodePortInvalid, map[string]string{"text": port, "port": port}, "")
		}
		m.port = settings.Port
	}
	var wrong *bootstrap.FieldError
	if errors.As(m.given.Become.Check(), &wrong) {
		fields["become"] = credentialText(ctx, wrong)
	}
	if len(m.given.PrivateKey)+len(m.given.Password) > 0 {
		// What is not said of the jump host is as it was, and checked with that.
		jump := m.given.Jump
		m.given.Jump = nil
		if wrong = checkCredentials(m.given); wrong != nil {
			fields[formField(wrong.Field)] = credentialText(ctx, wrong)
		}
		m.given.Jump = jump
	}
	for _, id := range f.texts("task") {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			m.tasks = append(m.tasks, n)
		}
	}
	if len(m.tasks) == 0 {
		fields["task"] = page.FieldText(ctx, "check_choose")
	}
	return m, fields
}

// mend tries failed hosts of a check again with what was given. A new key or password becomes a further set of the
// check's credentials, so that the hosts that were fine keep theirs.
func (w *Web) mend(ctx context.Context, checkID int64, m mending, actor string) error {
	tasks, err := w.DB.Tasks(ctx, checkID)
	if err != nil {
		return err
	}
	var secrets operation.Secrets
	set := ""
	if m.fresh {
		all, err := w.borrow(ctx, checkID)
		if err != nil {
			all.Wipe()
			return err
		}
		set = "mended-" + strconv.Itoa(len(all.Others)+1)
		changed := all.Changed(m.given)
		all.With(set, changed)
		if wrong := checkCredentials(changed); wrong != nil {
			all.Wipe()
			return wrong
		}
		secrets = all
	}
	params := map[int64]any{}
	for _, t := range tasks {
		if !slices.Contains(m.tasks, t.ID) {
			continue
		}
		p, err := bootstrap.ParamsOf(&t)
		if err != nil {
			return err
		}
		if m.user != "" {
			p.User = m.user
		}
		if m.port != 0 {
			p.Port = m.port
		}
		if set != "" {
			p.Credentials = set
		}
		params[t.ID] = p
	}
	_, err = w.Engine.Change(ctx, checkID, params, secrets, actor)
	return err
}
