package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/event"
	"hostler/server/trust"
	"hostler/ui/page"
)

const certificatesPerPage = 100

// certificateReply is a certificate in the API.
type certificateReply struct {
	Serial      string              `json:"serial"`      // hex
	Fingerprint string              `json:"fingerprint"` // hex SHA-256 of the DER
	Host        string              `json:"host"`
	AgentSN     string              `json:"agentsn"`
	State       db.CertificateState `json:"state"`
	NotBefore   time.Time           `json:"not_before"`
	NotAfter    time.Time           `json:"not_after"`
	RevokedAt   *time.Time          `json:"revoked_at"`
	RevokedBy   string              `json:"revoked_by"`
	CreatedAt   time.Time           `json:"created_at"`
}

type certificatesReply struct {
	Items []certificateReply `json:"items"`
	Next  string             `json:"next"` // for ?after=; "" on the last page
}

type revokedReply struct {
	Revoked []certificateReply `json:"revoked"`
}

func (w *Web) certificateReplies(cs []db.Certificate) []certificateReply {
	now := w.Options.Now()
	replies := make([]certificateReply, len(cs))
	for i := range cs {
		c := &cs[i]
		replies[i] = certificateReply{
			Serial: c.Serial, Fingerprint: c.Fingerprint, Host: c.Hostname, AgentSN: c.AgentSN, State: c.State(now),
			NotBefore: c.NotBefore, NotAfter: c.NotAfter, RevokedAt: c.RevokedAt, RevokedBy: c.RevokedBy, CreatedAt: c.CreatedAt,
		}
	}
	return replies
}

// listCertificates is GET certificates.
func (w *Web) listCertificates(c *gin.Context) error {
	limit, err := queryInt(c, "limit", certificatesPerPage, 1, 1000)
	if err != nil {
		return err
	}
	certificates, next, err := w.findCertificates(c, int(limit))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, certificatesReply{w.certificateReplies(certificates), next})
	return nil
}

// findCertificates reads the page of certificates that the query asks for: state, search, after.
func (w *Web) findCertificates(c *gin.Context, limit int) (cs []db.Certificate, next string, err error) {
	q := db.CertificateQuery{
		State: db.CertificateState(c.Query("state")), Now: w.Options.Now(), Search: strings.ToLower(c.Query("search")), Limit: limit,
	}
	if q.State != "" && !slices.Contains(db.CertificateStates, q.State) {
		return nil, "", badQuery("state", "there is no such state")
	}
	if after := c.Query("after"); after != "" {
		serial, host, ok := strings.Cut(after, ".")
		if !ok {
			return nil, "", badQuery("after", "this is not a place in the list")
		}
		q.After = db.CertificateKey{Hostname: host, Serial: serial}
	}
	cs, key, err := w.DB.Certificates(c.Request.Context(), q)
	if key != nil {
		next = key.Serial + "." + key.Hostname
	}
	return cs, next, err
}

// revokeCertificates is POST certificates/revoke.
func (w *Web) revokeCertificates(c *gin.Context) error {
	var in trust.RevokeRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	revoked, err := w.revoke(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, revokedReply{w.certificateReplies(revoked)})
	return nil
}

// revoke revokes certificates and records who did it.
func (w *Web) revoke(c *gin.Context, in trust.RevokeRequest) ([]db.Certificate, error) {
	ctx, actor := c.Request.Context(), identity(c).Name
	revoked, err := w.CA.Revoke(ctx, in, actor)
	if err != nil {
		return nil, err
	}
	w.recordRevoked(c, revoked)
	return revoked, nil
}

// recordRevoked records an event for each certificate, because each may be asked for later.
func (w *Web) recordRevoked(c *gin.Context, revoked []db.Certificate) {
	ctx, actor := c.Request.Context(), identity(c).Name
	aboutHosts(c, len(revoked), func(i int) string { return revoked[i].Hostname })
	events := make([]db.Event, len(revoked))
	for i := range revoked {
		r := &revoked[i]
		events[i] = db.Event{
			Kind: event.CertificateRevoked, Severity: db.SeverityWarning, Actor: actor, HostID: w.hostOf(r.AgentSN),
			Params: map[string]string{"host": r.Hostname, "serial": r.Serial, "fingerprint": r.Fingerprint, "address": c.RemoteIP()},
		}
	}
	w.Events.RecordAll(ctx, events)
}

// hostOf is the number of an agent's host; nil when it has not registered.
func (w *Web) hostOf(agentSN string) *int64 {
	n, known := w.Fleet.Number(agentSN)
	if !known {
		return nil
	}
	return &n
}

// trustPage is GET /trust.
func (w *Web) trustPage(c *gin.Context) error {
	certificates, next, err := w.findCertificates(c, certificatesPerPage)
	if err != nil {
		return err
	}
	v := page.TrustView{
		Frame: w.frame(c), Pin: w.CA.Pin(), State: c.Query("state"), Search: c.Query("search"), Next: next, Paged: c.Query("after") != "",
	}
	for i := range certificates {
		v.Certificates = append(v.Certificates, w.certificateView(&certificates[i]))
	}
	return show(c, http.StatusOK, page.TrustPage(v))
}

func (w *Web) certificateView(c *db.Certificate) page.Certificate {
	return page.Certificate{
		Serial: c.Serial, Fingerprint: c.Fingerprint, Host: c.Hostname, State: string(c.State(w.Options.Now())),
		Issued: c.CreatedAt, Until: c.NotAfter, Revoked: at(c.RevokedAt), RevokedBy: c.RevokedBy, Renewing: c.RenewAskedAt != nil,
	}
}

// revokePage is GET /trust/certificates/{serial}/revoke: what it would mean, and the button.
func (w *Web) revokePage(c *gin.Context) error {
	certificate, err := w.DB.Certificate(c.Request.Context(), c.Param("serial"))
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.RevokePage(page.RevokeView{Frame: w.frame(c), Certificate: w.certificateView(certificate)}))
}

// revokeForm is POST /trust/certificates/{serial}/revoke.
func (w *Web) revokeForm(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	certificate, err := w.DB.Certificate(c.Request.Context(), c.Param("serial"))
	if err != nil {
		return err
	}
	in := trust.RevokeRequest{Serials: []string{certificate.Serial}}
	if f.text("scope") == page.RevokeHost {
		in = trust.RevokeRequest{Hosts: []string{certificate.Hostname}}
	}
	if _, err := w.revoke(c, in); err != nil { // of one that somebody else revoked there is nothing left to do
		return err
	}
	notice(c, "certificate_revoked")
	return goTo(c, "/trust?"+url.Values{"search": {certificate.Hostname}}.Encode())
}
