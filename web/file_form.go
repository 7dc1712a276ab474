package web

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/remote"
	"hostler/ui/page"
)

// previewOf expands what was typed; an empty list is no mistake yet.
func previewOf(ctx context.Context, hosts string) page.Preview {
	if strings.TrimSpace(hosts) == "" {
		return page.Preview{}
	}
	return preview(ctx, hosts)
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
		f.fields["uploaded"] = [][]byte{[]byte(kept.Checksum)}
	}
	return w.startFromForm(c, page.PushPage, func(ctx context.Context, in formWork, actor string) (*db.Operation, error) {
		if err := refuseKeyInPath(ctx, &in.form.Path); err != nil {
			return nil, err
		}
		return w.Remote.Push(ctx, remote.PushRequest{
			Common: in.common, File: in.form.File, Path: in.form.Path, Mode: in.form.Mode, Owner: in.form.Owner, Backup: in.form.Backup,
		}, actor)
	})
}

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
