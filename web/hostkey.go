package web

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/bootstrap"
	"hostler/server/event"
	"hostler/server/operation"
)

type forgetHostKeyRequest struct {
	SSH *sshRequest `json:"ssh,omitempty"` // for the retry, when the server no longer has it
}

// forgetHostKey is POST operations/{id}/tasks/{task}/forget-host-key.
func (w *Web) forgetHostKey(c *gin.Context) error {
	s, t, err := w.task(c)
	if err != nil {
		return err
	}
	var in forgetHostKeyRequest
	if c.Request.ContentLength != 0 {
		if err := decode(c, &in); err != nil {
			return err
		}
	}
	secrets, err := w.secretsOf(c, s.ID, in.SSH)
	if err != nil {
		return err
	}
	n, err := w.trustNewKey(c, t, secrets)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, controlReply{n})
	return nil
}

// forgetHostKeyForm is POST /operations/{id}/tasks/{task}/forget-host-key. Without the operation's secrets the old
// key is forgotten all the same, and the operation's page asks for them.
func (w *Web) forgetHostKeyForm(c *gin.Context) error {
	s, t, err := w.task(c)
	if err != nil {
		return err
	}
	f, err := readForm(c)
	if err != nil {
		return err
	}
	next := localPath(f.text("next"), operationPath(s.ID))
	switch _, err := w.trustNewKey(c, t, nil); {
	case errors.Is(err, operation.ErrSecretsNeeded):
		next = operationPath(s.ID)
	case errors.Is(err, operation.ErrNothingToDo): // somebody else was faster: the page shows it
	case err != nil:
		return err
	default:
		notice(c, "retry_started")
	}
	return goTo(c, next)
}

// trustNewKey forgets the host key that a failed task's host no longer shows, and retries the task. secrets may be
// nil, see operation.Engine.Retry; they are wiped in the end.
func (w *Web) trustNewKey(c *gin.Context, t *db.Task, secrets operation.Secrets) (int, error) {
	ctx, actor := c.Request.Context(), identity(c).Name
	key, forgotten, err := bootstrap.ForgetHostKey(ctx, w.DB, t)
	if err != nil {
		if secrets != nil {
			secrets.Wipe()
		}
		return 0, err
	}
	if forgotten {
		w.Events.Record(ctx, db.Event{
			Kind: event.HostKeyForgotten, Severity: db.SeverityWarning, Actor: actor, OperationID: &t.OperationID, HostID: t.HostID,
			Params: map[string]string{"host": t.Name, "target": key.Target, "fingerprint": key.Known, "now": key.Now},
		})
	}
	n, err := w.Engine.Retry(ctx, t.OperationID, []int64{t.ID}, secrets, actor)
	audit.About(ctx, t.Name, map[string]string{"target": key.Target, "fingerprint": key.Known}, map[string]string{"target": key.Target, "fingerprint": key.Now})
	return n, err
}
