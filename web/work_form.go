package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/remote"
	"hostler/ui/page"
)

// newCommandPage is GET /commands/new.
func (w *Web) newCommandPage(c *gin.Context) error { return w.newWork(c, page.CommandPage) }

// newCommand is POST /commands/new.
func (w *Web) newCommand(c *gin.Context) error {
	return w.startFromForm(c, page.CommandPage, func(ctx context.Context, in formWork, actor string) (*db.Operation, error) {
		return w.Remote.Command(ctx, remote.CommandRequest{
			Common: in.common, Envs: in.envs, Limits: in.limits,
			Exec: wire.Exec{
				Script: in.form.Script, Interpreter: in.form.Interpreter, User: in.form.User, Group: in.form.Group, Directory: in.form.Directory,
			},
		}, actor)
	})
}

// newInstallPage is GET /child-agents/new.
func (w *Web) newInstallPage(c *gin.Context) error { return w.newWork(c, page.InstallPage) }

// newInstall is POST /child-agents/new.
func (w *Web) newInstall(c *gin.Context) error {
	return w.startFromForm(c, page.InstallPage, func(ctx context.Context, in formWork, actor string) (*db.Operation, error) {
		action := wire.ActionInstall
		if in.form.Action == wire.ActionUpgrade {
			action = wire.ActionUpgrade
		}
		return w.Remote.Child(ctx, action, remote.ChildRequest{
			Common: in.common, Name: in.form.Name, URL: in.form.URL, Checksum: in.form.Checksum, Version: in.form.Version,
			Definition: in.form.Definition, Envs: in.envs, Limits: in.limits,
		}, actor)
	})
}

// workPage is one of the pages with such a form.
type workPage func(page.WorkView) templ.Component

// formWork is a form as package remote takes it.
type formWork struct {
	form   page.WorkForm
	common remote.Common
	envs   map[string]string
	limits *wire.Limits
}

// startFromForm starts work from a form, or shows the form again with what is wrong, and with all that was typed.
func (w *Web) startFromForm(c *gin.Context, again workPage, begin func(ctx context.Context, in formWork, actor string) (*db.Operation, error)) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	in, fields := readWork(ctx, f)
	in.form.Chosen = w.chosenHosts(c.Request.Context(), in.common.Targets.IDs)
	view := w.workView(c, in.form)
	view.Fields, view.LeftOut = fields, f.text("left_out")
	if len(fields) == 0 {
		if hosts, err := in.common.Targets.Resolve(c.Request.Context(), w.Fleet); err == nil && len(hosts) > page.ConfirmAbove && f.text("confirmed") != strconv.Itoa(len(hosts)) {
			view.Confirm = len(hosts)
		}
	}
	if len(fields) == 0 && view.Confirm == 0 {
		o, err := begin(ctx, in, identity(c).Name)
		if err == nil {
			return goTo(c, "/operations/"+strconv.FormatInt(o.ID, 10))
		}
		if view.Fields, err = formFields(ctx, err); err != nil {
			return err
		}
	}
	return show(c, http.StatusUnprocessableEntity, again(view))
}

// formFields turns what package remote has against a request into complaints at the form's fields; other errors stay.
func formFields(ctx context.Context, err error) (map[string]string, error) {
	var f *failure
	if !errors.As(invalidWork(ctx, err), &f) || f.cause.Fields == nil {
		return nil, err
	}
	fields := map[string]string{}
	for name, text := range f.cause.Fields {
		for _, prefix := range []string{"targets.", "exec.", "limits."} {
			name = strings.TrimPrefix(name, prefix)
		}
		switch name = strings.ToLower(name); name {
		case "targets", "ids", "state", "search":
			name = "hosts"
		case "exec", "command":
			name = "script"
		case "expires_in":
			name = "expires"
		}
		fields[name] = text
	}
	return fields, nil
}

