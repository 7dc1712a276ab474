package web

import (
	"net/http"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
)

// accessAction is how a refusal is recorded of a request that would have changed nothing.
const accessAction = "access"

// act is a request on its way into the audit log. It is written down when the answer begins: whoever is told of a
// change, or that it was refused, finds it in the log.
type act struct {
	web      *Web
	c        *gin.Context
	route    route
	entry    *db.AuditEntry
	admitted bool
	once     sync.Once
}

// begin makes the entry that a request may become. What handles the request finds it in the request's context.
func (w *Web) begin(c *gin.Context, r route) *act {
	a := &act{web: w, c: c, route: r, entry: &db.AuditEntry{Address: c.RemoteIP(), Action: r.needs.action, Request: requestID(c)}}
	if a.entry.Action == unrecorded {
		a.entry.Action = ""
	}
	if a.entry.Action != "" {
		c.Request = c.Request.WithContext(audit.With(c.Request.Context(), a.entry))
		c.Writer = &actWriter{c.Writer, a}
	}
	return a
}

// end writes the entry unless that was done when the answer began.
func (a *act) end(err error) { a.once.Do(func() { a.record(err) }) }

func (a *act) record(err error) {
	e := a.entry
	if e.Action == "" {
		if a.admitted || !a.suspicious() {
			return
		}
		e.Action, e.Target = accessAction, a.c.Request.Method+" "+a.c.Request.URL.Path
	}
	if e.Actor == "" {
		e.Actor = identity(a.c).Name
	}
	if e.Target == "" {
		e.Target = pathTarget(a.c)
	}
	status := a.c.Writer.Status()
	if err != nil {
		f := explain(err)
		status, e.Code = f.status, f.cause.Code
	}
	if e.Result == "" {
		e.Result = resultOf(status)
	}
	switch {
	case e.Code != "" || e.Result != db.AuditFailed:
	case status >= http.StatusInternalServerError:
		e.Code = "internal"
	default:
		e.Code = "invalid" // a form that was shown again says at its fields what is wrong
	}
	a.web.Audit.Record(a.c.Request.Context(), *e)
}

// suspicious says whether a request that was not admitted is more than somebody who has to log in first.
func (a *act) suspicious() bool {
	return a.route.on == public && (identity(a.c).Name != "" || a.c.GetHeader("Authorization") != "")
}

// actWriter has an act written down before the first byte of its answer.
type actWriter struct {
	gin.ResponseWriter
	act *act
}

func (w *actWriter) Write(b []byte) (int, error) {
	w.act.end(nil)
	return w.ResponseWriter.Write(b)
}

func (w *actWriter) WriteString(s string) (int, error) {
	w.act.end(nil)
	return w.ResponseWriter.WriteString(s)
}

// WriteHeaderNow is how gin sends an answer without a body.
func (w *actWriter) WriteHeaderNow() {
	w.act.end(nil)
	w.ResponseWriter.WriteHeaderNow()
}

// Unwrap is for http.ResponseController.
func (w *actWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func resultOf(status int) db.AuditResult {
	switch {
	case status < http.StatusBadRequest:
		return db.AuditDone
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests:
		return db.AuditRefused
	}
	return db.AuditFailed
}

// hostsTold bounds how many hosts of one decision are named.
const hostsTold = 100

// aboutHosts tells the audit log which hosts, n of them, a decision was about.
func aboutHosts(c *gin.Context, n int, name func(i int) string) {
	if n == 0 {
		return
	}
	hosts := make([]string, min(n, hostsTold))
	for i := range hosts {
		hosts[i] = name(i)
	}
	target := hosts[0]
	if n > 1 {
		target += " …"
	}
	audit.About(c.Request.Context(), target, nil, map[string]any{"count": n, "hosts": hosts})
}

// pathTarget is what a path is about, as far as the path tells.
func pathTarget(c *gin.Context) string {
	values := make([]string, len(c.Params))
	for i, p := range c.Params {
		values[i] = strings.Trim(p.Value, "/")
	}
	return strings.Join(values, " ")
}
