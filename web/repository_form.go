package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/repo"
	"hostler/ui/page"
)

// newRepositoryForm is POST /repositories.
func (w *Web) newRepositoryForm(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	form := page.RepositoryForm{
		Name: f.text("name"), Kind: f.text("kind"), Architectures: f.text("architectures"), Channels: f.text("channels"), Description: f.text("description"),
	}
	in := repositoryRequest{
		Name: form.Name, Kind: repo.Kind(form.Kind), Architectures: words(form.Architectures), Channels: words(form.Channels), Description: form.Description,
	}
	if err := w.makeRepository(c, in); err != nil {
		if form.Fields, err = repositoryFields(c.Request.Context(), err); err != nil {
			return err
		}
		return w.showRepositories(c, http.StatusUnprocessableEntity, form)
	}
	notice(c, "repository_created")
	return goTo(c, repositoryURL(in.Name))
}

// removeRepositoryForm is POST /repositories/{repository}/remove.
func (w *Web) removeRepositoryForm(c *gin.Context) error {
	if err := w.takeRepository(c); err != nil {
		return err
	}
	notice(c, "repository_removed")
	return goTo(c, "/repositories")
}

// uploadPage is GET /repositories/{repository}/upload.
func (w *Web) uploadPage(c *gin.Context) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.UploadPage(w.uploadView(c, r)))
}

func (w *Web) uploadView(c *gin.Context, r page.Repository) page.UploadView {
	return page.UploadView{Frame: w.frame(c), Repository: r, Channel: r.Upload, Folder: w.Folder.Status().Path}
}

// uploadForm is POST /repositories/{repository}/upload. Its answer tells what became of each file.
func (w *Web) uploadForm(c *gin.Context) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	v := w.uploadView(c, r)
	result, err := w.receivePackages(c)
	var failed *failure
	switch {
	case err == nil:
		v.Channel, v.Result = result.Channel, uploadedView(result)
		return show(c, http.StatusOK, page.UploadPage(v))
	case errors.As(err, &failed) && len(failed.cause.Fields) > 0:
		v.Fields = map[string]string{"file": page.FieldText(c.Request.Context(), "required")}
	default:
		if v.Fields, err = repositoryFields(c.Request.Context(), err); err != nil {
			return err
		}
	}
	return show(c, http.StatusUnprocessableEntity, page.UploadPage(v))
}

// promoteForm is POST /repositories/{repository}/promote.
func (w *Web) promoteForm(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	form := page.PromoteForm{Channel: strings.TrimSpace(f.text("channel")), Create: f.text("create") != ""}
	if form.Snapshot, err = strconv.Atoi(f.text("snapshot")); err != nil {
		form.Snapshot = 0 // there is none of this number, which is told
	}
	if _, err := w.promote(c, promoteRequest{Channel: form.Channel, Snapshot: form.Snapshot, Create: form.Create}); err != nil {
		if form.Fields, err = repositoryFields(c.Request.Context(), err); err != nil {
			return err
		}
		return w.showChannels(c, http.StatusUnprocessableEntity, form)
	}
	notice(c, "channel_promoted")
	return goTo(c, repositoryURL(c.Param("repository"), "channels"))
}

// rollBackForm is POST /repositories/{repository}/rollback. It sends the snapshot that the page showed, so that a second
// click does not go back twice.
func (w *Web) rollBackForm(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	seen, err := strconv.Atoi(f.text("snapshot"))
	if err != nil || seen < 1 {
		return malformed("it does not say which snapshot the page showed")
	}
	if _, err := w.rollBack(c, rollbackRequest{Channel: f.text("channel"), Snapshot: seen}); err != nil {
		return err
	}
	notice(c, "channel_rolled_back")
	return goTo(c, repositoryURL(c.Param("repository"), "channels"))
}

// dropForm is POST /repositories/{repository}/packages/{digest}/drop.
func (w *Web) dropForm(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	if _, err := w.drop(c, dropRequest{Channel: f.text("channel"), Packages: []string{c.Param("digest")}}); err != nil {
		return err
	}
	notice(c, "package_dropped")
	return goTo(c, repositoryURL(c.Param("repository"))+"?"+url.Values{"channel": {f.text("channel")}}.Encode())
}

// repositoryFields puts what is wrong with a request beside its field. Any other error it returns.
func repositoryFields(ctx context.Context, err error) (map[string]string, error) {
	var wrong *repo.FieldError
	if !errors.As(err, &wrong) {
		return nil, err
	}
	return map[string]string{wrong.Field: page.RepositoryFieldText(ctx, wrong.Code, wrong.Message)}, nil
}

// repositoryURL is the page of a repository, or one below it.
func repositoryURL(name string, below ...string) string {
	return "/repositories/" + strings.Join(append([]string{url.PathEscape(name)}, below...), "/")
}

// words are those of a line, separated by commas or blanks; nil when there are none.
func words(line string) []string {
	fields := strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' })
	if len(fields) == 0 {
		return nil
	}
	return fields
}
