package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/bootstrap"
	"hostler/server/operation"
	"hostler/ui/i18n"
	"hostler/ui/page"
)

// comparedFor is how long a file of known_hosts is held against the keys of a check: as long as the check has its secrets.
const comparedFor = operation.SecretsLinger

// comparisons remembers the files that the keys of checks are held against, in memory alone.
type comparisons struct {
	mu   sync.Mutex
	held map[int64]comparison // by check
}

type comparison struct {
	known   *bootstrap.KnownHosts
	expires time.Time
}

// get is the file for a check; nil when there is none.
func (c *comparisons) get(checkID int64, now time.Time) *bootstrap.KnownHosts {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held := c.held[checkID]; now.Before(held.expires) {
		return held.known
	}
	return nil
}

// put holds a file against a check, and drops those that have had their time.
func (c *comparisons) put(checkID int64, known *bootstrap.KnownHosts, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, old := range c.held {
		if !now.Before(old.expires) {
			delete(c.held, id)
		}
	}
	c.held[checkID] = comparison{known, now.Add(comparedFor)}
}

func (c *comparisons) forget(checkID int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, checkID)
}

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
	if len(fields) == 0 {
		known, err := bootstrap.ReadKnownHosts(text)
		if err == nil {
			w.compared.put(*d.CheckID, known, w.Options.Now())
		} else {
			fields["known_hosts"] = i18n.T(ctx, "connections.compare_unread", "Error", err.Error())
		}
	}
	status := http.StatusOK
	if len(fields) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return w.showConnections(c, status, d, fields)
}

// refuseHarm asks whether a start is meant though the file that was held against the keys speaks against some of them.
// It says how many those are.
func (w *Web) refuseHarm(ctx context.Context, checkID int64, tasks []db.Task, despite bool, fields map[string]string) (harmful int, err error) {
	keys, err := bootstrap.HostKeys(tasks, w.compared.get(checkID, w.Options.Now()))
	if err != nil {
		return 0, err
	}
	for _, k := range keys {
		if slices.Contains(harm, k.Comparison) {
			harmful++
		}
	}
	if harmful > 0 && !despite {
		fields["despite"] = page.FieldText(ctx, "keys_harmful")
	}
	return harmful, nil
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
