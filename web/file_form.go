package web

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/bootstrap/hostlist"
	"hostler/server/remote"
	"hostler/ui/page"
)

// previewOf expands what was typed; an empty list is no mistake yet.
func previewOf(ctx context.Context, hosts string) page.Preview {
	if strings.TrimSpace(hosts) == "" {
		return page.Preview{}
	}
	known, problems := hostlist.Expand(hosts)
	return previewed(ctx, hostlist.List{Hosts: known, Problems: problems})
}

// newPushPage is GET /pushes/new.
func (w *Web) newPushPage(c *gin.Context) error { return w.newWork(c, page.PushPage) }

// newPush is POST /pushes/new. The file is kept first: a form that is refused need not bring it again.
func (w *Web) newPush(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	if content := f.take("file"); len(content) > 0 {
		kept, err := w.Files.Upload(c.Request.Context(), bytes.NewReader(content), identity(c).Name)
		if err != nil {
			return err
		}
		sent := page.Upload{ID: kept.Checksum, Name: f.text("file_name")}
		f.fields["uploaded"] = [][]byte{[]byte(sent.Value())}
	}
	return w.startFromForm(c, page.PushPage, func(ctx context.Context, in formWork, actor string) (*db.Operation, error) {
		if err := refuseKeyInPath(ctx, &in.form.Path); err != nil {
			return nil, err
		}
		return w.push(c, in, actor)
	})
}

// push starts one operation for each file of a form, and returns the first one.
func (w *Web) push(c *gin.Context, in formWork, actor string) (first *db.Operation, err error) {
	ctx := c.Request.Context()
	requests, err := pushes(ctx, &in)
	if err != nil {
		return nil, err
	}
	for _, r := range requests[min(1, len(requests)):] { // the first says itself what is wrong with it
		_, err := w.Files.Use(ctx, r.File)
		if errors.Is(err, db.ErrNotFound) {
			return nil, invalid(map[string]string{"file": page.FieldText(ctx, "no_file")})
		}
		if err != nil {
			return nil, err
		}
	}
	for _, r := range requests {
		o, err := w.Remote.Push(ctx, r, actor)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = o
		}
	}
	if len(requests) > 1 {
		notice(c, "pushes_started")
	}
	return first, nil
}

// pushes are what a form asks for. A path that ends with a slash is the directory that the files go into by their names;
// several files need one.
func pushes(ctx context.Context, in *formWork) ([]remote.PushRequest, error) {
	r := remote.PushRequest{Common: in.common, Path: in.form.Path, Mode: in.form.Mode, Owner: in.form.Owner, Backup: in.form.Backup}
	files := in.form.Uploads
	directory := len(in.form.Path) > 1 && strings.HasSuffix(in.form.Path, "/")
	switch {
	case len(files) == 0:
		return []remote.PushRequest{r}, nil // which is refused, and says why
	case len(files) > maxPushes:
		return nil, invalid(map[string]string{"file": page.FieldText(ctx, "too_many_files")})
	case len(files) > 1 && !directory:
		return nil, invalid(map[string]string{"path": page.FieldText(ctx, "path_no_directory")})
	}
	all, paths := make([]remote.PushRequest, len(files)), map[string]bool{}
	for i, f := range files {
		all[i] = r
		all[i].File = f.ID
		if directory {
			all[i].Path = in.form.Path + f.Name
		}
		if paths[all[i].Path] {
			return nil, invalid(map[string]string{"file": page.FieldText(ctx, "same_name")})
		}
		paths[all[i].Path] = true
	}
	return all, nil
}

// maxPushes is how many files one form may push.
const maxPushes = 50

// newFetchPage is GET /fetches/new.
func (w *Web) newFetchPage(c *gin.Context) error { return w.newWork(c, page.FetchPage) }

// newFetch is POST /fetches/new.
func (w *Web) newFetch(c *gin.Context) error {
	return w.startFromForm(c, page.FetchPage, func(ctx context.Context, in formWork, actor string) (*db.Operation, error) {
		if err := refuseKeyInPath(ctx, &in.form.Path); err != nil {
			return nil, err
		}
		return w.Remote.Fetch(ctx, remote.FetchRequest{Common: in.common, Path: in.form.Path}, actor)
	})
}

// managePage is GET /child-agents/manage.
func (w *Web) managePage(c *gin.Context) error { return w.newWork(c, page.ManagePage) }

// manageChildren is POST /child-agents/manage.
func (w *Web) manageChildren(c *gin.Context) error {
	return w.startFromForm(c, page.ManagePage, func(ctx context.Context, in formWork, actor string) (*db.Operation, error) {
		if !slices.Contains(page.ManageActions, in.form.Action) {
			return nil, badQuery("action", "there is no such action")
		}
		return w.Remote.Child(ctx, in.form.Action, remote.ChildRequest{Common: in.common, Name: in.form.Name}, actor)
	})
}

// newUpgradePage is GET /agent-upgrades/new.
func (w *Web) newUpgradePage(c *gin.Context) error { return w.newWork(c, page.UpgradePage) }

// newUpgrade is POST /agent-upgrades/new.
func (w *Web) newUpgrade(c *gin.Context) error {
	return w.startFromForm(c, page.UpgradePage, func(ctx context.Context, in formWork, actor string) (*db.Operation, error) {
		return w.Remote.UpgradeAgents(ctx, remote.UpgradeRequest{Common: in.common}, actor)
	})
}
