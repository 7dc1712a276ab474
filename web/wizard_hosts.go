package web

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/bootstrap"
	"hostler/server/bootstrap/hostlist"
	"hostler/ui/page"
)

const maxUser = 256

// wizardHostsPage is GET /wizards/{id}/hosts.
func (w *Web) wizardHostsPage(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	v := page.WizardHostsView{Frame: w.frame(c), Draft: w.draftFor(c, d)}
	if d.Hosts != "" {
		v.Preview = w.preview(c.Request.Context(), d.Hosts)
	}
	return show(c, http.StatusOK, page.WizardHostsPage(v))
}

// saveWizardHosts is POST /wizards/{id}/hosts: hosts and how to reach them. Everything right, it starts the
// operation, or goes on to the commands for doing it by hand. Anything wrong, nothing is started and the page comes
// back with what was typed, except for secrets.
func (w *Web) saveWizardHosts(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	defer f.wipe()
	credentials := formCredentials(f)
	w.starting.Lock()
	defer w.starting.Unlock()
	d, err := w.draft(c)
	if err != nil {
		credentials.Wipe()
		return err
	}
	// A second click, or another tab: what was asked for is under way.
	if running, err := w.underWay(c.Request.Context(), d, f); err != nil || running {
		credentials.Wipe()
		if err != nil {
			return err
		}
		return goTo(c, wizardPath(d.ID, page.WizardConfirm))
	}
	was := *d
	hosts, fields := w.takeHosts(c.Request.Context(), d, f, credentials)
	if err := w.refuseBusy(c.Request.Context(), fields, names(hosts)); err != nil {
		credentials.Wipe()
		return err
	}
	if len(fields) > 0 {
		credentials.Wipe()
		return w.hostsAgain(c, http.StatusUnprocessableEntity, d, fields)
	}
	markReview(&was, d)
	reviewed(d, page.WizardHosts)
	switch {
	case d.Method == page.MethodManual:
		credentials.Wipe()
		err = w.saveDraft(c, d, versionOf(f))
	case f.text("next") == page.WizardConnections:
		d.Step = page.WizardConnections
		err = w.startCheck(c, d, f, hosts, credentials)
	default:
		err = w.startOperation(c, d, f, hosts, credentials)
	}
	if errors.Is(err, db.ErrStale) {
		stale := staleDraft(c)
		if wantsJSON(c) {
			return stale
		}
		return w.hostsAgain(c, stale.status, d, map[string]string{"": stale.cause.Message})
	}
	if err != nil {
		return err
	}
	return goTo(c, wizardPath(d.ID, d.Step))
}

// underWay reports whether the draft's operation runs, or was started since the form was made.
func (w *Web) underWay(ctx context.Context, d *db.Draft, f *form) (bool, error) {
	if d.OperationID == nil {
		return false, nil
	}
	if versionOf(f) != d.Version {
		return true, nil
	}
	o, err := w.DB.Operation(ctx, *d.OperationID)
	if err != nil {
		return false, err
	}
	return !o.State.Ended(), nil
}

