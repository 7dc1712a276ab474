package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/check"
	"hostler/server/fleet"
	"hostler/server/remote"
	"hostler/ui/page"
)

// unchecked is the state of a host without a check.
const unchecked = "unchecked"

// createHostCheck is POST host-checks.
func (w *Web) createHostCheck(c *gin.Context) error {
	return startWork(c, func(ctx context.Context, in remote.CheckRequest, actor string) (*db.Operation, error) {
		return w.Remote.Check(ctx, in, actor)
	})
}

// newHostCheckPage is GET /host-checks/new.
func (w *Web) newHostCheckPage(c *gin.Context) error { return w.newWork(c, page.CheckHostsPage) }

// newHostCheck is POST /host-checks/new.
func (w *Web) newHostCheck(c *gin.Context) error {
	return w.startFromForm(c, page.CheckHostsPage, func(ctx context.Context, in formWork, actor string) (*db.Operation, error) {
		return w.Remote.Check(ctx, remote.CheckRequest{Common: in.common}, actor)
	})
}

// checkAgain is POST /host-checks: a button checks the hosts that it names by number, or those that a report shows.
func (w *Web) checkAgain(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	q, err := checkQueryOf(f.text)
	if err != nil {
		return err
	}
	ids, err := w.hostsOfReport(ctx, f.texts("host"), q)
	if err != nil {
		return err
	}
	o, err := w.Remote.Check(ctx, remote.CheckRequest{Common: remote.Common{Targets: remote.Targets{IDs: ids}}}, identity(c).Name)
	if err != nil {
		return invalidWork(ctx, err)
	}
	return goTo(c, "/operations/"+strconv.FormatInt(o.ID, 10))
}

// hostsOfReport are those that are named by number, or, if none is, those that a query finds.
func (w *Web) hostsOfReport(ctx context.Context, named []string, q checkQuery) (ids []int64, err error) {
	for _, text := range named {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, badQuery("host", "this is not the number of a host")
		}
		if q.hosts == nil || q.hosts[id] {
			ids = append(ids, id)
		}
	}
	if len(named) > 0 {
		return ids, nil
	}
	r, err := w.checked(ctx, q)
	for i := range r.hosts {
		ids = append(ids, r.hosts[i].ID)
	}
	return ids, err
}

// checkQuery says what of the checks is meant. What is left out does not matter.
type checkQuery struct {
	operation int64          // whose hosts
	hosts     map[int64]bool // which may be meant; nil: all
	state     string
	check     string // hosts on which it found something
	search    string
}

// checkQueryOf reads a query, or a form that holds one.
func checkQueryOf(text func(string) string) (q checkQuery, err error) {
	q = checkQuery{state: text("state"), check: text("check"), search: strings.TrimSpace(text("search"))}
	if q.state != "" && !slices.Contains(page.HostCheckStates, q.state) {
		return q, badQuery("state", "there is no such state")
	}
	if q.check != "" && !slices.Contains(check.Names(), q.check) {
		return q, badQuery("check", "there is no such check")
	}
	if n := text("operation"); n != "" {
		if q.operation, err = strconv.ParseInt(n, 10, 64); err != nil || q.operation < 1 {
			return q, badQuery("operation", "this is not the number of an operation")
		}
	}
	return q, nil
}

// checkedHost is a host with the verdicts on what its last check found.
type checkedHost struct {
	db.Host
	check    *db.HostCheck   // without the findings; nil: there was none
	verdicts []check.Verdict // once they have been told
	state    string          // the worst verdict's, or unchecked
}

// checkReport is what a query finds, the worst first. Counts are of all hosts that it would find in any state.
type checkReport struct {
	standing *check.Standing
	hosts    []checkedHost
	counts   map[string]int
	sums     []page.HostCheckSum
}

// checked finds hosts with how their last checks ended. They are compared with all that the context may know of.
func (w *Web) checked(ctx context.Context, q checkQuery) (r checkReport, err error) {
	r.counts = map[string]int{}
	if r.standing, err = w.checks.Standing(ctx, w.Fleet.Find(ctx, fleet.Filter{})); err != nil {
		return r, err
	}
	filter := fleet.Filter{Search: q.search, IDs: q.hosts}
	if q.hosts != nil && len(q.hosts) == 0 {
		return r, nil
	}
	if q.operation != 0 {
		if filter.IDs, err = w.hostsOfOperation(ctx, q.operation); err != nil || len(filter.IDs) == 0 {
			return r, err
		}
	}
	sums := map[string]*page.HostCheckSum{}
	for _, h := range w.Fleet.Find(ctx, filter) {
		r.take(h, q, sums)
	}
	slices.SortFunc(r.hosts, func(a, b checkedHost) int { return a.position().compare(b.position()) })
	for _, name := range check.Names() {
		if s := sums[name]; s != nil {
			s.Title = page.HostCheckTitle(ctx, name)
			r.sums = append(r.sums, *s)
		}
	}
	return r, nil
}

