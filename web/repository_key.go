package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/repo"
	"hostler/server/audit"
	"hostler/server/event"
	"hostler/server/fleet"
	"hostler/ui/page"
)

// signingKeyReply is one signing key in the API.
type signingKeyReply struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
	Signs       bool   `json:"signs"`
}

// keyRotationReply is how far the change of signing keys is.
type keyRotationReply struct {
	Stage    repo.KeyStage    `json:"stage"`
	Old      signingKeyReply  `json:"old"`
	New      *signingKeyReply `json:"new"` // null when there is one key
	Hosts    keyHosts         `json:"hosts"`
	Channels keyChannels      `json:"channels"`
}

type keyHosts struct {
	Total   int `json:"total"`
	Lacking int `json:"lacking"` // do not have the new key
	Lost    int `json:"lost"`    // of these
}

type keyChannels struct {
	Total int `json:"total"`
	Stale int `json:"stale"` // the key that signs now has not signed them yet
}

type keyStageRequest struct {
	Stage repo.KeyStage `json:"stage"` // that the keys are in
	Force bool          `json:"force,omitempty"`
}

// lackingReply is a host that does not have the new key.
type lackingReply struct {
	Host  string       `json:"host"`
	State db.HostState `json:"state"`
	Keys  string       `json:"keys"` // what is known of those that it has: one of page.LackingKeys
}

type lackingListReply struct {
	Items []lackingReply `json:"items"`
	Next  string         `json:"next"` // for ?after=; "" on the last page
}

func signingKeyReplyOf(k repo.SigningKey) signingKeyReply {
	return signingKeyReply{k.Name, k.Fingerprint, k.Signs}
}

func (w *Web) keyRotationReply(r repo.KeyRotation) keyRotationReply {
	reply := keyRotationReply{Stage: r.Stage, Old: signingKeyReplyOf(r.Old), Hosts: w.keyHosts(r), Channels: keyChannels{r.Channels, r.Stale}}
	if r.New != nil {
		next := signingKeyReplyOf(*r.New)
		reply.New = &next
	}
	return reply
}

// lacksKey says whether packages that a key has signed would be refused on a host.
func lacksKey(h *db.Host, short string) bool {
	keys := strings.Fields(h.RepositoryKeys)
	return !slices.Contains(keys, short) && !slices.Contains(keys, repo.NeedsNoKey)
}

// keysOf is what is known of the keys of a host that lacks the new one.
func keysOf(h *db.Host, r repo.KeyRotation) string {
	switch {
	case h.RepositoryKeys == "":
		return "unsaid"
	case slices.Contains(strings.Fields(h.RepositoryKeys), r.Old.Short):
		return "old"
	}
	return "other"
}

// keyHosts counts hosts. While there is one key, none lacks another.
func (w *Web) keyHosts(r repo.KeyRotation) (n keyHosts) {
	w.Fleet.Select(context.Background(), func(h *db.Host) bool {
		n.Total++
		if r.New == nil || !lacksKey(h, r.New.Short) {
			return false
		}
		n.Lacking++
		if h.State == db.HostLost {
			n.Lost++
		}
		return false
	})
	return n
}

// getRepositoryKey is GET repository-key.
func (w *Web) getRepositoryKey(c *gin.Context) error {
	c.JSON(http.StatusOK, w.keyRotationReply(w.Repo.KeyRotation()))
	return nil
}

