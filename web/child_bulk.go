package web

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/remote"
	"hostler/ui/page"
)

// configurePage is GET /child-agents/configure.
func (w *Web) configurePage(c *gin.Context) error { return w.newWork(c, page.ConfigurePage) }

// configureChildren is POST /child-agents/configure.
func (w *Web) configureChildren(c *gin.Context) error {
	return w.startFromForm(c, page.ConfigurePage, func(ctx context.Context, in formWork, actor string) (*db.Operation, error) {
		request := remote.ChildRequest{Common: in.common, Name: in.form.Name, Version: in.form.Version, Envs: in.envs, Limits: in.limits}
		// A definition takes the place of the host's, and the child agent is started anew for it: one that was only shown is not sent.
		if in.form.Definition != in.form.Shown {
			request.Definition = in.form.Definition
		}
		return w.Remote.Child(ctx, wire.ActionConfigure, request, actor)
	})
}

// actOnChildren is POST /child-agents/actions: a button for the chosen rows of the list. It starts one operation for each
// name among them. Many, or what removes something, is asked about first.
func (w *Web) actOnChildren(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	action := f.text("action")
	if !slices.Contains(page.ManageActions, action) {
		return badQuery("action", "there is no such action")
	}
	chosen, err := chosenChildren(f.texts("child"))
	if err != nil {
		return err
	}
	v := page.BulkView{Frame: w.frame(c), Action: action}
	for _, name := range slices.Sorted(maps.Keys(chosen)) {
		v.Groups = append(v.Groups, page.BulkGroup{Name: name, HostIDs: chosen[name], Hosts: slices.Sorted(maps.Values(w.Fleet.Names(c.Request.Context(), chosen[name])))})
	}
	if n := v.Count(); n == 0 || (n > page.ConfirmAbove || action == wire.ActionUninstall) && f.text("confirmed") != strconv.Itoa(n) {
		return show(c, http.StatusUnprocessableEntity, page.BulkPage(v))
	}
	var last *db.Operation
	for _, g := range v.Groups {
		request := remote.ChildRequest{Common: remote.Common{Targets: remote.Targets{IDs: g.HostIDs}}, Name: g.Name}
		if last, err = w.Remote.Child(c.Request.Context(), action, request, identity(c).Name); err != nil {
			return invalidWork(c.Request.Context(), err)
		}
	}
	if len(v.Groups) > 1 {
		return goTo(c, "/operations")
	}
	return goTo(c, operationPath(last.ID))
}

// chosenChildren sorts rows, "HOST.NAME" each, by name.
func chosenChildren(rows []string) (map[string][]int64, error) {
	chosen := map[string][]int64{}
	for _, row := range rows {
		number, name, _ := strings.Cut(row, ".")
		id, err := strconv.ParseInt(number, 10, 64)
		if err != nil || name == "" {
			return nil, badQuery("child", "this is not a row of the list")
		}
		if !slices.Contains(chosen[name], id) {
			chosen[name] = append(chosen[name], id)
		}
	}
	return chosen, nil
}
