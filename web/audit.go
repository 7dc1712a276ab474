package web

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/ui/page"
)

const auditPerPage = 100

type auditReply struct {
	Items []db.AuditEntry `json:"items"`
	Next  int64           `json:"next"` // for ?before=; 0 on the last page
}

// auditQuery reads what the query asks for: actor, action, target, result, since, until, hours.
func (w *Web) auditQuery(c *gin.Context) (q db.AuditQuery, err error) {
	q = db.AuditQuery{
		Actor: c.Query("actor"), Action: c.Query("action"), Target: c.Query("target"), Result: db.AuditResult(c.Query("result")),
	}
	if q.Result != "" && !slices.Contains(db.AuditResults, q.Result) {
		return q, badQuery("result", "this must be done, refused or failed")
	}
	for name, into := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		text := c.Query(name)
		if text == "" {
			continue
		}
		if *into, err = time.Parse(time.RFC3339, text); err != nil {
			return q, badQuery(name, "this is no time as RFC 3339 has it: 2026-03-01T08:00:00Z")
		}
		*into = into.UTC()
	}
	hours, err := queryInt(c, "hours", 0, 1, maxHours)
	if hours > 0 {
		q.Since = w.Options.Now().Add(-time.Duration(hours) * time.Hour)
	}
	return q, err
}

// findAudit reads the page that the query asks for; next is 0 on the last one.
func (w *Web) findAudit(c *gin.Context, limit int) (es []db.AuditEntry, next int64, err error) {
	q, err := w.auditQuery(c)
	if err != nil {
		return nil, 0, err
	}
	if q.Before, err = queryInt(c, "before", 0, 1, 1<<62); err != nil {
		return nil, 0, err
	}
	q.Limit = limit + 1
	es, err = w.DB.Audit(c.Request.Context(), q)
	if len(es) > limit {
		es = es[:limit]
		next = es[limit-1].ID
	}
	return es, next, err
}

// listAudit is GET audit.
func (w *Web) listAudit(c *gin.Context) error {
	limit, err := queryInt(c, "limit", auditPerPage, 1, 1000)
	if err != nil {
		return err
	}
	es, next, err := w.findAudit(c, int(limit))
	if err != nil {
		return err
	}
	if es == nil {
		es = []db.AuditEntry{}
	}
	c.JSON(http.StatusOK, auditReply{es, next})
	return nil
}

// getAudit is GET audit/{id}.
func (w *Web) getAudit(c *gin.Context) error {
	e, err := w.pathEntry(c)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, e)
	return nil
}

func (w *Web) pathEntry(c *gin.Context) (*db.AuditEntry, error) {
	n, err := pathID(c, "id")
	if err != nil {
		return nil, err
	}
	return w.DB.AuditEntry(c.Request.Context(), n)
}

// verifyAudit is GET audit/verify.
func (w *Web) verifyAudit(c *gin.Context) error {
	report, err := w.auditReport(c)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, report)
	return nil
}

func (w *Web) auditReport(c *gin.Context) (*audit.Report, error) {
	after, err := queryInt(c, "after", 0, 1, 1<<62)
	if err != nil {
		return nil, err
	}
	if after > 0 {
		if _, err := w.DB.AuditEntry(c.Request.Context(), after); err != nil {
			return nil, err
		}
	}
	return w.Audit.Verify(c.Request.Context(), after)
}

var auditTypes = map[string]string{audit.JSONLines: "application/x-ndjson", audit.CSV: "text/csv; charset=utf-8"}

// exportAudit is GET audit/export: the whole list, the oldest first, as long as it is read.
func (w *Web) exportAudit(c *gin.Context) error {
	q, err := w.auditQuery(c)
	if err != nil {
		return err
	}
	format := c.DefaultQuery("format", audit.JSONLines)
	if auditTypes[format] == "" {
		return badQuery("format", "this must be jsonl or csv")
	}
	audit.About(c.Request.Context(), format, nil, map[string]string{"filter": c.Request.URL.RawQuery})
	c.Header("Content-Type", auditTypes[format])
	c.Header("Content-Disposition", `attachment; filename="audit.`+format+`"`)
	if err := w.Audit.Export(c.Request.Context(), patientAnswer(c), format, q); err != nil {
		if c.Writer.Written() {
			panic(http.ErrAbortHandler) // an answer that just ended would pass for a whole one
		}
		return err
	}
	return nil
}

// auditPage is GET /audit.
func (w *Web) auditPage(c *gin.Context) error {
	es, next, err := w.findAudit(c, auditPerPage)
	if err != nil {
		return err
	}
	v := page.AuditView{
		Frame: w.frame(c), Paged: c.Query("before") != "",
		Actor: c.Query("actor"), Action: c.Query("action"), Target: c.Query("target"), Result: c.Query("result"), Hours: c.Query("hours"),
	}
	for i := range es {
		v.Entries = append(v.Entries, auditView(&es[i]))
	}
	if next > 0 {
		v.Next = strconv.FormatInt(next, 10)
	}
	return show(c, http.StatusOK, page.AuditPage(v))
}

func auditView(e *db.AuditEntry) page.AuditEntry {
	return page.AuditEntry{
		ID: e.ID, Time: e.Time, Actor: e.Actor, Address: e.Address, Action: e.Action, Target: e.Target, Result: string(e.Result), Code: e.Code,
		Request: e.Request, Before: string(e.Was), After: string(e.Became), Hash: e.Hash,
	}
}

// auditEntryPage is GET /audit/{id}.
func (w *Web) auditEntryPage(c *gin.Context) error {
	e, err := w.pathEntry(c)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.AuditEntryPage(page.AuditEntryView{Frame: w.frame(c), Entry: auditView(e)}))
}

// auditVerifyPage is GET /audit/verify.
func (w *Web) auditVerifyPage(c *gin.Context) error {
	report, err := w.auditReport(c)
	if err != nil {
		return err
	}
	v := page.AuditVerifyView{Frame: w.frame(c), Entries: report.Entries, Last: report.Last, Hash: report.Hash}
	for _, p := range report.Problems {
		v.Problems = append(v.Problems, page.AuditProblem{Entry: p.Entry, Code: p.Code, Message: p.Message})
	}
	return show(c, http.StatusOK, page.AuditVerifyPage(v))
}
