package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/event"
	"hostler/server/trust"
	"hostler/ui/page"
)

const (
	enrolRequestsPerPage = 100
	// eventsApiece is up to how many hosts that were decided on together have an event each. More have one for all; who
	// signed a host is on record with its request in any case.
	eventsApiece = 100
)

// enrolRequestReply is a host that waits in the API.
type enrolRequestReply struct {
	ID          int64            `json:"id"`
	Host        string           `json:"host"`
	Fingerprint string           `json:"fingerprint"` // hex SHA-256 of its public key, which its agent tells, too
	Address     string           `json:"address"`
	OS          string           `json:"os"`
	Arch        string           `json:"arch"`
	Machine     string           `json:"machine"`
	State       db.EnrolState    `json:"state"`
	Conflict    db.EnrolConflict `json:"conflict"`
	Token       *int64           `json:"token"`   // the number of the token that it came with, which does not admit it
	Refusal     string           `json:"refusal"` // the code of why
	CreatedAt   time.Time        `json:"created_at"`
	SeenAt      time.Time        `json:"seen_at"`
	DecidedAt   *time.Time       `json:"decided_at"`
	DecidedBy   string           `json:"decided_by"`
	Serial      string           `json:"serial"` // of the certificate that it got
}

type enrolRequestsReply struct {
	Items []enrolRequestReply `json:"items"`
	Next  string              `json:"next"` // for ?after=; "" on the last page
}

// decidedReply says what a decision achieved.
type decidedReply struct {
	Decided int `json:"decided"`
	Waiting int `json:"waiting"` // hosts that still wait
}

type cleanRequest struct {
	Hosts []string `json:"hosts"`
}

type cleanReply struct {
	Revoked  []certificateReply `json:"revoked"`
	Requests int64              `json:"requests"` // that were forgotten
}

func enrolRequestReplyOf(r *db.EnrolRequest) enrolRequestReply {
	reply := enrolRequestReply{
		ID: r.ID, Host: r.Hostname, Fingerprint: r.KeyHash, Address: r.Address, Machine: r.Machine, State: r.State, Conflict: r.Conflict,
		Token: r.TokenID, Refusal: r.Refusal, CreatedAt: r.CreatedAt, SeenAt: r.SeenAt, DecidedAt: r.DecidedAt, DecidedBy: r.DecidedBy, Serial: r.Serial,
	}
	if r.Facts != nil {
		reply.OS, reply.Arch = r.Facts.OS.Name, r.Facts.Arch
	}
	return reply
}