// takeHosts puts what was typed into the draft and checks it; fields tells what is wrong.
func (w *Web) takeHosts(ctx context.Context, d *db.Draft, f *form, credentials *bootstrap.Credentials) (hosts []hostlist.Host, fields map[string]string) {
	fields = largeFields(ctx, f)
	d.Hosts, d.Method, d.Step = f.text("hosts"), page.MethodSSH, page.WizardConfirm
	if f.text("method") == page.MethodManual {
		d.Method, d.Step = page.MethodManual, page.WizardManual
	}
	misplaced := map[string]string{}
	refuseKeys(ctx, misplaced, map[string]*string{"hosts": &d.Hosts, "user": &credentials.User})
	if j := credentials.Jump; j != nil {
		refuseKeys(ctx, misplaced, map[string]*string{"jump_host": &j.Address, "jump_user": &j.Login.User})
	}
	refuseSources(ctx, fields, d)
	defer func() { maps.Copy(fields, misplaced) }() // they are empty now, which is not what is wrong with them
	w.takeFile(ctx, d, f, fields)
	list := hostlist.Read(d.Hosts)
	problems := list.Problems
	// Somebody who registers by hand need not know the names.
	if d.Method == page.MethodManual && strings.TrimSpace(d.Hosts) == "" {
		problems = nil
	}
	if _, wrong := fields["hosts"]; !wrong && len(problems) > 0 {
		fields["hosts"] = problemLines(ctx, problems)
	}
	if len(list.Hosts) > hostlist.MaxHosts && f.text("many") == "" {
		fields["many"] = page.FieldText(ctx, "many")
	}
	d.SSHUser = truncate(credentials.User, maxUser)
	if credentials.Become.Check() == nil {
		d.SSHBecome = string(credentials.Become)
	}
	if d.Method == page.MethodManual {
		return nil, fields
	}
	credentials.Port = formPort(f, "port")
	keepJump(d, f)
	if wrong := checkCredentials(credentials); wrong != nil {
		if name := formField(wrong.Field); fields[name] == "" {
			fields[name] = credentialText(ctx, wrong)
		}
	}
	if credentials.Port > 0 {
		d.SSHPort = credentials.Port
	}
	return list.Hosts, fields
}

// keepJump puts what a form says of the jump host into the draft, without its secrets.
func keepJump(d *db.Draft, f *form) {
	d.JumpHost, d.JumpUser = truncate(strings.TrimSpace(f.text("jump_host")), maxUser), truncate(strings.TrimSpace(f.text("jump_user")), maxUser)
	d.JumpPort = max(0, min(formPort(f, "jump_port"), maxPort))
}

// takeFile adds a file with another program's list to the hosts, as the page's script does, and turns such a list that
// was pasted into one of ours. The page comes back then, so that the person sees what came of it.
func (w *Web) takeFile(ctx context.Context, d *db.Draft, f *form, fields map[string]string) {
	made := hostlist.Import(d.Hosts, "")
	if made.Format != hostlist.FormatList {
		d.Hosts, fields["hosts"] = made.Text, importText(ctx, made)
	}
	file := f.text("hosts_file")
	if file == "" {
		return
	}
	made = hostlist.Import(file, "")
	d.Hosts, fields["hosts"] = strings.TrimLeft(strings.TrimRight(d.Hosts, "\n")+"\n"+made.Text, "\n"), importText(ctx, made)
	refuseKeys(ctx, fields, map[string]*string{"hosts": &d.Hosts})
}

// importText says that a list was taken over, and what was left out.
func importText(ctx context.Context, made hostlist.Imported) string {
	text := page.FieldText(ctx, "hosts_imported")
	if len(made.Notes) > 0 {
		text += "\n" + problemLines(ctx, made.Notes)
	}
	return text
}

// startCheck takes the draft first, as startOperation does. The credentials of an earlier check are forgotten.
func (w *Web) startCheck(c *gin.Context, d *db.Draft, f *form, hosts []hostlist.Host, credentials *bootstrap.Credentials) error {
	ctx := c.Request.Context()
	earlier := d.CheckID
	d.CheckID = nil
	reviewed(d, page.WizardConnections)
	if err := w.saveDraft(c, d, versionOf(f)); err != nil {
		credentials.Wipe()
		return err
	}
	spec := bootstrap.CheckSpec(d.Cluster, identity(c).Name, hosts, credentials)
	sourcesOf(d).Put(&spec)
	o, err := w.Engine.Start(ctx, spec)
	if err != nil {
		return err
	}
	d.CheckID = &o.ID
	if err := w.DB.SaveDraft(context.WithoutCancel(ctx), d); err != nil {
		return err
	}
	if earlier == nil {
		return nil
	}
	return w.Engine.Forget(ctx, *earlier)
}

