package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/repo/upstream"
	"hostler/server/audit"
	"hostler/server/event"
	"hostler/server/mirror"
	"hostler/ui/page"
)

type mirrorsReply struct {
	Items []mirror.Mirror `json:"items"`
}

// mirrorFailure is the answer to what package mirror refuses; nil when it is another error.
func mirrorFailure(err error) *failure {
	var wrong *mirror.FieldError
	switch {
	case errors.As(err, &wrong):
		return invalid(map[string]string{wrong.Field: wrong.Message})
	case errors.Is(err, mirror.ErrRuns):
		return refuse(http.StatusConflict, "running", "this mirror runs already", "wait until its operation has ended, or cancel that")
	}
	return nil
}

// listMirrors is GET repositories/{repository}/mirrors.
func (w *Web) listMirrors(c *gin.Context) error {
	if _, err := w.Repo.Repository(c.Param("repository")); err != nil {
		return err
	}
	all, err := w.Mirrors.List(c.Request.Context(), c.Param("repository"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, mirrorsReply{all})
	return nil
}

// getMirror is GET repositories/{repository}/mirrors/{id}.
func (w *Web) getMirror(c *gin.Context) error {
	m, err := w.pathMirror(c)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, m)
	return nil
}

func (w *Web) pathMirror(c *gin.Context) (*mirror.Mirror, error) {
	id, err := pathID(c, "id")
	if err != nil {
		return nil, err
	}
	return w.Mirrors.Get(c.Request.Context(), c.Param("repository"), id)
}

// createMirror is POST repositories/{repository}/mirrors.
func (w *Web) createMirror(c *gin.Context) error {
	var in mirror.Request
	if err := decode(c, &in); err != nil {
		return err
	}
	m, err := w.makeMirror(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, m)
	return nil
}

func (w *Web) makeMirror(c *gin.Context, in mirror.Request) (*mirror.Mirror, error) {
	in.Repository = c.Param("repository")
	m, err := w.Mirrors.Create(c.Request.Context(), in, identity(c).Name)
	if err == nil {
		w.recordMirror(c, event.MirrorCreated, m, nil, m)
	}
	return m, err
}

// changeMirror is POST repositories/{repository}/mirrors/{id}.
func (w *Web) changeMirror(c *gin.Context) error {
	var in mirror.Request
	if err := decode(c, &in); err != nil {
		return err
	}
	m, err := w.alterMirror(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, m)
	return nil
}

func (w *Web) alterMirror(c *gin.Context, in mirror.Request) (*mirror.Mirror, error) {
	was, err := w.pathMirror(c)
	if err != nil {
		return nil, err
	}
	in.Repository = was.Repository
	m, err := w.Mirrors.Change(c.Request.Context(), was.ID, in)
	if err == nil {
		w.recordMirror(c, event.MirrorChanged, m, was, m)
	}
	return m, err
}

// runMirror is POST repositories/{repository}/mirrors/{id}/run.
func (w *Web) runMirror(c *gin.Context) error {
	o, err := w.startMirror(c)
	if err != nil {
		return err
	}
	c.Header("Location", api+"/operations/"+strconv.FormatInt(o.ID, 10))
	c.JSON(http.StatusCreated, startedReply{o.ID})
	return nil
}

func (w *Web) startMirror(c *gin.Context) (*db.Operation, error) {
	id, err := pathID(c, "id")
	if err != nil {
		return nil, err
	}
	return w.Mirrors.Run(c.Request.Context(), c.Param("repository"), id, identity(c).Name)
}

// removeMirror is POST repositories/{repository}/mirrors/{id}/remove.
func (w *Web) removeMirror(c *gin.Context) error {
	m, err := w.dropMirror(c)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, m)
	return nil
}

func (w *Web) dropMirror(c *gin.Context) (*mirror.Mirror, error) {
	id, err := pathID(c, "id")
	if err != nil {
		return nil, err
	}
	m, err := w.Mirrors.Remove(c.Request.Context(), c.Param("repository"), id)
	if err == nil {
		w.recordMirror(c, event.MirrorRemoved, m, m, nil)
	}
	return m, err
}