// readWork reads the fields that all such forms have.
func readWork(ctx context.Context, f *form) (in formWork, fields map[string]string) {
	fields = map[string]string{}
	for name := range f.tooLarge {
		fields[name] = page.FieldText(ctx, "too_long")
	}
	trim := func(name string) string { return strings.TrimSpace(f.text(name)) }
	in.form = page.WorkForm{
		Hosts: f.text("hosts"), All: f.text("all") != "", Match: f.text("match") != "", MatchState: f.text("match_state"),
		MatchSearch: trim("match_search"), Script: strings.ReplaceAll(f.text("script"), "\r\n", "\n"), Interpreter: trim("interpreter"),
		User: trim("user"), Group: trim("group"), Directory: trim("directory"), Expires: trim("expires"), Envs: f.text("envs"), Timeout: trim("timeout"), Parallel: trim("parallel"), Batch: trim("batch"),
		StopAfter: trim("stop_after"), CPU: trim("cpu"), Memory: trim("memory"), PIDs: trim("pids"), Files: trim("files"), Name: trim("name"), Action: f.text("action"), URL: trim("url"),
		Checksum: trim("checksum"), Version: trim("version"), Definition: strings.ReplaceAll(f.text("definition"), "\r\n", "\n"),
		Shown:   strings.ReplaceAll(f.text("shown"), "\r\n", "\n"),
		Uploads: uploads(f), Path: trim("path"), Mode: trim("mode"), Owner: trim("owner"), Backup: f.text("backup") != "",
		Typed: trim("typed"),
	}
	number := func(name, text string) int {
		n, err := strconv.Atoi(text)
		if text != "" && err != nil {
			fields[name] = page.FieldText(ctx, "number_invalid")
		}
		return n
	}
	in.common = remote.Common{
		Targets:  remote.Targets{Hosts: in.form.Hosts, All: in.form.All},
		Parallel: number("parallel", in.form.Parallel), Batch: number("batch", in.form.Batch),
		StopAfter: number("stop_after", in.form.StopAfter), Timeout: number("timeout", in.form.Timeout), ExpiresIn: number("expires", in.form.Expires),
	}
	for _, text := range f.texts("host") {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil {
			in.common.Targets.IDs = append(in.common.Targets.IDs, id)
		}
	}
	if in.form.Match {
		in.common.Targets.State, in.common.Targets.Search = db.HostState(in.form.MatchState), in.form.MatchSearch
		if in.form.All || len(in.common.Targets.IDs) > 0 || strings.TrimSpace(in.form.Hosts) != "" {
			fields["hosts"] = page.FieldText(ctx, "match_alone") // a filter takes hosts out of those that are named
		}
	}
	if in.form.CPU+in.form.Memory+in.form.PIDs+in.form.Files != "" {
		in.limits = &wire.Limits{CPU: in.form.CPU, Memory: in.form.Memory, PIDs: number("pids", in.form.PIDs), Files: number("files", in.form.Files)}
	}
	for line := range strings.Lines(in.form.Envs) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found {
			fields["envs"] = page.FieldText(ctx, "env_invalid")
			break
		}
		if in.envs == nil {
			in.envs = map[string]string{}
		}
		in.envs[name] = value
	}
	return in, fields
}

// uploads are the files that the server has and a form names.
func uploads(f *form) []page.Upload {
	var all []page.Upload
	for _, text := range f.texts("uploaded") {
		if u := page.ReadUpload(text); u.ID != "" {
			all = append(all, u)
		}
	}
	return all
}

// outcomeViews are the groups of an operation's jobs; none of a bootstrap.
func (w *Web) outcomeViews(ctx context.Context, operationID int64) (views []page.Outcome, rest int, err error) {
	reply, err := w.outcomes(ctx, operationID)
	if err != nil {
		return nil, 0, err
	}
	for _, g := range reply.Groups {
		if !g.State.Ended() {
			continue
		}
		v := page.Outcome{Key: outcomeKey(&g), State: string(g.State), ErrCode: g.ErrCode, Count: g.Count, Message: g.Message, Stdout: g.Stdout, Stderr: g.Stderr}
		if g.ExitCode != nil {
			v.ExitCode = strconv.Itoa(*g.ExitCode)
		}
		for _, h := range g.Hosts {
			v.Hosts = append(v.Hosts, page.OutcomeHost{Name: h.Name, JobID: h.JobID})
		}
		views = append(views, v)
	}
	return views, reply.Rest, nil
}