// startOperation takes the draft first: of two that try, one gets db.ErrStale before anything is started.
func (w *Web) startOperation(c *gin.Context, d *db.Draft, f *form, hosts []hostlist.Host, credentials *bootstrap.Credentials) error {
	ctx := c.Request.Context()
	d.OperationID, d.HostCheckID = nil, nil
	if err := w.saveDraft(c, d, versionOf(f)); err != nil {
		credentials.Wipe()
		return err
	}
	spec := bootstrap.Spec(d.Cluster, identity(c).Name, hosts, credentials)
	sourcesOf(d).Put(&spec)
	o, err := w.Engine.Start(ctx, spec)
	if err != nil {
		return err
	}
	d.OperationID = &o.ID
	if d.CheckID != nil { // what it kept of the credentials is of no more use
		if err := w.Engine.Forget(ctx, *d.CheckID); err != nil {
			return err
		}
	}
	// The operation runs: a browser that went away must not make the draft lose it.
	return w.DB.SaveDraft(context.WithoutCancel(ctx), d)
}

// hostsAgain answers with the form as it was typed. Secrets are never sent back.
func (w *Web) hostsAgain(c *gin.Context, status int, d *db.Draft, fields map[string]string) error {
	if wantsJSON(c) {
		return invalid(fields)
	}
	return show(c, status, page.WizardHostsPage(page.WizardHostsView{
		Frame: w.frame(c), Draft: w.draftFor(c, d), Preview: w.preview(c.Request.Context(), d.Hosts), Fields: fields,
		KeyDropped: d.Method == page.MethodSSH,
	}))
}

// formCredentials takes the secrets out of a form. A file that was chosen wins over what was pasted.
func formCredentials(f *form) *bootstrap.Credentials {
	c := &bootstrap.Credentials{
		User: strings.TrimSpace(f.text("user")), Become: bootstrap.Become(f.text("become")), PrivateKey: f.take("key_file"), Passphrase: f.take("passphrase"),
		Password: f.take("password"), SudoPassword: f.take("sudo_password"),
	}
	if len(c.PrivateKey) == 0 {
		c.PrivateKey = f.take("key")
	}
	c.Jump = formJump(f)
	return c
}

// formJump takes the jump host out of a form; nil when nothing was said of one.
func formJump(f *form) *bootstrap.Jump {
	login := &bootstrap.Credentials{
		User: strings.TrimSpace(f.text("jump_user")), PrivateKey: f.take("jump_key_file"), Passphrase: f.take("jump_passphrase"),
		Password: f.take("jump_password"), Port: formPort(f, "jump_port"),
	}
	if len(login.PrivateKey) == 0 {
		login.PrivateKey = f.take("jump_key")
	}
	j := &bootstrap.Jump{Address: strings.TrimSpace(f.text("jump_host")), Login: login}
	if j.Address == "" && login.User == "" && login.Port == 0 && len(login.PrivateKey)+len(login.Passphrase)+len(login.Password) == 0 {
		return nil
	}
	return j
}

// formPort is a port; 0 when the field is empty, and -1, which is refused like a port out of range, when it is none.
func formPort(f *form, name string) int {
	port := strings.TrimSpace(f.text(name))
	if port == "" {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil || n == 0 {
		return -1
	}
	return n
}

// formField is the form's name for a field of bootstrap.Credentials.
func formField(field string) string {
	return strings.Replace(strings.Replace(field, ".", "_", 1), "private_key", "key", 1)
}

// largeFields complains about fields that had more than they may have.
func largeFields(ctx context.Context, f *form) map[string]string {
	fields := map[string]string{}
	for name := range f.tooLarge {
		switch name {
		case "jump_key", "jump_key_file":
			fields["jump_key"] = page.FieldText(ctx, "key_too_large")
		case "key", "key_file":
			fields["key"] = page.FieldText(ctx, "key_too_large")
		case "hosts", "hosts_file":
			fields["hosts"] = page.FieldText(ctx, "hosts_too_many")
		default:
			fields[name] = page.FieldText(ctx, "too_long")
		}
	}
	return fields
}
