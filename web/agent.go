package web

import (
	"errors"
	"net/http"
	"net/netip"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/clip"
	"hostler/server/audit"
	"hostler/server/event"
	"hostler/server/trust"
)

// longestName is as many bytes as a host name may have; an agent that nobody knows yet may say anything.
const longestName = 253

// longestInstance is more than what agents call their process by.
const longestInstance = 64

// ping is GET /ping: proof that a host reaches the server, and the server's time.
func (w *Web) ping(c *gin.Context) error {
	c.JSON(http.StatusOK, wire.PingReply{Product: "hostler", Time: w.Options.Now().Unix()})
	return nil
}

// caCertificate is GET /ca.pem. Who fetches it trusts it only after comparing its pin.
func (w *Web) caCertificate(c *gin.Context) error {
	c.Data(http.StatusOK, "application/x-pem-file", w.CA.PEM())
	return nil
}

// caCertificates is GET /authorities.pem: all authorities that hosts are to trust. It is for those who know this server by one of them.
func (w *Web) caCertificates(c *gin.Context) error {
	c.Data(http.StatusOK, "application/x-pem-file", w.CA.Bundle())
	return nil
}

// setupScript is GET /setup-agent.sh. It is the same for every host and holds no secret.
func (w *Web) setupScript(c *gin.Context) error {
	c.Data(http.StatusOK, "text/x-shellscript; charset=utf-8", w.Options.Script)
	return nil
}