// listEnrolRequests is GET enrol-requests.
func (w *Web) listEnrolRequests(c *gin.Context) error {
	limit, err := queryInt(c, "limit", enrolRequestsPerPage, 1, 1000)
	if err != nil {
		return err
	}
	requests, next, err := w.findEnrolRequests(c, int(limit))
	if err != nil {
		return err
	}
	reply := enrolRequestsReply{Items: make([]enrolRequestReply, len(requests)), Next: next}
	for i := range requests {
		reply.Items[i] = enrolRequestReplyOf(&requests[i])
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// findEnrolRequests reads the page of requests that the query asks for: state, search, after.
func (w *Web) findEnrolRequests(c *gin.Context, limit int) (rs []db.EnrolRequest, next string, err error) {
	q := db.EnrolRequestQuery{State: db.EnrolState(c.Query("state")), Search: strings.ToLower(c.Query("search")), Limit: limit}
	if q.State == "" {
		q.State = db.EnrolWaiting
	}
	if !slices.Contains(db.EnrolStates, q.State) {
		return nil, "", badQuery("state", "there is no such state")
	}
	after, err := afterOf(c)
	if err != nil {
		return nil, "", err
	}
	q.After = db.HostKey{Name: after.name, ID: after.id}
	rs, key, err := w.DB.EnrolRequests(c.Request.Context(), q)
	if key != nil {
		next = position{key.Name, key.ID}.String()
	}
	return rs, next, err
}

// signEnrolRequests is POST enrol-requests/sign.
func (w *Web) signEnrolRequests(c *gin.Context) error { return w.decideByAPI(c, w.sign) }

// refuseEnrolRequests is POST enrol-requests/refuse.
func (w *Web) refuseEnrolRequests(c *gin.Context) error { return w.decideByAPI(c, w.refuseWaiting) }

func (w *Web) decideByAPI(c *gin.Context, decide func(*gin.Context, trust.Decision) (int, error)) error {
	var in trust.Decision
	if err := decode(c, &in); err != nil {
		return err
	}
	n, err := decide(c, in)
	if err != nil {
		return err
	}
	waiting, _, err := w.DB.CountEnrolRequests(c.Request.Context(), db.EnrolWaiting)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, decidedReply{n, waiting})
	return nil
}

func (w *Web) sign(c *gin.Context, in trust.Decision) (int, error) {
	signed, err := w.CA.Sign(c.Request.Context(), in, identity(c).Name)
	events := make([]db.Event, len(signed)) // what is signed is signed, also when the rest failed
	for i := range signed {
		s := &signed[i]
		events[i] = db.Event{HostID: w.hostOf(s.AgentSN), Params: map[string]string{"host": s.Hostname, "fingerprint": s.KeyHash, "serial": s.Serial}}
		if len(signed) > eventsApiece {
			break
		}
	}
	w.recordDecision(c, event.EnrolSigned, len(signed), events)
	return len(signed), err
}

func (w *Web) refuseWaiting(c *gin.Context, in trust.Decision) (int, error) {
	refused, err := w.CA.Refuse(c.Request.Context(), in, identity(c).Name)
	events := make([]db.Event, len(refused))
	for i := range refused {
		r := &refused[i]
		events[i] = db.Event{Severity: db.SeverityWarning, Params: map[string]string{"host": r.Hostname, "fingerprint": r.KeyHash, "address": r.Address}}
	}
	w.recordDecision(c, event.EnrolDenied, len(refused), events)
	return len(refused), err
}

// recordDecision records what somebody decided about n hosts.
func (w *Web) recordDecision(c *gin.Context, kind string, n int, events []db.Event) {
	aboutHosts(c, n, func(i int) string { return events[i].Params["host"] })
	if n > eventsApiece {
		events = []db.Event{{Params: map[string]string{"host": events[0].Params["host"], "more": strconv.Itoa(n - 1)}}}
	}
	for i := range events {
		events[i].Kind, events[i].Actor = kind, identity(c).Name
	}
	w.Events.RecordAll(c.Request.Context(), events)
}

// cleanCertificates is POST certificates/clean.
func (w *Web) cleanCertificates(c *gin.Context) error {
	var in cleanRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	revoked, requests, err := w.CA.Clean(c.Request.Context(), in.Hosts, identity(c).Name)
	w.recordRevoked(c, revoked)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, cleanReply{w.certificateReplies(revoked), requests})
	return nil
}

// enrolRequestsPage is GET /trust/waiting.
func (w *Web) enrolRequestsPage(c *gin.Context) error {
	requests, next, err := w.findEnrolRequests(c, enrolRequestsPerPage)
	if err != nil {
		return err
	}
	last, err := w.DB.LastEnrolRequest(c.Request.Context()) // before they are counted: no more are signed than the page says
	if err != nil {
		return err
	}
	waiting, clear, err := w.DB.CountEnrolRequests(c.Request.Context(), db.EnrolWaiting)
	if err != nil {
		return err
	}
	v := page.EnrolRequestsView{
		Frame: w.frame(c), State: c.Query("state"), Search: c.Query("search"), Next: next, Paged: c.Query("after") != "", Waiting: waiting, Clear: clear, Last: last,
	}
	if v.State == "" {
		v.State = string(db.EnrolWaiting)
	}
	for i := range requests {
		r, err := w.enrolRequestWithStory(c.Request.Context(), &requests[i])
		if err != nil {
			return err
		}
		v.Requests = append(v.Requests, r)
	}
	if v.Namesakes, err = w.namesakes(c.Request.Context()); err != nil {
		return err
	}
	return show(c, http.StatusOK, page.EnrolRequestsPage(v))
}

