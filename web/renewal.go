package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/event"
	"hostler/server/trust"
)

type renewedReply struct {
	Asked []certificateReply `json:"asked"`
}

// renewCertificates is POST certificates/renew.
func (w *Web) renewCertificates(c *gin.Context) error {
	var in trust.RenewRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	asked, err := w.askRenewal(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, renewedReply{w.certificateReplies(asked)})
	return nil
}

// askRenewal has certificates renewed, records who wanted it, and has their hosts report now.
func (w *Web) askRenewal(c *gin.Context, in trust.RenewRequest) ([]db.Certificate, error) {
	asked, err := w.CA.AskRenewal(c.Request.Context(), in)
	if err != nil {
		return nil, err
	}
	audit.About(c.Request.Context(), strings.Join(in.Hosts, ", "), nil, map[string]int{"certificates": len(asked)})
	events := make([]db.Event, len(asked))
	for i := range asked {
		a := &asked[i]
		w.agents.forget(a.Serial)
		events[i] = db.Event{
			Kind: event.CertificateRenewalAsked, Actor: identity(c).Name, HostID: w.hostOf(a.AgentSN),
			Params: map[string]string{"host": a.Hostname, "serial": a.Serial, "address": c.RemoteIP()},
		}
		if id := events[i].HostID; id != nil {
			w.Jobs.Wake(*id)
		}
	}
	w.Events.RecordAll(c.Request.Context(), events)
	return asked, nil
}

// renewForm is POST /trust/certificates/{serial}/renew.
func (w *Web) renewForm(c *gin.Context) error {
	certificate, err := w.DB.Certificate(c.Request.Context(), c.Param("serial"))
	if err != nil {
		return err
	}
	if _, err := w.askRenewal(c, trust.RenewRequest{Hosts: []string{certificate.Hostname}}); err != nil {
		return err
	}
	notice(c, "certificate_renewal_asked")
	return goTo(c, "/trust?"+url.Values{"search": {certificate.Hostname}}.Encode())
}
