package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/check"
	"hostler/server/fleet"
	"hostler/server/remote"
	"hostler/ui/page"
)

// maxReason bounds why a warning is accepted, in bytes.
const maxReason = 500

// warningRequest says which warnings may stay, or may no more.
type warningRequest struct {
	Targets remote.Targets `json:"targets"`
	Check   string         `json:"check"`
	Reason  string         `json:"reason,omitempty"`
}

type unacceptRequest struct {
	Targets remote.Targets `json:"targets"`
	Check   string         `json:"check"`
}

type warningsReply struct {
	Count int `json:"count"` // of hosts on which something has changed
}

// postAcceptWarnings is POST host-checks/accept.
func (w *Web) postAcceptWarnings(c *gin.Context) error {
	var in warningRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	n, err := w.acceptWarnings(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, warningsReply{n})
	return nil
}

// postUnacceptWarnings is POST host-checks/unaccept.
func (w *Web) postUnacceptWarnings(c *gin.Context) error {
	var in unacceptRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	n, err := w.unacceptWarnings(c, warningRequest{Targets: in.Targets, Check: in.Check})
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, warningsReply{n})
	return nil
}

// acceptForm is POST /host-checks/accept: for one host, or for all that the report is of.
func (w *Web) acceptForm(c *gin.Context) error {
	q, err := w.warningForm(c, nil, w.acceptWarnings)
	if err != nil {
		return err
	}
	notice(c, "warnings_accepted")
	return goTo(c, "/host-checks"+q.query())
}

// unacceptForm is POST /host-checks/unaccept.
func (w *Web) unacceptForm(c *gin.Context) error {
	q, err := w.warningForm(c, nil, w.unacceptWarnings)
	if err != nil {
		return err
	}
	notice(c, "warnings_unaccepted")
	return goTo(c, "/host-checks"+q.query())
}

// warningForm does what a form of a report of hosts (nil: of all) asks for, and says what the report shows. A form that names no
// host is about all that the report is of, whatever their state.
func (w *Web) warningForm(c *gin.Context, of map[int64]bool, do func(*gin.Context, warningRequest) (int, error)) (q checkQuery, err error) {
	f, err := readForm(c)
	if err != nil {
		return q, err
	}
	in := warningRequest{Check: f.text("warning"), Reason: f.text("reason")}
	if q, err = checkQueryOf(f.text); err != nil {
		return q, err
	}
	all := checkQuery{operation: q.operation, hosts: of, search: q.search}
	if in.Targets.IDs, err = w.hostsOfReport(c.Request.Context(), f.texts("host"), all); err == nil {
		_, err = do(c, in)
	}
	return q, err
}

// query is what follows the report's path.
func (q checkQuery) query() string {
	v := url.Values{}
	for name, value := range map[string]string{"state": q.state, "check": q.check, "search": q.search} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.operation != 0 {
		v.Set("operation", strconv.FormatInt(q.operation, 10))
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// warningHosts are the hosts that a request means, of which the rest is right.
func (w *Web) warningHosts(ctx context.Context, in *warningRequest) ([]db.Host, error) {
	fields := map[string]string{}
	in.Reason = strings.TrimSpace(in.Reason)
	refuseKeys(ctx, fields, map[string]*string{"reason": &in.Reason})
	switch {
	case !slices.Contains(check.Names(), in.Check):
		fields["check"] = page.FieldText(ctx, "check_unknown")
	case len(in.Reason) > maxReason:
		fields["reason"] = page.FieldText(ctx, "too_long")
	}
	if len(fields) > 0 {
		return nil, invalid(fields)
	}
	hosts, err := in.Targets.Resolve(ctx, w.Fleet)
	return hosts, invalidWork(ctx, err)
}

func (w *Web) acceptWarnings(c *gin.Context, in warningRequest) (int, error) {
	ctx := c.Request.Context()
	hosts, err := w.warningHosts(ctx, &in)
	if err != nil {
		return 0, err
	}
	standing, err := w.checks.Standing(ctx, w.Fleet.Find(ctx, fleet.Filter{}))
	if err != nil {
		return 0, err
	}
	accepted, err := w.checks.Accept(ctx, standing, hosts, db.AcceptedWarning{
		Check: in.Check, Reason: in.Reason, AcceptedBy: identity(c).Name, AcceptedAt: w.Options.Now(),
	})
	if err == nil {
		audit.About(ctx, "check "+in.Check, nil, warningTold(accepted, in.Reason))
	}
	return len(accepted), err
}

func (w *Web) unacceptWarnings(c *gin.Context, in warningRequest) (int, error) {
	ctx := c.Request.Context()
	hosts, err := w.warningHosts(ctx, &in)
	if err != nil {
		return 0, err
	}
	ids := make([]int64, len(hosts))
	for i := range hosts {
		ids[i] = hosts[i].ID
	}
	stored, err := w.DB.AcceptedWarnings(ctx, ids)
	if err != nil {
		return 0, err
	}
	accepted := map[int64]bool{}
	for i := range stored {
		accepted[stored[i].HostID] = accepted[stored[i].HostID] || stored[i].Check == in.Check
	}
	hosts = slices.DeleteFunc(hosts, func(h db.Host) bool { return !accepted[h.ID] })
	audit.About(ctx, "check "+in.Check, warningTold(hosts, ""), nil)
	return len(hosts), w.DB.UnacceptWarnings(ctx, in.Check, ids)
}

// warningTold is what the audit log tells of an acceptance.
func warningTold(hosts []db.Host, reason string) map[string]any {
	names := make([]string, min(len(hosts), hostsTold))
	for i := range names {
		names[i] = hosts[i].Name
	}
	told := map[string]any{"count": len(hosts), "hosts": names}
	if reason != "" {
		told["reason"] = reason
	}
	return told
}