func (w *Web) enrolRequestWithStory(ctx context.Context, r *db.EnrolRequest) (v page.EnrolRequest, err error) {
	v = enrolRequestView(r)
	v.Story, err = w.enrolStory(ctx, r)
	return v, err
}

// enrolDoor is the list of hosts that came with tokens which do not admit them, for the page where somebody waits for hosts.
func (w *Web) enrolDoor(c *gin.Context, requests []db.EnrolRequest) (page.EnrolRequestsView, error) {
	v := page.EnrolRequestsView{Frame: w.frame(c), State: string(db.EnrolWaiting), Here: c.Request.URL.Path}
	for i := range requests {
		r, err := w.enrolRequestWithStory(c.Request.Context(), &requests[i])
		if err != nil {
			return v, err
		}
		if r.State == string(db.EnrolWaiting) {
			v.Waiting++
		}
		v.Requests = append(v.Requests, r)
	}
	return v, nil
}

// enrolStory says what has happened to a host that waits with a conflict, as far as it can be told. Conflicts are few.
func (w *Web) enrolStory(ctx context.Context, r *db.EnrolRequest) (string, error) {
	if r.State != db.EnrolWaiting || r.Conflict != db.ConflictKnown {
		return string(r.Conflict), nil
	}
	latest, err := w.DB.LatestCertificates(ctx, db.Traces{Hostname: r.Hostname})
	if err != nil || len(latest) == 0 {
		return "", err
	}
	reports := false
	if n, known := w.Fleet.Number(latest[0].AgentSN); known {
		h, ok := w.Fleet.Get(ctx, n)
		reports = ok && h.State != db.HostLost
	}
	return storyOf(r.Machine, latest[0].Machine, reports), nil
}

func enrolRequestView(r *db.EnrolRequest) page.EnrolRequest {
	v := page.EnrolRequest{
		ID: r.ID, Host: r.Hostname, Fingerprint: r.KeyHash, Address: r.Address, State: string(r.State), Conflict: string(r.Conflict), Refusal: r.Refusal,
		Since: r.CreatedAt, Decided: at(r.DecidedAt), DecidedBy: r.DecidedBy,
	}
	if f := r.Facts; f != nil {
		v.OS, v.Arch, v.Cores, v.Memory = f.OS.Name, f.Arch, f.CPU.Cores, f.Memory
	}
	return v
}

// signForm is POST /trust/waiting/sign.
func (w *Web) signForm(c *gin.Context) error { return w.decideByForm(c, "enrol_signed", w.sign) }

// refuseForm is POST /trust/waiting/refuse.
func (w *Web) refuseForm(c *gin.Context) error {
	return w.decideByForm(c, "enrol_denied", w.refuseWaiting)
}

// decideByForm answers a button of the table. Nothing chosen is nothing to do; who is too late gets the page as it is now.
func (w *Web) decideByForm(c *gin.Context, done string, decide func(*gin.Context, trust.Decision) (int, error)) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	var in trust.Decision
	if all := f.text("all"); all != "" {
		in.All = true
		if in.Upto, err = strconv.ParseInt(all, 10, 64); err != nil || in.Upto <= 0 {
			return badQuery("all", "this is not the number of a request")
		}
	} else if both := f.text("both"); both != "" {
		id, err := strconv.ParseInt(both, 10, 64)
		if err != nil {
			return badQuery("both", "this is not the number of a request")
		}
		in.IDs, in.AsNew = []int64{id}, true
	} else if in.IDs, err = chosen(f); err != nil {
		return err
	}
	n, err := decide(c, in)
	var nothing *trust.FieldError
	if err != nil && !errors.As(err, &nothing) {
		return err
	}
	if n > 0 {
		notice(c, done)
	}
	return goTo(c, localPath(f.text("next"), "/trust/waiting"))
}
