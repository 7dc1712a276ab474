package web

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/internal/bearer"
	"hostler/repo"
	"hostler/server/audit"
	setupscripts "hostler/setup-scripts"
	"hostler/ui/page"
)

// carriedName is what an archive for a token, and the directory in it, is called.
func carriedName(t *db.EnrolToken) string { return "hostler-agent-" + strconv.FormatInt(t.ID, 10) }

// carriedCommands are how a person takes the archive for a token to a host that downloads nothing.
func carriedCommands(t *db.EnrolToken) page.CommandGroup {
	name := carriedName(t)
	return page.CommandGroup{Family: "carried", Commands: []page.Command{{
		Code: "carried", Text: "tar -xf " + name + ".tar && sh " + name + "/install.sh", Get: "/trust/tokens/" + strconv.FormatInt(t.ID, 10) + "/archive",
	}}}
}

// secretOf is a token's secret as long as this server knows it and it is of use.
func (w *Web) secretOf(t *db.EnrolToken) (secret string, ok bool) {
	now := w.Options.Now()
	if t.State(now) != db.EnrolTokenOpen {
		return "", false
	}
	known, ok := w.made.get(t.ID, now)
	if !ok && t.DraftID != nil {
		known, ok = w.tokens.get(*t.DraftID, now)
	}
	return known.secret, ok && bearer.Hash(known.secret) == t.Hash
}

// tokenArchive is GET /trust/tokens/{id}/archive and GET enrol-tokens/{id}/archive: all that a host needs to enrol with the token,
// in one file, for hosts that download nothing.
func (w *Web) tokenArchive(c *gin.Context) error {
	t, err := w.enrolToken(c)
	if err != nil {
		return err
	}
	secret, known := w.secretOf(t)
	if !known {
		return refuse(http.StatusGone, "token_over", "the enrolment token of this archive is of no more use, or this server does not know it any more",
			"make a new token")
	}
	packages, err := w.Repo.AgentFiles()
	if err != nil {
		return refuse(http.StatusServiceUnavailable, "no_packages", err.Error(), "wait until the server has published the agent's packages")
	}
	defer repo.CloseAll(packages)
	audit.About(c.Request.Context(), "enrolment token "+strconv.FormatInt(t.ID, 10), nil, nil)
	c.Header("Content-Type", "application/x-tar")
	c.Header("Content-Disposition", `attachment; filename="`+carriedName(t)+`.tar"`)
	if err := w.writeCarried(patientAnswer(c), t, secret, packages); err != nil {
		if c.Writer.Written() {
			panic(http.ErrAbortHandler) // an answer that just ended would pass for a whole one
		}
		return err
	}
	return nil
}

// writeCarried writes the archive. Its packages are compressed, so it is not.
func (w *Web) writeCarried(to io.Writer, t *db.EnrolToken, secret string, packages []repo.AgentFile) error {
	var sums strings.Builder
	for _, p := range packages {
		_, _ = fmt.Fprintf(&sums, "%s  %s\n", p.Digest, p.Name) // this cannot fail
	}
	out := carriedWriter{tar.NewWriter(to), carriedName(t) + "/", w.Options.Now()}
	err := errors.Join(
		out.text("install.sh", 0o755, setupscripts.Carried(w.target())), out.text("setup-agent.sh", 0o755, w.Options.Script),
		out.text("ca.pem", 0o644, w.CA.PEM()), out.text("key.asc", 0o644, w.Repo.PublicKeyArmored()),
		out.text("token", 0o600, []byte(secret+"\n")), out.text("SHA256SUMS", 0o644, []byte(sums.String())),
	)
	for i := 0; i < len(packages) && err == nil; i++ {
		err = out.file(packages[i].Name, 0o644, packages[i].Size, packages[i])
	}
	return errors.Join(err, out.Close())
}

type carriedWriter struct {
	*tar.Writer
	dir  string
	date time.Time
}

func (w carriedWriter) text(name string, mode int64, content []byte) error {
	return w.file(name, mode, int64(len(content)), strings.NewReader(string(content)))
}

func (w carriedWriter) file(name string, mode, size int64, content io.Reader) error {
	if err := w.WriteHeader(&tar.Header{Name: w.dir + name, Mode: mode, Size: size, ModTime: w.date, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	_, err := io.Copy(w, content)
	return err
}
