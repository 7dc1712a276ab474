package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"hostler/server/bootstrap"
	"hostler/server/operation"
)

type controlRequest struct {
	Tasks []int64     `json:"tasks,omitempty"` // none means all that the call is for
	SSH   *sshRequest `json:"ssh,omitempty"`
}

type controlReply struct {
	Tasks int `json:"tasks"` // how many it concerned
}

// retryOperation is POST operations/{id}/retry.
func (w *Web) retryOperation(c *gin.Context) error {
	return w.control(c, func(n int64, in controlRequest) (int, error) {
		secrets, err := w.secretsOf(c, n, in.SSH)
		if err != nil {
			return 0, err
		}
		return w.Engine.Retry(c.Request.Context(), n, in.Tasks, secrets, identity(c).Name)
	})
}

// cancelOperation is POST operations/{id}/cancel.
func (w *Web) cancelOperation(c *gin.Context) error {
	return w.control(c, func(n int64, in controlRequest) (int, error) {
		return w.Engine.Cancel(c.Request.Context(), n, in.Tasks, identity(c).Name)
	})
}

// skipTasks is POST operations/{id}/skip.
func (w *Web) skipTasks(c *gin.Context) error {
	return w.control(c, func(n int64, in controlRequest) (int, error) {
		return w.Engine.Skip(c.Request.Context(), n, in.Tasks)
	})
}

// unlockOperation is POST operations/{id}/unlock.
func (w *Web) unlockOperation(c *gin.Context) error {
	return w.control(c, func(n int64, in controlRequest) (int, error) {
		if in.SSH == nil {
			return 0, invalid(map[string]string{"ssh": "this is needed"})
		}
		secrets, err := w.secretsOf(c, n, in.SSH)
		if err != nil {
			return 0, err
		}
		return w.Engine.Unlock(c.Request.Context(), n, secrets)
	})
}

func (w *Web) control(c *gin.Context, do func(n int64, in controlRequest) (int, error)) error {
	n, err := pathID(c, "id")
	if err != nil {
		return err
	}
	var in controlRequest
	if c.Request.ContentLength != 0 {
		if err := decode(c, &in); err != nil {
			return err
		}
	}
	tasks, err := do(n, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, controlReply{tasks})
	return nil
}

// secretsOf checks the credentials of a request; nil when it has none.
func (w *Web) secretsOf(c *gin.Context, operationID int64, r *sshRequest) (operation.Secrets, error) {
	if r == nil || !r.given() {
		return nil, nil // the engine may still have them
	}
	credentials := r.credentials()
	err := w.again(c.Request.Context(), operationID, credentials)
	var wrong *bootstrap.FieldError
	if errors.As(err, &wrong) {
		return nil, invalid(map[string]string{"ssh." + wrong.Field: sentence(wrong.Message, wrong.Hint)})
	}
	return credentials, err
}

// retryForm is POST /operations/{id}/retry of the operation's page.
func (w *Web) retryForm(c *gin.Context) error {
	return w.controlForm(c, "retry_started", func(n int64, tasks []int64) error {
		_, err := w.Engine.Retry(c.Request.Context(), n, tasks, nil, identity(c).Name)
		return err
	})
}

// cancelForm is POST /operations/{id}/cancel.
func (w *Web) cancelForm(c *gin.Context) error {
	return w.controlForm(c, "cancel_requested", func(n int64, _ []int64) error {
		_, err := w.Engine.Cancel(c.Request.Context(), n, nil, identity(c).Name)
		return err
	})
}

// skipForm is POST /operations/{id}/skip.
func (w *Web) skipForm(c *gin.Context) error {
	return w.controlForm(c, "skipped", func(n int64, tasks []int64) error {
		_, err := w.Engine.Skip(c.Request.Context(), n, tasks)
		return err
	})
}

// controlForm answers a button of the task table. Somebody who is a moment too late ("nothing to do"), and a
// retry whose secrets are gone, get the page as it is now: it shows the one and asks for the other.
func (w *Web) controlForm(c *gin.Context, done string, do func(n int64, tasks []int64) error) error {
	n, err := pathID(c, "id")
	if err != nil {
		return err
	}
	f, err := readForm(c)
	if err != nil {
		return err
	}
	tasks, err := chosen(f)
	if err != nil {
		return err
	}
	err = do(n, tasks)
	if err != nil && !errors.Is(err, operation.ErrNothingToDo) && !errors.Is(err, operation.ErrSecretsNeeded) {
		return err
	}
	if err == nil {
		notice(c, done)
	}
	return goTo(c, localPath(f.text("next"), operationPath(n)))
}

func operationPath(n int64) string { return "/operations/" + strconv.FormatInt(n, 10) }

// chosen are the tasks or requests that a button is for: "only" one row's, "all" that it fits, or else the ticked ones.
func chosen(f *form) ([]int64, error) {
	values := slices.Concat(f.texts("task"), f.texts("request"))
	switch {
	case f.text("only") != "":
		values = f.texts("only")
	case f.text("all") != "":
		return nil, nil
	}
	ids := make([]int64, len(values))
	for i, v := range values {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return nil, malformed("a task is not a number")
		}
		ids[i] = n
	}
	return ids, nil
}

// unlockForm is POST /operations/{id}/unlock: the credentials again.
func (w *Web) unlockForm(c *gin.Context) error {
	n, err := pathID(c, "id")
	if err != nil {
		return err
	}
	f, err := readForm(c)
	if err != nil {
		return err
	}
	defer f.wipe()
	next := localPath(f.text("next"), operationPath(n))
	fields := largeFields(c.Request.Context(), f)
	credentials := formCredentials(f)
	if len(fields) == 0 {
		err = w.again(c.Request.Context(), n, credentials)
		var wrong *bootstrap.FieldError
		if errors.As(err, &wrong) {
			fields[formField(wrong.Field)], err = credentialText(c.Request.Context(), wrong), nil
		}
	}
	if err != nil {
		return err
	}
	if len(fields) > 0 {
		credentials.Wipe()
		if wantsJSON(c) {
			return invalid(fields)
		}
		return w.showOperation(c, http.StatusUnprocessableEntity, fields)
	}
	if _, err := w.giveAgain(c.Request.Context(), n, credentials, identity(c).Name); err != nil {
		return err
	}
	notice(c, "unlocked")
	return goTo(c, next)
}