// hostsOfOperation are the hosts of an operation's tasks; db.ErrNotFound when there is no such operation.
func (w *Web) hostsOfOperation(ctx context.Context, id int64) (map[int64]bool, error) {
	if _, err := w.DB.Operation(ctx, id); err != nil {
		return nil, err
	}
	list, err := w.hostsOf(ctx, id, "")
	ids := make(map[int64]bool, len(list))
	for _, one := range list {
		ids[one] = true
	}
	return ids, err
}

// take counts a host and takes it up if it is meant.
func (r *checkReport) take(h db.Host, q checkQuery, sums map[string]*page.HostCheckSum) {
	names := check.Names()
	for i, state := range r.standing.States(h.ID) {
		if !state.Worse(check.Pass) {
			continue
		}
		name := names[i]
		s := sums[name]
		if s == nil {
			s = &page.HostCheckSum{Check: name}
			sums[name] = s
		}
		switch state {
		case check.Fail:
			s.Fail++
		case check.Warn:
			s.Warn++
		default:
			s.Accepted++
		}
	}
	if q.check != "" && !r.standing.Of(h.ID, q.check).Worse(check.Pass) {
		return
	}
	one := checkedHost{Host: h, state: cmp.Or(string(r.standing.Worst(h.ID)), unchecked)}
	if last, ok := r.standing.Last[h.ID]; ok {
		one.check = &last
	}
	r.counts[one.state]++
	if q.state == "" || q.state == one.state {
		r.hosts = append(r.hosts, one)
	}
}

// tell adds the verdicts to the report's hosts.
func (w *Web) tell(ctx context.Context, r *checkReport) error {
	hosts := make([]db.Host, len(r.hosts))
	for i := range hosts {
		hosts[i] = r.hosts[i].Host
	}
	verdicts, err := w.checks.Verdicts(ctx, r.standing, hosts)
	for i := range r.hosts {
		r.hosts[i].verdicts = verdicts[r.hosts[i].ID]
	}
	return err
}

// hostChecksPerPage is how many hosts a page has, and an answer of the API unless it is asked for more.
const hostChecksPerPage = 50

// checkPosition is a position in a report, which is ordered by states first: "STATE.NUMBER.NAME".
type checkPosition struct {
	state string
	host  position
}

func (h *checkedHost) position() checkPosition { return checkPosition{h.state, position{h.Name, h.ID}} }

func (p checkPosition) String() string { return p.state + "." + p.host.String() }

func (p checkPosition) compare(with checkPosition) int {
	return cmp.Or(cmp.Compare(slices.Index(page.HostCheckStates, p.state), slices.Index(page.HostCheckStates, with.state)), p.host.compare(with.host))
}

func checkPositionOf(text string) (p checkPosition, err error) {
	state, host, _ := strings.Cut(text, ".")
	if p.host, err = positionOf(host); err == nil && p.host == (position{}) || !slices.Contains(page.HostCheckStates, state) {
		err = badQuery("after", "this is not a place in the list")
	}
	p.state = state
	return p, err
}

// cut leaves the page of a report that begins behind a position; next is where it ends, if there are more.
func (r *checkReport) cut(after string, limit int) (next string, err error) {
	if after != "" {
		p, err := checkPositionOf(after)
		if err != nil {
			return "", err
		}
		r.hosts = slices.DeleteFunc(r.hosts, func(h checkedHost) bool { return h.position().compare(p) <= 0 })
	}
	if len(r.hosts) > limit {
		r.hosts = r.hosts[:limit]
		next = r.hosts[limit-1].position().String()
	}
	return next, nil
}

// findChecks reads the page of a report of hosts (nil: of all) that the query asks for: operation, state, check, search, after.
func (w *Web) findChecks(c *gin.Context, of map[int64]bool, limit int) (r checkReport, q checkQuery, next string, err error) {
	if q, err = checkQueryOf(c.Query); err != nil {
		return r, q, "", err
	}
	q.hosts = of
	if r, err = w.checked(c.Request.Context(), q); err != nil {
		return r, q, "", err
	}
	if next, err = r.cut(c.Query("after"), limit); err != nil {
		return r, q, "", err
	}
	return r, q, next, w.tell(c.Request.Context(), &r)
}

// hostCheckReply is a host's last check in the API.
type hostCheckReply struct {
	HostID      int64              `json:"host_id"`
	Host        string             `json:"host"`
	State       string             `json:"state"`        // fail, warn, pass or unchecked
	CheckedAt   *time.Time         `json:"checked_at"`   // null: never
	OperationID int64              `json:"operation_id"` // that checked it; 0: none
	Verdicts    []page.HostVerdict `json:"verdicts"`
}