// enrol is POST /agent/enroll.
func (w *Web) enrol(c *gin.Context) error {
	var in wire.EnrollRequest
	if err := decodeAgent(c, &in); err != nil {
		return err
	}
	ctx, from := c.Request.Context(), peerAddress(c)
	if w.enrolments.spent(from) {
		w.metrics.enrolments.WithLabelValues("limited").Inc()
		return refuse(http.StatusTooManyRequests, "too_many_requests", "too many hosts that are not admitted ask from this address", "wait a little")
	}
	if w.asking.spent(from) {
		w.metrics.enrolments.WithLabelValues("limited").Inc()
		return refuse(http.StatusTooManyRequests, "too_many_requests", "too many hosts ask for certificates from this address", "wait a little")
	}
	w.asking.count(from)
	address := c.RemoteIP()
	reply, err := w.CA.Enrol(ctx, in, from)
	if err != nil {
		w.notAdmitted(c, in.Hostname, err)
		return err
	}
	audit.By(ctx, "host:"+clip.Text(in.Hostname, longestName))
	if !audit.Told(ctx) { // somebody signed it earlier
		audit.About(ctx, clip.Text(in.Hostname, longestName), nil, map[string]string{"agentsn": reply.AgentSN})
	}
	w.metrics.enrolments.WithLabelValues("admitted").Inc()
	enrolled := db.Event{Kind: event.HostEnrolled, Params: map[string]string{"host": clip.Text(in.Hostname, longestName), "address": address}}
	if n, known := w.Fleet.Number(reply.AgentSN); known {
		enrolled.HostID = &n // it is here once more; a new host has no id before it registers
	}
	w.Events.Record(ctx, enrolled)
	if in.Token != "" { // of those without one somebody was told of the conflict
		w.recordNamesake(c, in.Hostname, reply.AgentSN)
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// recordNamesake records that a token has brought a host whose name another one has. Both are kept: they may be two machines.
func (w *Web) recordNamesake(c *gin.Context, hostname, sn string) {
	ctx, name := c.Request.Context(), trust.Canonical(hostname)
	other, err := w.DB.Namesake(ctx, name, sn)
	if errors.Is(err, db.ErrNotFound) {
		return
	}
	if err != nil {
		w.Log.Error("cannot find out whether two hosts have one name", "host", name, "err", err)
		return
	}
	w.Events.Record(ctx, db.Event{Kind: event.HostNamesake, Severity: db.SeverityWarning, HostID: &other.ID, Params: map[string]string{
		"host": name, "address": c.RemoteIP(), "agentsn": sn, "other": other.AgentSN,
	}})
}

// notAdmitted counts and records a host that was not admitted. One that goes on waiting is no news.
func (w *Web) notAdmitted(c *gin.Context, hostname string, err error) {
	ctx, address := c.Request.Context(), c.RemoteIP()
	var waiting *trust.Waiting
	var refused *wire.Error
	isWaiting := errors.As(err, &waiting)
	switch {
	case isWaiting && waiting.Refused == nil:
		if !waiting.New {
			audit.Omit(ctx)
			return
		}
		audit.About(ctx, waiting.Request.Hostname, nil, map[string]string{"fingerprint": waiting.Request.KeyHash, "conflict": string(waiting.Request.Conflict)})
		w.metrics.enrolments.WithLabelValues("waiting").Inc()
		w.enrolments.count(peerAddress(c))
		w.recordWaiting(c, waiting)
	case errors.As(err, &refused):
		audit.About(ctx, clip.Text(hostname, longestName), nil, nil)
		audit.Refuse(ctx, refused.Code)
		w.metrics.enrolments.WithLabelValues("refused").Inc()
		w.enrolments.count(peerAddress(c))
		if w.refusals.allow(address) {
			w.Events.Record(ctx, db.Event{
				Kind: event.EnrolRefused, Severity: db.SeverityWarning,
				Params: map[string]string{"host": clip.Text(hostname, longestName), "address": address, "code": refused.Code, "message": refused.Message},
			})
		}
		if isWaiting && waiting.New { // its token does not admit it, and somebody may
			w.recordWaiting(c, waiting)
		}
	}
}

func (w *Web) recordWaiting(c *gin.Context, waiting *trust.Waiting) {
	w.Events.Record(c.Request.Context(), db.Event{Kind: event.EnrolWaiting, Severity: db.SeverityWarning, Params: map[string]string{
		"host": waiting.Request.Hostname, "address": c.RemoteIP(), "fingerprint": waiting.Request.KeyHash, "conflict": string(waiting.Request.Conflict),
	}})
}

// register is POST /agent/register.
func (w *Web) register(c *gin.Context) error {
	var in wire.RegisterRequest
	if err := decodeAgent(c, &in); err != nil {
		return err
	}
	if err := w.CA.CheckMachine(certificate(c), in.Facts); err != nil {
		w.recordCopy(c, event.HostCloned, map[string]string{"machine": clip.Text(in.Facts.MachineID, 64)})
		return err
	}
	reply, err := w.Fleet.Register(c.Request.Context(), certificate(c), in, c.RemoteIP())
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// recordCopy records that a copy of a host uses its certificate, once in a while.
func (w *Web) recordCopy(c *gin.Context, kind string, params map[string]string) {
	cert := certificate(c)
	if !w.refusals.allow(kind + " " + cert.Serial) {
		return
	}
	params["host"], params["address"], params["serial"] = cert.Hostname, c.RemoteIP(), cert.Serial
	w.Events.Record(c.Request.Context(), db.Event{Kind: kind, Severity: db.SeverityError, HostID: w.hostOf(cert.AgentSN), Params: params})
}

// status is POST /agent/status: a heartbeat, answered with the host's open jobs.
func (w *Web) status(c *gin.Context) error {
	var in wire.StatusRequest
	if err := decodeAgent(c, &in); err != nil {
		return err
	}
	if err := w.CA.CheckInstance(certificate(c), clip.Text(in.Instance, longestInstance)); err != nil {
		w.recordCopy(c, event.HostTwin, map[string]string{})
		return err
	}
	advice := w.CA.Advise(certificate(c), in.CAs)
	in.CAs = advice.Trusts
	keys, trusts := w.Repo.AdviseKeys(in.RepoKeys)
	in.RepoKeys = trusts
	id, reply, err := w.Fleet.Heartbeat(c.Request.Context(), certificate(c), in, c.RemoteIP())
	if err != nil {
		return err
	}
	reply.CA, reply.Renew, reply.RepoKeys = advice.CA, advice.Renew, keys
	// The heartbeat counts even if the jobs cannot be read; they come with the next one.
	work, err := w.Jobs.Deliver(c.Request.Context(), id, in.Jobs)
	if err != nil {
		w.Log.Error("cannot read the jobs of a host", "host", in.Hostname, "err", err)
	}
	reply.Jobs, reply.Cancel = work.Jobs, work.Cancel
	c.JSON(http.StatusOK, reply)
	return nil
}

// renewCertificate is POST /agent/renew.
func (w *Web) renewCertificate(c *gin.Context) error {
	var in wire.RenewRequest
	if err := decodeAgent(c, &in); err != nil {
		return err
	}
	ctx, old := c.Request.Context(), certificate(c)
	audit.By(ctx, "host:"+old.Hostname)
	audit.About(ctx, old.Hostname, nil, nil)
	reply, err := w.CA.Renew(ctx, old, in) // it tells of the new one
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// peerAddress is where a connection comes from; the zero Addr, which is in no range, when that cannot be told.
func peerAddress(c *gin.Context) netip.Addr {
	address, err := netip.ParseAddr(c.RemoteIP())
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap()
}
