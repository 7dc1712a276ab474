package web

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/remote"
	"hostler/ui/page"
)

// newRemovalPage is GET /host-removals/new. ?gone= fills in that the hosts are not there any more.
func (w *Web) newRemovalPage(c *gin.Context) error { return w.newWork(c, page.RemovePage) }

// newRemoval is POST /host-removals/new.
func (w *Web) newRemoval(c *gin.Context) error {
	return w.startFromForm(c, page.RemovePage, func(ctx context.Context, in formWork, actor string) (*db.Operation, error) {
		if !slices.Contains(page.RemoveWays, in.form.Action) {
			return nil, badQuery("action", "there is no such action")
		}
		hosts, err := in.common.Targets.Resolve(ctx, w.Fleet)
		if err != nil {
			return nil, err
		}
		if !saysAgain(in.form.Typed, hosts) {
			return nil, invalid(map[string]string{"typed": page.FieldText(ctx, "remove_typed")})
		}
		return w.Remote.Remove(ctx, remote.RemoveRequest{
			Common: in.common, KeepChildren: in.form.Action == page.RemoveKeep, Gone: in.form.Action == page.RemoveGone,
		}, actor)
	})
}

// saysAgain reports whether somebody typed which hosts are meant: the name of the only one, or how many they are.
func saysAgain(typed string, hosts []db.Host) bool {
	if len(hosts) == 1 && strings.EqualFold(typed, hosts[0].Name) {
		return true
	}
	return len(hosts) > 1 && typed == strconv.Itoa(len(hosts))
}