type hostCheckSumReply struct {
	Check string `json:"check"`
	Title string `json:"title"`
	Fail  int    `json:"fail"` // hosts
	Warn  int    `json:"warn"`
	// Accepted are those on which it warned, and which may stay so.
	Accepted int `json:"accepted"`
}

type hostChecksReply struct {
	Counts map[string]int      `json:"counts"` // hosts by state
	Checks []hostCheckSumReply `json:"checks"` // that found something, on whatever hosts
	Items  []hostCheckReply    `json:"items"`  // the worst first
	Next   string              `json:"next"`   // for ?after=; "" on the last page
}

// listHostChecks is GET host-checks.
func (w *Web) listHostChecks(c *gin.Context) error {
	limit, err := queryInt(c, "limit", hostChecksPerPage, 1, 1000)
	if err != nil {
		return err
	}
	r, _, next, err := w.findChecks(c, nil, int(limit))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, checksReplyOf(c.Request.Context(), &r, next))
	return nil
}

func checksReplyOf(ctx context.Context, r *checkReport, next string) hostChecksReply {
	reply := hostChecksReply{
		Counts: map[string]int{}, Checks: make([]hostCheckSumReply, len(r.sums)), Items: make([]hostCheckReply, len(r.hosts)), Next: next,
	}
	for _, state := range page.HostCheckStates {
		reply.Counts[state] = r.counts[state]
	}
	for i, s := range r.sums {
		reply.Checks[i] = hostCheckSumReply(s)
	}
	for i, h := range hostCheckViews(ctx, r.hosts) {
		one := hostCheckReply{HostID: h.HostID, Host: h.Host, State: h.State, Verdicts: h.Verdicts}
		if last := r.hosts[i].check; last != nil {
			one.CheckedAt, one.OperationID = &last.CheckedAt, last.OperationID
		}
		reply.Items[i] = one
	}
	return reply
}

// hostCheckViews puts verdicts into the context's language.
func hostCheckViews(ctx context.Context, hosts []checkedHost) []page.HostCheck {
	views := make([]page.HostCheck, len(hosts))
	for i := range hosts {
		h := &hosts[i]
		v := page.HostCheck{HostID: h.ID, Host: h.Name, State: h.state, Verdicts: make([]page.HostVerdict, len(h.verdicts))}
		if h.check != nil {
			v.Checked, v.JobID = h.check.CheckedAt, h.check.JobID
		}
		for k := range h.verdicts {
			one := &h.verdicts[k]
			v.Verdicts[k] = page.HostVerdictOf(ctx, one.Check, string(one.State), one.Code, one.Args)
			if one.State != check.Pass {
				v.Verdicts[k].Script = check.Mend(one.Check, one.Code)
			}
			if a := one.Acceptance; a != nil {
				v.Verdicts[k].Accepted = &page.Acceptance{By: a.AcceptedBy, At: a.AcceptedAt, Reason: a.Reason}
			}
		}
		views[i] = v
	}
	return views
}

// hostChecksPage is GET /host-checks.
func (w *Web) hostChecksPage(c *gin.Context) error {
	v, err := w.hostChecksView(c, nil)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.HostChecksPage(v))
}

// hostChecksView is the page of a report of hosts (nil: of all) that the query asks for.
func (w *Web) hostChecksView(c *gin.Context, of map[int64]bool) (page.HostChecksView, error) {
	r, q, next, err := w.findChecks(c, of, hostChecksPerPage)
	return page.HostChecksView{
		Frame: w.frame(c), Operation: q.operation, State: q.state, Check: q.check, Search: q.search, Counts: r.counts, Sums: r.sums,
		Hosts: hostCheckViews(c.Request.Context(), r.hosts), Next: next, Paged: c.Query("after") != "",
	}, err
}

// hostCheckReport is GET host-checks/report: all that a query finds, as a file.
func (w *Web) hostCheckReport(c *gin.Context) error { return w.sendReport(c, nil) }

// sendReport answers with a report of hosts (nil: of all) as a file.
func (w *Web) sendReport(c *gin.Context, of map[int64]bool) error {
	q, err := checkQueryOf(c.Query)
	if err != nil {
		return err
	}
	q.hosts = of
	format := c.DefaultQuery("format", "json")
	if format != "json" && format != "html" {
		return badQuery("format", "this must be json or html")
	}
	ctx := c.Request.Context()
	r, err := w.checked(ctx, q)
	if err == nil {
		err = w.tell(ctx, &r)
	}
	if err != nil {
		return err
	}
	c.Header("Content-Disposition", `attachment; filename="host-checks.`+format+`"`)
	if format == "json" {
		c.JSON(http.StatusOK, checksReplyOf(ctx, &r, ""))
		return nil
	}
	return show(c, http.StatusOK, page.HostReport(page.HostReportView{Made: w.Options.Now(), Hosts: hostCheckViews(ctx, r.hosts), Sums: r.sums}))
}
