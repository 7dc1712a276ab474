package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/event"
	"hostler/server/trust"
	"hostler/ui/page"
)

const behindPerPage = 100

// authorityReply is one authority in the API.
type authorityReply struct {
	Name     string    `json:"name"`
	Pin      string    `json:"pin"`
	Signs    bool      `json:"signs"`
	NotAfter time.Time `json:"not_after"`
}

// rotationReply is how far the change of authorities is.
type rotationReply struct {
	Stage trust.Stage     `json:"stage"`
	Old   authorityReply  `json:"old"`
	New   *authorityReply `json:"new"`   // null when there is one authority
	Hosts rotationHosts   `json:"hosts"` // that would be lost by going on
}

type rotationHosts struct {
	Total      int `json:"total"`
	Untrusting int `json:"untrusting"` // do not trust the new authority
	Old        int `json:"old"`        // have a certificate of the old one
	Lost       int `json:"lost"`       // of those that are behind in one or the other
}

type stageRequest struct {
	Stage trust.Stage `json:"stage"` // that the authorities are in
	Force bool        `json:"force,omitempty"`
}

// behindReply is a host that would be lost.
type behindReply struct {
	Host        string       `json:"host"`
	State       db.HostState `json:"state"`
	Trusts      bool         `json:"trusts"`    // the new authority
	Certificate bool         `json:"certified"` // by the new authority
}

type behindListReply struct {
	Items []behindReply `json:"items"`
	Next  string        `json:"next"` // for ?after=; "" on the last page
}

func authorityReplyOf(a trust.Authority) authorityReply {
	return authorityReply{a.Name, a.Pin, a.Signs, a.Cert.NotAfter}
}

func (w *Web) rotationReply(r trust.Rotation) rotationReply {
	reply := rotationReply{Stage: r.Stage, Old: authorityReplyOf(r.Old), Hosts: w.rotationHosts(r)}
	if r.New != nil {
		next := authorityReplyOf(*r.New)
		reply.New = &next
	}
	return reply
}

// trustsAuthority says whether a host has said that it trusts an authority; certifiedBy whether it shows a certificate of it.
func trustsAuthority(h *db.Host, short string) bool {
	return slices.Contains(strings.Fields(h.Trusts), short)
}

func certifiedBy(h *db.Host, short string) bool { return h.CertifiedBy == short }

// rotationHosts counts all hosts, whoever asks. While there is one authority, none is behind.
func (w *Web) rotationHosts(r trust.Rotation) (n rotationHosts) {
	w.Fleet.Select(context.Background(), func(h *db.Host) bool {
		n.Total++
		if r.New == nil {
			return false
		}
		untrusting, old := !trustsAuthority(h, r.New.Short), !certifiedBy(h, r.New.Short)
		if untrusting {
			n.Untrusting++
		}
		if old {
			n.Old++
		}
		if h.State == db.HostLost && (untrusting || old) {
			n.Lost++
		}
		return false
	})
	return n
}

// behind counts for package trust the hosts that would be lost.
func (w *Web) behind(_, fresh string) trust.BehindError {
	n := w.rotationHosts(trust.Rotation{New: &trust.Authority{Short: fresh}})
	return trust.BehindError{Untrusting: n.Untrusting, Old: n.Old}
}

// getAuthority is GET authority.
func (w *Web) getAuthority(c *gin.Context) error {
	c.JSON(http.StatusOK, w.rotationReply(w.CA.Rotation()))
	return nil
}

