package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/audit"
	"hostler/server/fleet"
	"hostler/ui/page"
)

const (
	hostsPerPage = 100
	maxStep      = 3600 // seconds between heartbeats
)

// hostsPage is GET /hosts.
func (w *Web) hostsPage(c *gin.Context) error {
	hosts, next, err := w.findHosts(c, hostsPerPage)
	if err != nil {
		return err
	}
	v := page.HostsView{
		Frame: w.frame(c), Hosts: w.hostViews(hosts), Counts: hostCounts(w.Fleet.Counts(c.Request.Context())),
		State: c.Query("state"), Search: strings.TrimSpace(c.Query("search")), Next: next, Paged: c.Query("after") != "",
	}
	v.Matching = w.Fleet.Count(c.Request.Context(), fleet.Filter{State: db.HostState(v.State), Search: v.Search})
	return show(c, http.StatusOK, page.HostsPage(v))
}

// findHosts reads the page of hosts that the query asks for: state, search, after.
func (w *Web) findHosts(c *gin.Context, limit int) (hosts []fleet.Host, next string, err error) {
	q := db.HostQuery{State: db.HostState(c.Query("state")), Search: strings.TrimSpace(c.Query("search")), Limit: limit}
	if q.State != "" && !slices.Contains(db.HostStates, q.State) {
		return nil, "", badQuery("state", "there is no such state")
	}
	after, err := afterOf(c)
	if err != nil {
		return nil, "", err
	}
	q.After = db.HostKey{Name: after.name, ID: after.id}
	rows, key, err := w.DB.Hosts(c.Request.Context(), q)
	if err != nil {
		return nil, "", err
	}
	if key != nil {
		next = position{key.Name, key.ID}.String()
	}
	return w.Fleet.Overlay(rows), next, nil
}

// nobody is the number of no host.
const nobody = -1

// hostOfQuery is the host that a list is about: ?host= by its number, ?host_name= as somebody types it; 0 for all.
func (w *Web) hostOfQuery(c *gin.Context) (int64, error) {
	name := hostName(c)
	if name == "" {
		return queryInt(c, "host", 0, 1, 1<<62)
	}
	for _, h := range w.Fleet.Find(c.Request.Context(), fleet.Filter{Names: map[string]bool{name: true}}) {
		return h.ID, nil
	}
	return nobody, nil
}

func hostName(c *gin.Context) string {
	return strings.ToLower(strings.TrimSpace(c.Query("host_name")))
}

// listHost is the host that a list is about, as its page shows it: with its number once it is known, because two hosts
// may share a name, and otherwise as it was typed.
func (w *Web) listHost(c *gin.Context) (page.ListHost, error) {
	id, err := w.hostOfQuery(c)
	if err != nil || id == nobody {
		return page.ListHost{Name: hostName(c)}, err
	}
	if id == 0 {
		return page.ListHost{}, nil
	}
	return page.ListHost{ID: id, Name: w.Fleet.Name(c.Request.Context(), id)}, nil
}

func badQuery(name, why string) *failure {
	f := refuse(http.StatusBadRequest, "bad_query", "a parameter is not valid", "")
	f.cause.Fields = map[string]string{name: why}
	return f
}

// host finds the host that the path names.
func (w *Web) host(c *gin.Context) (fleet.Host, error) {
	n, err := pathID(c, "id")
	if err != nil {
		return fleet.Host{}, err
	}
	h, ok := w.Fleet.Get(c.Request.Context(), n)
	if !ok {
		return fleet.Host{}, db.ErrNotFound
	}
	return h, nil
}

// setHostStep is POST /hosts/{id}/step of the host's page.
func (w *Web) setHostStep(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	h, err := w.host(c)
	if err != nil {
		return err
	}
	step, err := strconv.Atoi(strings.TrimSpace(f.text("step")))
	if err != nil || step < 0 || step > maxStep {
		return w.showHost(c, http.StatusUnprocessableEntity, map[string]string{"step": page.FieldText(c.Request.Context(), "step_invalid")})
	}
	if err := w.setStep(c, h, step); err != nil {
		return err
	}
	notice(c, "step_queued")
	return goTo(c, "/hosts/"+strconv.FormatInt(h.ID, 10))
}

