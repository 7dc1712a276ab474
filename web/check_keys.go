package web

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/bootstrap"
	"hostler/ui/i18n"
	"hostler/ui/page"
)

type keysRequest struct {
	KnownHosts *string `json:"known_hosts,omitempty"` // the text of such a file; without it nothing is compared
}

type keysReply struct {
	Keys []shownKeyReply `json:"keys"`
}

type shownKeyReply struct {
	Host        string               `json:"host"`
	Jump        bool                 `json:"jump,omitempty"` // it is the jump host's
	Target      string               `json:"target"`         // "name:port"
	Algorithm   string               `json:"algorithm"`
	Fingerprint string               `json:"fingerprint"`
	Known       bool                 `json:"known"` // it was trusted before the check
	Comparison  bootstrap.Comparison `json:"comparison,omitempty"`
}

// compareKeys is POST checks/{id}/keys: the host keys that a check found, beside what a file of known_hosts says of them.
func (w *Web) compareKeys(c *gin.Context) error {
	n, err := pathID(c, "id")
	if err != nil {
		return err
	}
	var in keysRequest
	if c.Request.ContentLength != 0 {
		if err := decode(c, &in); err != nil {
			return err
		}
	}
	ctx := c.Request.Context()
	o, err := w.DB.Operation(ctx, n)
	if err == nil && o.Kind != bootstrap.CheckKindName {
		err = db.ErrNotFound
	}
	if err != nil {
		return err
	}
	var known *bootstrap.KnownHosts
	if in.KnownHosts != nil {
		if len(*in.KnownHosts) > maxHosts {
			return invalid(map[string]string{"known_hosts": tooManyBytes(maxHosts)})
		}
		if known, err = bootstrap.ReadKnownHosts(*in.KnownHosts); err != nil {
			return invalid(map[string]string{"known_hosts": i18n.T(ctx, "connections.compare_unread", "Error", err.Error())})
		}
	}
	tasks, err := w.DB.Tasks(ctx, n)
	if err != nil {
		return err
	}
	keys, err := bootstrap.HostKeys(tasks, known)
	if err != nil {
		return err
	}
	reply := keysReply{Keys: make([]shownKeyReply, len(keys))}
	for i, k := range keys {
		reply.Keys[i] = shownKeyReply{
			Host: k.Host, Jump: k.Jump, Target: k.Row.Target, Algorithm: k.Row.Algorithm, Fingerprint: k.Row.Fingerprint, Known: k.Known, Comparison: k.Comparison,
		}
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// compareConnections is POST /wizards/{id}/connections/compare: the page with the keys beside a file of known_hosts.
func (w *Web) compareConnections(c *gin.Context) error {
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
	fields := largeFields(ctx, f)
	if wrong := fields["known_hosts_file"]; wrong != "" {
		fields = map[string]string{"known_hosts": wrong}
	}
	text := cmp.Or(f.text("known_hosts_file"), f.text("known_hosts"))
	if text == "" && len(fields) == 0 {
		fields["known_hosts"] = page.FieldText(ctx, "required")
	}
	refuseKeys(ctx, fields, map[string]*string{"known_hosts": &text})
	var known *bootstrap.KnownHosts
	if len(fields) == 0 {
		if known, err = bootstrap.ReadKnownHosts(text); err != nil {
			fields["known_hosts"] = i18n.T(ctx, "connections.compare_unread", "Error", err.Error())
		}
	}
	status := http.StatusOK
	if len(fields) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return w.showConnections(c, status, d, fields, known)
}

// harm orders what is told of keys: what speaks against one first, then those that are new.
var harm = []bootstrap.Comparison{bootstrap.KeyRevoked, bootstrap.KeyDiffers}

// keyViews are the keys that hosts showed, those first that ask for a look.
func keyViews(keys []bootstrap.HostKey) []page.ShownKey {
	views := make([]page.ShownKey, len(keys))
	for i, k := range keys {
		views[i] = page.ShownKey{
			Host: k.Host, Jump: k.Jump, Algorithm: k.Row.Algorithm, Fingerprint: k.Row.Fingerprint, Known: k.Known,
			Comparison: string(k.Comparison), Harmful: slices.Contains(harm, k.Comparison),
		}
	}
	rank := func(k page.ShownKey) int {
		switch {
		case k.Harmful:
			return 0
		case k.Comparison == string(bootstrap.KeySame):
			return 3
		case k.Known:
			return 2
		}
		return 1
	}
	slices.SortStableFunc(views, func(a, b page.ShownKey) int { return cmp.Compare(rank(a), rank(b)) })
	return views
}