// listLacking is GET repository-key/hosts.
func (w *Web) listLacking(c *gin.Context) error {
	limit, err := queryInt(c, "limit", behindPerPage, 1, 1000)
	if err != nil {
		return err
	}
	after, err := afterOf(c)
	if err != nil {
		return err
	}
	r := w.Repo.KeyRotation()
	hosts, next := w.findLacking(r, after, int(limit))
	reply := lackingListReply{Items: make([]lackingReply, len(hosts)), Next: next}
	for i := range hosts {
		h := &hosts[i]
		reply.Items[i] = lackingReply{h.Name, h.State, keysOf(&h.Host, r)}
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// findLacking finds the hosts that do not have the new key, once they are to have it: by name, behind a position.
func (w *Web) findLacking(r repo.KeyRotation, after position, limit int) (hosts []fleet.Host, next string) {
	if r.New == nil || r.Stage == repo.KeyStandby {
		return nil, ""
	}
	return w.pageOfHosts(after, limit, func(h *db.Host) bool { return lacksKey(h, r.New.Short) })
}

// pageOfHosts finds hosts by name, behind a position.
func (w *Web) pageOfHosts(after position, limit int, want func(*db.Host) bool) (hosts []fleet.Host, next string) {
	hosts = w.Fleet.Select(context.Background(), func(h *db.Host) bool { return position{h.Name, h.ID}.compare(after) > 0 && want(h) })
	if len(hosts) > limit {
		hosts = hosts[:limit]
		next = position{hosts[limit-1].Name, hosts[limit-1].ID}.String()
	}
	return hosts, next
}

// advanceKey is POST repository-key/advance.
func (w *Web) advanceKey(c *gin.Context) error { return w.moveKeyByAPI(c, w.goOnWithKey) }

// takeBackKey is POST repository-key/back.
func (w *Web) takeBackKey(c *gin.Context) error { return w.moveKeyByAPI(c, w.goBackWithKey) }

func (w *Web) moveKeyByAPI(c *gin.Context, move func(*gin.Context, keyStageRequest) (repo.KeyRotation, error)) error {
	var in keyStageRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	if !slices.Contains(repo.KeyStages, in.Stage) {
		return invalid(map[string]string{"stage": "there is no such stage"})
	}
	r, err := move(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, w.keyRotationReply(r))
	return nil
}

func (w *Web) goOnWithKey(c *gin.Context, in keyStageRequest) (repo.KeyRotation, error) {
	lacking := func(short string) int {
		return w.keyHosts(repo.KeyRotation{New: &repo.SigningKey{Short: short}}).Lacking
	}
	r, err := w.Repo.AdvanceKey(c.Request.Context(), in.Stage, lacking, in.Force)
	return w.movedKey(c, in, r, err)
}

func (w *Web) goBackWithKey(c *gin.Context, in keyStageRequest) (repo.KeyRotation, error) {
	r, err := w.Repo.TakeBackKey(in.Stage)
	return w.movedKey(c, in, r, err)
}

// movedKey records a change of stage, or says why there was none. What another key has signed is signed anew behind it.
func (w *Web) movedKey(c *gin.Context, in keyStageRequest, r repo.KeyRotation, err error) (repo.KeyRotation, error) {
	var elsewhere *repo.KeyStageError
	var behind *repo.KeyBehindError
	var stale *repo.StaleError
	if r.Stale > 0 {
		w.Republish()
	}
	switch {
	case errors.As(err, &elsewhere):
		return r, refuse(http.StatusConflict, "key_stage_changed", "the change of signing keys is in the stage "+string(elsewhere.Is), "look again")
	case errors.As(err, &behind):
		return r, refuse(http.StatusConflict, "hosts_lack_key", fmt.Sprintf("%d hosts do not have the new key yet", behind.Hosts),
			"wait for them, upgrade their agents, or force it and put the key on them by hand")
	case errors.As(err, &stale):
		return r, refuse(http.StatusConflict, "channels_stale", fmt.Sprintf("%d channels are not signed with the key that signs now yet", stale.Channels),
			"they are being signed: wait a moment, and look into the server's log if it takes long")
	case err != nil:
		return r, err
	}
	audit.About(c.Request.Context(), "repository key", map[string]string{"stage": string(in.Stage)}, map[string]any{"stage": r.Stage, "force": in.Force})
	params := map[string]string{"from": string(in.Stage), "to": string(r.Stage), "address": c.RemoteIP()}
	if in.Force {
		params["force"] = "true"
	}
	w.Events.Record(c.Request.Context(), db.Event{Kind: event.RepositoryKeyMoved, Severity: db.SeverityWarning, Actor: identity(c).Name, Params: params})
	return r, nil
}

// repositoryKeyPage is GET /trust/repository-key.
func (w *Web) repositoryKeyPage(c *gin.Context) error {
	after, err := afterOf(c)
	if err != nil {
		return err
	}
	r := w.Repo.KeyRotation()
	n := w.keyHosts(r)
	hosts, next := w.findLacking(r, after, behindPerPage)
	v := page.RepositoryKeyView{
		Frame: w.frame(c), Stage: string(r.Stage), Old: signingKeyView(r.Old), Total: n.Total, Lacking: n.Lacking, Lost: n.Lost,
		Channels: r.Channels, Stale: r.Stale, Next: next, Paged: c.Query("after") != "",
	}
	if r.New != nil {
		fresh := signingKeyView(*r.New)
		v.New = &fresh
	}
	for i := range hosts {
		h := &hosts[i]
		v.Behind = append(v.Behind, page.LackingHost{ID: h.ID, Host: h.Name, State: string(h.State), Keys: keysOf(&h.Host, r)})
	}
	return show(c, http.StatusOK, page.RepositoryKeyPage(v))
}

func signingKeyView(k repo.SigningKey) page.SigningKey {
	return page.SigningKey{Name: k.Name, Fingerprint: k.Fingerprint, Signs: k.Signs}
}

// advanceKeyForm is POST /trust/repository-key/advance.
func (w *Web) advanceKeyForm(c *gin.Context) error { return w.moveKeyByForm(c, w.goOnWithKey) }

// takeBackKeyForm is POST /trust/repository-key/back.
func (w *Web) takeBackKeyForm(c *gin.Context) error { return w.moveKeyByForm(c, w.goBackWithKey) }

func (w *Web) moveKeyByForm(c *gin.Context, move func(*gin.Context, keyStageRequest) (repo.KeyRotation, error)) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	if _, err := move(c, keyStageRequest{Stage: repo.KeyStage(f.text("stage")), Force: f.text("force") != ""}); err != nil {
		return err
	}
	notice(c, "repository_key_moved")
	return goTo(c, "/trust/repository-key")
}