func (w *Web) recordMirror(c *gin.Context, kind string, m *mirror.Mirror, was, became any) {
	ctx := c.Request.Context()
	audit.About(ctx, m.Repository+"/"+m.Channel, was, became)
	w.Events.Record(context.WithoutCancel(ctx), db.Event{Kind: kind, Actor: identity(c).Name, Params: map[string]string{
		"repository": m.Repository, "channel": m.Channel, "upstream": m.URL,
	}})
}

// mirrorsPage is GET /repositories/{repository}/mirrors.
func (w *Web) mirrorsPage(c *gin.Context) error {
	return w.showMirrors(c, http.StatusOK, page.MirrorForm{Trust: string(upstream.TrustIndex), Newest: "1"})
}

func (w *Web) showMirrors(c *gin.Context, status int, form page.MirrorForm) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	all, err := w.Mirrors.List(c.Request.Context(), r.Name)
	if err != nil {
		return err
	}
	v := page.MirrorsView{Frame: w.frame(c), Repository: r, Form: form}
	for i := range all {
		v.Mirrors = append(v.Mirrors, mirrorView(&all[i]))
	}
	return show(c, status, page.MirrorsPage(v))
}

func mirrorView(m *mirror.Mirror) page.Mirror {
	v := page.Mirror{
		ID: m.ID, Channel: m.Channel, URL: m.URL, Suite: m.Suite, Packages: len(m.Packages), OnDemand: m.OnDemand, Schedule: m.Schedule, By: m.CreatedBy,
		Operation: m.Operation, State: string(m.State),
	}
	if m.RanAt != nil {
		v.Ran = *m.RanAt
	}
	if m.NextAt != nil {
		v.Next = *m.NextAt
	}
	return v
}

// mirrorPage is GET /repositories/{repository}/mirrors/{id}.
func (w *Web) mirrorPage(c *gin.Context) error {
	m, err := w.pathMirror(c)
	if err != nil {
		return err
	}
	return w.showMirror(c, http.StatusOK, m, mirrorFormOf(&m.Definition))
}

func (w *Web) showMirror(c *gin.Context, status int, m *mirror.Mirror, form page.MirrorForm) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	return show(c, status, page.MirrorPage(page.MirrorView{Frame: w.frame(c), Repository: r, Mirror: mirrorView(m), Form: form}))
}

// newMirrorForm is POST /repositories/{repository}/mirrors.
func (w *Web) newMirrorForm(c *gin.Context) error {
	form, in, err := readMirrorForm(c)
	if err != nil {
		return err
	}
	if len(form.Fields) == 0 {
		if _, err = w.makeMirror(c, in); err == nil {
			notice(c, "mirror_created")
			return goTo(c, repositoryURL(c.Param("repository"), "mirrors"))
		}
		if form.Fields, err = mirrorFields(c.Request.Context(), err); err != nil {
			return err
		}
	}
	return w.showMirrors(c, http.StatusUnprocessableEntity, form)
}

// changeMirrorForm is POST /repositories/{repository}/mirrors/{id}.
func (w *Web) changeMirrorForm(c *gin.Context) error {
	form, in, err := readMirrorForm(c)
	if err != nil {
		return err
	}
	m, err := w.pathMirror(c)
	if err != nil {
		return err
	}
	if len(form.Fields) == 0 {
		if _, err = w.alterMirror(c, in); err == nil {
			notice(c, "mirror_changed")
			return goTo(c, repositoryURL(m.Repository, "mirrors"))
		}
		if form.Fields, err = mirrorFields(c.Request.Context(), err); err != nil {
			return err
		}
	}
	return w.showMirror(c, http.StatusUnprocessableEntity, m, form)
}

