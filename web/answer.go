package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gin-gonic/gin"
	"github.com/gorilla/websocket"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/account"
	"hostler/server/bootstrap"
	"hostler/server/job"
	"hostler/server/operation"
	"hostler/server/trust"
	"hostler/ui/page"
)

// failure is an error that knows its answer.
type failure struct {
	status int
	cause  wire.Error
}

// Error is the plain cause.
func (f *failure) Error() string { return f.cause.Message }

func refuse(status int, code, message, hint string) *failure {
	return &failure{status, wire.Error{Code: code, Message: message, Hint: hint}}
}

// invalid refuses single fields of a request.
func invalid(fields map[string]string) *failure {
	f := refuse(http.StatusUnprocessableEntity, "invalid", "some fields need to be mended", "")
	f.cause.Fields = fields
	return f
}

// sentinels are the answers to errors that other packages tell apart.
var sentinels = []struct {
	err    error
	answer *failure
}{
	{db.ErrNotFound, refuse(http.StatusNotFound, "not_found", "there is no such thing", "")},
	{db.ErrStale, refuse(http.StatusConflict, "stale", "somebody else changed this meanwhile", "read it again, then repeat the change")},
	{operation.ErrSecretsNeeded, refuse(http.StatusConflict, "secrets_needed", "the server no longer has the SSH key of this operation", "give the key again")},
	{operation.ErrNothingToDo, refuse(http.StatusConflict, "nothing_to_do", "no task is in a state that this is for", "")},
	{job.ErrEnded, refuse(http.StatusConflict, "ended", "the job has ended", "")},
	{db.ErrDuplicate, refuse(http.StatusConflict, "duplicate", "this exists already", "")},
	{account.ErrTooManyTries, refuse(http.StatusTooManyRequests, "too_many_tries", "there were too many wrong passwords", "wait a little")},
	{account.ErrNotLoggedIn, refuse(http.StatusUnauthorized, "not_logged_in", "nobody is logged in", "log in, or send a bearer token")},
	{context.Canceled, refuse(http.StatusBadRequest, "canceled", "the request ended before it was whole", "")},
	{io.ErrUnexpectedEOF, refuse(http.StatusBadRequest, "canceled", "the request ended before it was whole", "")},
}

// refusal reports whether an error is the refusal of an agent, and not the server's own trouble.
func refusal(err error) bool {
	var refused *wire.Error
	return errors.As(err, &refused)
}

// wireStatus has the codes of the server's packages that are no refusal of the agent itself.
var wireStatus = map[string]int{
	"too_many_events": http.StatusBadRequest, "bad_output": http.StatusBadRequest, "events_twice": http.StatusConflict,
	"csr_invalid": http.StatusBadRequest, "too_many_children": http.StatusBadRequest, "too_many_results": http.StatusBadRequest,
	"not_registered": http.StatusConflict, "too_early": http.StatusConflict, "queue_full": http.StatusServiceUnavailable,
}

// explain finds the answer to an error.
func explain(err error) *failure {
	var f *failure
	var refused *wire.Error
	var wrong *bootstrap.FieldError
	var untrusted *trust.FieldError
	var tooLarge *http.MaxBytesError
	var noSocket websocket.HandshakeError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &refused):
		status := http.StatusForbidden
		if s, ok := wireStatus[refused.Code]; ok {
			status = s
		}
		return &failure{status, *refused}
	case errors.As(err, &wrong):
		return invalid(map[string]string{wrong.Field: sentence(wrong.Message, wrong.Hint)})
	case errors.As(err, &untrusted):
		return invalid(map[string]string{untrusted.Field: untrusted.Message})
	case errors.As(err, &tooLarge):
		return refuse(http.StatusRequestEntityTooLarge, "too_large",
			"the request has more than "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes", "")
	case errors.As(err, &noSocket):
		return refuse(http.StatusForbidden, "handshake_refused", "this is not the WebSocket of one of this server's pages", "")
	}
	if f := fileFailure(err); f != nil {
		return f
	}
	if f := repoFailure(err); f != nil {
		return f
	}
	if f := mirrorFailure(err); f != nil {
		return f
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return s.answer
		}
	}
	return refuse(http.StatusInternalServerError, "internal", "the server could not do this", "look at the server's log")
}

// sentence joins a cause and its hint.
func sentence(cause, hint string) string { return strings.TrimSpace(cause + " " + hint) }

// fail answers a request that failed: JSON for programs and scripts, a page for people.
func (w *Web) fail(c *gin.Context, err error) {
	f := explain(err)
	if f.status >= http.StatusInternalServerError {
		w.Log.Error("a request failed", "method", c.Request.Method, "path", c.Request.URL.Path, "request", requestID(c), "err", err)
	}
	c.Abort()
	if c.Writer.Written() {
		return // the answer was under way already
	}
	drain(c)
	if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
		c.Header("Retry-After", "10")
	}
	if wantsJSON(c) {
		if f.status == http.StatusUnauthorized {
			c.Header("WWW-Authenticate", `Bearer realm="hostler"`)
		}
		c.JSON(f.status, wire.ErrorReply{Error: f.cause})
		return
	}
	switch {
	case f.status == http.StatusUnauthorized:
		w.sendToLogin(c)
		return
	case f.cause.Code == codeFactorNeeded:
		c.Redirect(http.StatusSeeOther, pathSecondFactor)
		return
	}
	view := page.ErrorView{Frame: w.frame(c), Status: f.status}
	if f.status >= http.StatusInternalServerError {
		view.RequestID = requestID(c)
	}
	if err := show(c, f.status, page.ErrorPage(view)); err != nil {
		w.Log.Error("cannot show the error page", "request", requestID(c), "err", err)
		c.Status(f.status)
	}
}

// wantsJSON tells programs, agents and the pages' scripts from a browser that loads a page. Only programs have a
// token to send; sending them to the login, whose page would refuse the same token, would have no end.
func wantsJSON(c *gin.Context) bool {
	if portOf(c) != public || strings.HasPrefix(c.Request.URL.Path, "/api/") || websocket.IsWebSocketUpgrade(c.Request) {
		return true
	}
	return c.GetHeader("Authorization") != "" || strings.HasPrefix(c.GetHeader("Accept"), "application/json")
}

// show renders a page, whole or not at all.
func show(c *gin.Context, status int, t templ.Component) error {
	var b bytes.Buffer
	if err := t.Render(c.Request.Context(), &b); err != nil {
		return err
	}
	c.Data(status, "text/html; charset=utf-8", b.Bytes())
	return nil
}

// goTo ends a form's request: a redirect, or for scripts where to go.
func goTo(c *gin.Context, location string) error {
	if wantsJSON(c) {
		c.JSON(http.StatusOK, gin.H{"location": location})
		return nil
	}
	c.Redirect(http.StatusSeeOther, location)
	return nil
}

// Bounds of draining: a request that is a little too large gets its answer, an endless one loses its connection.
const (
	drainMost = 16 << 20
	drainTime = 10 * time.Second
)

// drain reads what is left of a body that was refused: a client that is still sending when the connection closes
// would see a reset and never read why.
func drain(c *gin.Context) {
	body, ok := c.Get(bodyKey)
	if !ok {
		return
	}
	// Not every connection knows deadlines; the bound on size holds in any case.
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.CopyN(io.Discard, body.(io.Reader), drainMost)
}
