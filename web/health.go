package web

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// readyWait bounds how long the database may take to answer.
const readyWait = 2 * time.Second

// healthz is GET /healthz: the process answers.
func (w *Web) healthz(c *gin.Context) error {
	c.String(http.StatusOK, "ok\n")
	return nil
}

// readyz is GET /readyz: the database answers, too.
func (w *Web) readyz(c *gin.Context) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyWait)
	defer cancel()
	if err := w.DB.Ping(ctx); err != nil {
		w.Log.Warn("the database does not answer", "err", err)
		c.String(http.StatusServiceUnavailable, "the database does not answer\n")
		return nil
	}
	c.String(http.StatusOK, "ok\n")
	return nil
}