// runMirrorForm is POST /repositories/{repository}/mirrors/{id}/run. A second click leads to what the first one started.
func (w *Web) runMirrorForm(c *gin.Context) error {
	o, err := w.startMirror(c)
	if err != nil && !errors.Is(err, mirror.ErrRuns) {
		return err
	}
	return goTo(c, "/operations/"+strconv.FormatInt(o.ID, 10))
}

// removeMirrorForm is POST /repositories/{repository}/mirrors/{id}/remove.
func (w *Web) removeMirrorForm(c *gin.Context) error {
	if _, err := w.dropMirror(c); err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	notice(c, "mirror_removed")
	return goTo(c, repositoryURL(c.Param("repository"), "mirrors"))
}

// readMirrorForm reads what was typed. Numbers that are none are told as fields of the form.
func readMirrorForm(c *gin.Context) (page.MirrorForm, mirror.Request, error) {
	f, err := readForm(c)
	if err != nil {
		return page.MirrorForm{}, mirror.Request{}, err
	}
	form := page.MirrorForm{
		Channel: f.text("channel"), URL: f.text("url"), Suite: f.text("suite"), Components: f.text("components"), Architectures: f.text("architectures"),
		Trust: f.text("trust"), Keys: f.text("keys"), Expired: f.text("expired") != "", Packages: f.text("packages"), Exclude: f.text("exclude"),
		Newest: f.text("newest"), Alone: f.text("alone") != "", Recommended: f.text("recommended") != "", OnDemand: f.text("on_demand") != "", Schedule: f.text("schedule"),
		Proxy: f.text("proxy"), Bandwidth: f.text("bandwidth"), Fields: map[string]string{},
	}
	in := mirror.Request{Channel: form.Channel, Definition: mirror.Definition{
		Source: upstream.Source{
			URL: form.URL, Suite: strings.TrimSpace(form.Suite), Components: words(form.Components), Architectures: words(form.Architectures),
			Trust: upstream.Trust(form.Trust), Keys: form.Keys, Expired: form.Expired,
		},
		Filter:   upstream.Filter{Packages: lines(form.Packages), Exclude: lines(form.Exclude), Alone: form.Alone, Recommended: form.Recommended},
		OnDemand: form.OnDemand, Schedule: form.Schedule, Proxy: form.Proxy,
	}}
	for _, number := range []struct {
		field, text string
		into        func(n int64)
	}{
		{"newest", form.Newest, func(n int64) { in.Newest = int(n) }},
		{"bandwidth", form.Bandwidth, func(n int64) { in.Bandwidth = n << 10 }},
	} {
		text := strings.TrimSpace(number.text)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			form.Fields[number.field] = page.MirrorFieldText(c.Request.Context(), number.field, "this is no number")
			continue
		}
		number.into(n)
	}
	return form, in, nil
}

// mirrorFormOf is the form as it was last sent.
func mirrorFormOf(d *mirror.Definition) page.MirrorForm {
	form := page.MirrorForm{
		URL: d.URL, Suite: d.Suite, Components: strings.Join(d.Components, ", "), Architectures: strings.Join(d.Architectures, ", "),
		Trust: string(d.Trust), Keys: d.Keys, Expired: d.Expired, Packages: strings.Join(d.Packages, "\n"), Exclude: strings.Join(d.Exclude, "\n"),
		Newest: strconv.Itoa(d.Newest), Alone: d.Alone, Recommended: d.Recommended, OnDemand: d.OnDemand, Schedule: d.Schedule, Proxy: d.Proxy,
	}
	if d.Bandwidth > 0 {
		form.Bandwidth = strconv.FormatInt(d.Bandwidth>>10, 10)
	}
	return form
}

// mirrorFields puts what is wrong with a request beside its field. Any other error it returns.
func mirrorFields(ctx context.Context, err error) (map[string]string, error) {
	var wrong *mirror.FieldError
	if errors.As(err, &wrong) {
		return map[string]string{wrong.Field: page.MirrorFieldText(ctx, wrong.Code, wrong.Message)}, nil
	}
	return repositoryFields(ctx, err)
}

// lines are those of a text that say something.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
