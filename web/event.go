package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/ui/page"
)

const (
	eventsPerPage = 100
	maxHours      = 10 * 365 * 24 // that a list of events may go back
)

// eventsPage is GET /events.
func (w *Web) eventsPage(c *gin.Context) error {
	events, next, err := w.findEvents(c, eventsPerPage)
	if err != nil {
		return err
	}
	host, err := w.listHost(c)
	if err != nil {
		return err
	}
	v := page.EventsView{
		Frame: w.frame(c), Events: w.eventViews(c.Request.Context(), events), Paged: c.Query("before") != "",
		Severity: c.Query("severity"), Kind: c.Query("kind"), Host: host, Hours: c.Query("hours"),
	}
	if next > 0 {
		v.Next = strconv.FormatInt(next, 10)
	}
	return show(c, http.StatusOK, page.EventsPage(v))
}

// findEvents reads the page that the query asks for: severity, kind, child, host, host_name, hours, before; next is 0 on the last one.
func (w *Web) findEvents(c *gin.Context, limit int) (events []db.Event, next int64, err error) {
	q := db.EventQuery{
		Severity: db.Severity(c.Query("severity")), Kind: c.Query("kind"), Child: c.Query("child"), Limit: limit + 1,
	}
	switch q.Severity {
	case "", db.SeverityInfo, db.SeverityWarning, db.SeverityError:
	default:
		return nil, 0, badQuery("severity", "this must be info, warning or error")
	}
	if q.HostID, err = w.hostOfQuery(c); err != nil {
		return nil, 0, err
	}
	hours, err := queryInt(c, "hours", 0, 1, maxHours)
	if err != nil {
		return nil, 0, err
	}
	if hours > 0 {
		q.Since = w.Options.Now().Add(-time.Duration(hours) * time.Hour)
	}
	if q.Before, err = queryInt(c, "before", 0, 1, 1<<62); err != nil {
		return nil, 0, err
	}
	events, err = w.DB.Events(c.Request.Context(), q)
	if len(events) > limit {
		events = events[:limit]
		next = events[limit-1].ID
	}
	return events, next, err
}

type eventsReply struct {
	Items []db.Event `json:"items"`
	Next  int64      `json:"next"` // for ?before=; 0 on the last page
}

// listEvents is GET events.
func (w *Web) listEvents(c *gin.Context) error {
	limit, err := queryInt(c, "limit", eventsPerPage, 1, 499)
	if err != nil {
		return err
	}
	events, next, err := w.findEvents(c, int(limit))
	if err != nil {
		return err
	}
	if events == nil {
		events = []db.Event{}
	}
	c.JSON(http.StatusOK, eventsReply{events, next})
	return nil
}