// listBehind is GET authority/hosts.
func (w *Web) listBehind(c *gin.Context) error {
	limit, err := queryInt(c, "limit", behindPerPage, 1, 1000)
	if err != nil {
		return err
	}
	after, err := afterOf(c)
	if err != nil {
		return err
	}
	hosts, next := w.findBehind(w.CA.Rotation(), after, int(limit))
	reply := behindListReply{Items: make([]behindReply, len(hosts)), Next: next}
	for i := range hosts {
		reply.Items[i] = hosts[i].reply()
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// behindHost is a host that is behind, with what it lacks.
type behindHost struct {
	id                int64
	name              string
	state             db.HostState
	trusts, certified bool
}

func (b *behindHost) reply() behindReply {
	return behindReply{b.name, b.state, b.trusts, b.certified}
}

// findBehind finds the hosts that would be lost, by name, behind a position.
func (w *Web) findBehind(r trust.Rotation, after position, limit int) (hosts []behindHost, next string) {
	if r.New == nil || r.Stage == trust.StageStandby {
		return nil, ""
	}
	found, next := w.pageOfHosts(after, limit, func(h *db.Host) bool {
		return !trustsAuthority(h, r.New.Short) || r.Stage == trust.StageSigning && !certifiedBy(h, r.New.Short)
	})
	for i := range found {
		h := &found[i]
		hosts = append(hosts, behindHost{h.ID, h.Name, h.State, trustsAuthority(&h.Host, r.New.Short), certifiedBy(&h.Host, r.New.Short)})
	}
	return hosts, next
}

// advanceAuthority is POST authority/advance.
func (w *Web) advanceAuthority(c *gin.Context) error { return w.moveByAPI(c, w.advance) }

// takeBackAuthority is POST authority/back.
func (w *Web) takeBackAuthority(c *gin.Context) error { return w.moveByAPI(c, w.takeBack) }

func (w *Web) moveByAPI(c *gin.Context, move func(*gin.Context, stageRequest) (trust.Rotation, error)) error {
	var in stageRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	if !slices.Contains(trust.Stages, in.Stage) {
		return invalid(map[string]string{"stage": "there is no such stage"})
	}
	r, err := move(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, w.rotationReply(r))
	return nil
}

func (w *Web) advance(c *gin.Context, in stageRequest) (trust.Rotation, error) {
	r, err := w.CA.Advance(c.Request.Context(), in.Stage, w.behind, in.Force)
	return w.moved(c, in, r, err)
}

func (w *Web) takeBack(c *gin.Context, in stageRequest) (trust.Rotation, error) {
	r, err := w.CA.Back(in.Stage)
	return w.moved(c, in, r, err)
}

// moved records a change of stage, or says why there was none.
func (w *Web) moved(c *gin.Context, in stageRequest, r trust.Rotation, err error) (trust.Rotation, error) {
	var elsewhere *trust.StageError
	var behind *trust.BehindError
	switch {
	case errors.As(err, &elsewhere):
		return r, refuse(http.StatusConflict, "stage_changed", "the change of authorities is in the stage "+string(elsewhere.Is), "look again")
	case errors.As(err, &behind):
		return r, refuse(http.StatusConflict, "hosts_behind",
			fmt.Sprintf("%d hosts do not trust the new authority yet, and %d have a certificate of the old one", behind.Untrusting, behind.Old),
			"wait for them, upgrade their agents, or force it and bootstrap them again")
	case err != nil:
		return r, err
	}
	audit.About(c.Request.Context(), "certificate authority", map[string]string{"stage": string(in.Stage)}, map[string]any{"stage": r.Stage, "force": in.Force})
	params := map[string]string{"from": string(in.Stage), "to": string(r.Stage), "address": c.RemoteIP()}
	if in.Force {
		params["force"] = "true"
	}
	w.Events.Record(c.Request.Context(), db.Event{Kind: event.AuthorityMoved, Severity: db.SeverityWarning, Actor: identity(c).Name, Params: params})
	return r, nil
}

// authorityPage is GET /trust/authority.
func (w *Web) authorityPage(c *gin.Context) error {
	r := w.CA.Rotation()
	n := w.rotationHosts(r)
	after, err := afterOf(c)
	if err != nil {
		return err
	}
	hosts, next := w.findBehind(r, after, behindPerPage)
	v := page.AuthorityView{
		Frame: w.frame(c), Stage: string(r.Stage), Old: authorityView(r.Old), Total: n.Total, Untrusting: n.Untrusting, OldCertificates: n.Old,
		Lost: n.Lost, Next: next, Paged: c.Query("after") != "",
	}
	if r.New != nil {
		fresh := authorityView(*r.New)
		v.New = &fresh
	}
	for i := range hosts {
		h := &hosts[i]
		v.Behind = append(v.Behind, page.BehindHost{ID: h.id, Host: h.name, State: string(h.state), Trusts: h.trusts, Certified: h.certified})
	}
	return show(c, http.StatusOK, page.AuthorityPage(v))
}

func authorityView(a trust.Authority) page.Authority {
	return page.Authority{Name: a.Name, Pin: a.Pin, Signs: a.Signs, Until: a.Cert.NotAfter}
}

// advanceAuthorityForm is POST /trust/authority/advance.
func (w *Web) advanceAuthorityForm(c *gin.Context) error { return w.moveByForm(c, w.advance) }

// takeBackAuthorityForm is POST /trust/authority/back.
func (w *Web) takeBackAuthorityForm(c *gin.Context) error { return w.moveByForm(c, w.takeBack) }

func (w *Web) moveByForm(c *gin.Context, move func(*gin.Context, stageRequest) (trust.Rotation, error)) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	if _, err := move(c, stageRequest{Stage: trust.Stage(f.text("stage")), Force: f.text("force") != ""}); err != nil {
		return err
	}
	notice(c, "authority_moved")
	return goTo(c, "/trust/authority")
}