// setStep gives a host its interval, and a config job by which the agent takes it over and says so.
func (w *Web) setStep(c *gin.Context, h fleet.Host, step int) error {
	ctx := c.Request.Context()
	audit.About(ctx, h.Name, stepRequest{h.Step}, stepRequest{step})
	if err := w.Fleet.SetStep(ctx, h.ID, step); err != nil {
		return err
	}
	h.Step = step
	job := wire.Job{Action: wire.ActionConfig, Step: int(w.Fleet.StepOf(h).Seconds())}
	_, err := w.Jobs.Add(ctx, h.ID, job, identity(c).Name)
	return err
}

// hostReply is a host in the API.
type hostReply struct {
	ID           int64        `json:"id"`
	Name         string       `json:"name"`
	State        db.HostState `json:"state"`
	Address      string       `json:"address"`
	OS           string       `json:"os"`
	Arch         string       `json:"arch"`
	AgentVersion string       `json:"agent_version"`
	AgentSN      string       `json:"agentsn"`
	Cluster      string       `json:"cluster"`
	Step         int          `json:"step"` // seconds, in force
	LastSeenAt   *time.Time   `json:"last_seen_at"`
	RegisteredAt *time.Time   `json:"registered_at"`
	Children     []childReply `json:"children"`
}

// hostDetailReply is what GET hosts/{id} adds.
type hostDetailReply struct {
	hostReply
	FQDN        string      `json:"fqdn"`
	Tags        string      `json:"tags"`
	CertExpires *time.Time  `json:"certificate_expires_at"`
	Facts       *wire.Facts `json:"facts"`
	Jobs        []jobReply  `json:"jobs"`
	Events      []db.Event  `json:"events"`
}

type hostsReply struct {
	Items []hostReply `json:"items"`
	Next  string      `json:"next"` // for ?after=; "" on the last page
}

func (w *Web) hostReply(h fleet.Host) hostReply {
	r := hostReply{
		ID: h.ID, Name: h.Name, State: h.State, Address: h.Address, OS: h.OSName, Arch: h.Arch, AgentVersion: h.AgentVersion,
		AgentSN: h.AgentSN, Cluster: h.Cluster, Step: int(w.Fleet.StepOf(h) / time.Second), LastSeenAt: h.LastSeenAt,
		RegisteredAt: h.RegisteredAt, Children: make([]childReply, len(h.Children)),
	}
	for i := range h.Children {
		r.Children[i] = childReplyOf(&h.Children[i])
	}
	return r
}

// listHosts is GET hosts.
func (w *Web) listHosts(c *gin.Context) error {
	limit, err := queryInt(c, "limit", hostsPerPage, 1, 1000)
	if err != nil {
		return err
	}
	hosts, next, err := w.findHosts(c, int(limit))
	if err != nil {
		return err
	}
	reply := hostsReply{Items: make([]hostReply, len(hosts)), Next: next}
	for i, h := range hosts {
		reply.Items[i] = w.hostReply(h)
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// getHost is GET hosts/{id}.
func (w *Web) getHost(c *gin.Context) error {
	h, err := w.host(c)
	if err != nil {
		return err
	}
	r, err := w.recordsOf(c, h, hostFilter{})
	if err != nil {
		return err
	}
	reply := hostDetailReply{
		hostReply: w.hostReply(h), FQDN: h.FQDN, Tags: h.Tags, CertExpires: r.expires, Facts: h.Facts,
		Jobs: w.jobReplies(c.Request.Context(), r.jobs), Events: r.events,
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

type stepRequest struct {
	Step int `json:"step"` // seconds; 0 gives the default back
}

// putHostStep is POST hosts/{id}/step.
func (w *Web) putHostStep(c *gin.Context) error {
	var in stepRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	h, err := w.host(c)
	if err != nil {
		return err
	}
	if in.Step < 0 || in.Step > maxStep {
		return invalid(map[string]string{"step": "this must be a number from 0 to " + strconv.Itoa(maxStep)})
	}
	if err := w.setStep(c, h, in.Step); err != nil {
		return err
	}
	if h, err = w.host(c); err != nil {
		return err
	}
	c.JSON(http.StatusOK, w.hostReply(h))
	return nil
}
