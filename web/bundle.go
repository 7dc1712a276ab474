package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/bootstrap/hostlist"
	"hostler/server/event"
	"hostler/server/trust"
	"hostler/ui/page"
)

type bundleRequest struct {
	Hosts string `json:"hosts"` // a list as in a bootstrap
}

// createBundle is POST bundles: the archive is the answer, once.
func (w *Web) createBundle(c *gin.Context) error {
	var in bundleRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	archive, fields, err := w.presign(c, in.Hosts)
	if err != nil {
		return err
	}
	if len(fields) > 0 {
		return invalid(fields)
	}
	sendBundle(c, archive)
	return nil
}

// presign makes a bundle for a list of hosts; fields is what is wrong with the list.
func (w *Web) presign(c *gin.Context, list string) (archive []byte, fields map[string]string, err error) {
	ctx := c.Request.Context()
	hosts, problems := hostlist.Expand(list)
	if len(problems) > 0 {
		return nil, map[string]string{"hosts": problemLines(ctx, problems)}, nil
	}
	archive, made, err := w.CA.Presign(ctx, names(hosts), trust.BundleFiles{Settings: w.agentSettings})
	var wrong *trust.FieldError
	if errors.As(err, &wrong) {
		return nil, trustFields(ctx, wrong), nil
	}
	if err != nil {
		return nil, nil, err
	}
	aboutHosts(c, len(made), func(i int) string { return made[i].Hostname })
	params := map[string]string{"host": made[0].Hostname, "address": c.RemoteIP()}
	if len(made) > 1 {
		params["more"] = strconv.Itoa(len(made) - 1)
	}
	w.Events.Record(ctx, db.Event{Kind: event.CertificatePresigned, Severity: db.SeverityWarning, Actor: identity(c).Name, Params: params})
	return archive, nil, nil
}

// agentSettings is a host's agent.ini.
func (w *Web) agentSettings(hostname string) []byte {
	return fmt.Appendf(nil, "[server]\nhost = %s\nhandshake_port = %d\nsecured_port = %d\nca_pin = %s\n\n[agent]\nhostname = %s\n",
		w.Options.Advertise, w.Options.HandshakePort, w.Options.SecuredPort, w.CA.Pin(), hostname)
}

func sendBundle(c *gin.Context, archive []byte) {
	c.Header("Content-Disposition", `attachment; filename="hostler-bundle.tar.gz"`)
	c.Data(http.StatusCreated, "application/gzip", archive)
}

// bundlePage is GET /trust/bundles/new.
func (w *Web) bundlePage(c *gin.Context) error {
	return show(c, http.StatusOK, page.BundlePage(page.BundleView{Frame: w.frame(c)}))
}

// bundleForm is POST /trust/bundles/new.
func (w *Web) bundleForm(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	list := f.text("hosts")
	archive, fields, err := w.presign(c, list)
	if err != nil {
		return err
	}
	if len(fields) > 0 {
		return show(c, http.StatusUnprocessableEntity, page.BundlePage(page.BundleView{Frame: w.frame(c), Hosts: list, Fields: fields}))
	}
	sendBundle(c, archive)
	return nil
}
