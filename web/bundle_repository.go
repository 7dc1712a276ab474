package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"hostler/repo"
	"hostler/server/audit"
	"hostler/server/event"
	"hostler/ui/page"
)

// Paths whose bodies are snapshots of other servers.
const (
	pathImport     = api + "/repositories/:repository/import"
	pathImportForm = "/repositories/:repository/import"
)

// exportSnapshot is GET repositories/{repository}/export and GET /repositories/{repository}/export: a snapshot as a file.
func (w *Web) exportSnapshot(c *gin.Context) error {
	snapshot, err := queryInt(c, "snapshot", 0, 1, 1<<31)
	if err != nil {
		return err
	}
	since, err := queryInt(c, "since", 0, 1, 1<<31)
	if err != nil {
		return err
	}
	name := c.Param("repository")
	if snapshot == 0 {
		channel, err := w.Repo.Channel(name, c.Query("channel"))
		if err != nil {
			return err
		}
		snapshot = int64(channel.Snapshot)
	}
	b, err := w.Repo.Export(name, int(snapshot), int(since))
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Gather(c.Request.Context()); err != nil {
		return err
	}
	audit.About(c.Request.Context(), name, nil, map[string]int64{"snapshot": snapshot, "since": since})
	c.Header("Content-Type", "application/octet-stream")
	c.Header("Content-Disposition", `attachment; filename="`+b.Name()+`"`)
	c.Header("Content-Length", strconv.FormatInt(b.Size, 10))
	c.Header("X-Hostler-Key", w.Repo.KeyFingerprint())
	if err := b.Write(c.Request.Context(), patientAnswer(c)); err != nil {
		if c.Writer.Written() {
			panic(http.ErrAbortHandler) // an answer that just ended would pass for a whole one
		}
		return err
	}
	return nil
}

// importSnapshot is POST repositories/{repository}/import.
func (w *Web) importSnapshot(c *gin.Context) error {
	got, err := w.receiveBundle(c)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, got)
	return nil
}

// receiveBundle reads the fields channel and key and then the file of a form, and imports that.
func (w *Web) receiveBundle(c *gin.Context) (*repo.Imported, error) {
	parts, err := uploadParts(c)
	if err != nil {
		return nil, err
	}
	defer answerSoon(c)
	in := repo.Import{Repository: c.Param("repository"), By: identity(c).Name}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, invalid(map[string]string{"file": "there is no file"})
		}
		if err != nil {
			return nil, formError(err)
		}
		if part.FormName() == "file" && part.FileName() != "" {
			got, err := w.Repo.Import(c.Request.Context(), in, &lastRead{part, c})
			if err == nil {
				w.recordRepository(c, event.RepositoryImported, in.Repository, map[string]string{
					"channel": got.Channel, "snapshot": strconv.Itoa(got.Snapshot), "count": strconv.Itoa(got.Brought),
				})
			}
			return got, err
		}
		text, err := partText(part)
		if err != nil {
			return nil, err
		}
		switch field := part.FormName(); field {
		case "channel":
			in.Channel = text
		case "key":
			in.Key = text
		case "csrf", "file": // proved before; a form in which no file was chosen
		default:
			return nil, malformed(fmt.Sprintf("there is no field %.40q, only channel, key and then file", field))
		}
	}
}

// importPage is GET /repositories/{repository}/import.
func (w *Web) importPage(c *gin.Context) error { return w.showImport(c, http.StatusOK, nil) }

func (w *Web) showImport(c *gin.Context, status int, fields map[string]string) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	return show(c, status, page.ImportPage(page.ImportView{Frame: w.frame(c), Repository: r, Channel: r.Upload, Fields: fields}))
}

// importForm is POST /repositories/{repository}/import.
func (w *Web) importForm(c *gin.Context) error {
	got, err := w.receiveBundle(c)
	var (
		refused *repo.BundleError
		failed  *failure
	)
	switch {
	case err == nil:
		notice(c, "repository_imported")
		return goTo(c, repositoryURL(got.Repository, "channels"))
	case errors.As(err, &failed) && len(failed.cause.Fields) > 0:
		return w.showImport(c, http.StatusUnprocessableEntity, map[string]string{"file": page.FieldText(c.Request.Context(), "required")})
	case errors.As(err, &refused):
		return w.showImport(c, http.StatusUnprocessableEntity, map[string]string{"file": page.RepositoryFieldText(c.Request.Context(), refused.Code, refused.Message)})
	}
	fields, err := repositoryFields(c.Request.Context(), err)
	if err != nil {
		return err
	}
	return w.showImport(c, http.StatusUnprocessableEntity, fields)
}
