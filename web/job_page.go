package web

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/audit"
	"hostler/ui/page"
)

// jobsPage is GET /jobs.
func (w *Web) jobsPage(c *gin.Context) error {
	jobs, next, err := w.findJobs(c, jobsPerPage)
	if err != nil {
		return err
	}
	host, err := w.listHost(c)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.JobsPage(page.JobsView{
		Frame: w.frame(c), Jobs: w.jobViews(c.Request.Context(), jobs), Next: next, Paged: c.Query("before") != "",
		State: c.Query("state"), Action: c.Query("action"), Host: host, Operation: c.Query("operation"),
	}))
}

// jobPage is GET /jobs/{id}.
func (w *Web) jobPage(c *gin.Context) error {
	ctx := c.Request.Context()
	j, err := w.Jobs.Find(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	v := page.JobView{
		Frame: w.frame(c), Job: w.jobViews(ctx, []db.Job{*j})[0], OperationID: id(j.OperationID), Started: at(j.StartedAt), Expires: at(j.ExpiresAt),
		Timeout: j.Timeout, Canceling: j.CancelRequestedAt != nil && !j.State.Ended(), File: j.FileName, FileSize: uint64(max(0, j.FileSize)),
	}
	if j.ExitCode != nil {
		v.ExitCode = strconv.Itoa(*j.ExitCode)
	}
	v.Work, v.Text = parameters(&j.Payload)
	if err := w.showOutput(c, j, &v); err != nil {
		return err
	}
	return show(c, http.StatusOK, page.JobPage(v))
}

// showOutput reads what a job's page shows of its streams: each from its beginning or from ?stdout= and ?stderr= on, or the
// lines that hold ?find=.
func (w *Web) showOutput(c *gin.Context, j *db.Job, v *page.JobView) error {
	ctx := c.Request.Context()
	v.Find = strings.TrimSpace(c.Query("find"))
	for stream, out := range map[wire.Stream]*page.Output{wire.Stdout: &v.Stdout, wire.Stderr: &v.Stderr} {
		from, err := placeOf(c, string(stream))
		if err != nil {
			return err
		}
		if v.Find != "" {
			var more bool
			*out, more, err = w.findLines(ctx, j, stream, v.Find)
			v.Found = v.Found || more
		} else {
			*out, err = w.lines(ctx, j, stream, from)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parameters are what a job is about, without the values of its environment: those may be secrets.
func parameters(p *wire.Job) (list []page.Parameter, text string) {
	add := func(key, value string) {
		if value != "" {
			list = append(list, page.Parameter{Key: "job.param." + key, Value: value})
		}
	}
	add("name", p.Name)
	add("version", p.Version)
	add("url", p.URL)
	add("checksum", p.Checksum)
	text = p.Definition
	if e := p.Exec; e != nil {
		add("command", strings.Join(e.Command, " "))
		add("user", e.User)
		add("directory", e.Directory)
		text = e.Script
	}
	if f := p.Push; f != nil {
		add("path", f.Path)
		add("mode", f.Mode)
	}
	if f := p.Fetch; f != nil {
		add("path", f.Path)
	}
	if p.Step > 0 {
		add("step", strconv.Itoa(p.Step))
	}
	add("servers", p.SvrList)
	add("envs", strings.Join(slices.Sorted(maps.Keys(p.Envs)), ", "))
	return list, text
}

// cancelJobForm is POST /jobs/{id}/cancel of the job's page.
func (w *Web) cancelJobForm(c *gin.Context) error {
	j, err := w.DB.Job(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	host := w.Fleet.Name(c.Request.Context(), j.HostID)
	audit.About(c.Request.Context(), "job "+j.ID, map[string]string{"host": host, "action": j.Action, "state": string(j.State)}, nil)
	if _, err := w.Jobs.Cancel(c.Request.Context(), j.ID, host); err != nil {
		return err
	}
	notice(c, "job_canceled")
	return goTo(c, "/jobs/"+url.PathEscape(j.ID))
}
