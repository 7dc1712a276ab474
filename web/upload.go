package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"hostler/repo"
	"hostler/server/event"
	"hostler/ui/page"
)

// Uploads of packages are streams of parts: fields, which are about the files behind them, and files. They are
// written to the disk as they come and are never in memory.

// Paths whose bodies are packages.
const (
	pathPackages   = api + "/repositories/:repository/packages"
	pathUploadForm = "/repositories/:repository/upload"
)

const (
	// maxUploads bounds one request.
	maxUploads     = 128 << 30 // bytes
	maxUploadFiles = 2000
)

// takesPackages says whether the body of a request to a path is packages.
func takesPackages(path string) bool {
	return path == pathPackages || path == pathUploadForm || path == pathImport || path == pathImportForm
}

// uploadParts reads the body of such a request. A form without scripts has its proof of the session in the first part,
// so that has been read before.
func uploadParts(c *gin.Context) (*multipart.Reader, error) {
	if v, ok := c.Get(partsKey); ok {
		return v.(*multipart.Reader), nil
	}
	kind, params, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, refuse(http.StatusUnsupportedMediaType, "not_a_form", "the request is no form with files", "send multipart/form-data with a part \"file\" for each package")
	}
	parts := multipart.NewReader(patientBody(c), params["boundary"])
	c.Set(partsKey, parts)
	return parts, nil
}

// firstField reads the first part, which must be a short field of this name; "" when it is another one.
func firstField(c *gin.Context, name string) (string, error) {
	parts, err := uploadParts(c)
	if err != nil {
		return "", err
	}
	part, err := parts.NextPart()
	if err != nil {
		return "", formError(err)
	}
	if part.FormName() != name {
		return "", nil
	}
	return partText(part)
}

func partText(part *multipart.Part) (string, error) {
	text, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err != nil {
		return "", formError(err)
	}
	if len(text) > maxField {
		return "", malformed("a field is too long")
	}
	return string(text), nil
}

// addPackages is POST repositories/{repository}/packages.
func (w *Web) addPackages(c *gin.Context) error {
	result, err := w.receivePackages(c)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, result)
	return nil
}

// receivePackages takes all files of a request and publishes them together. Those that cannot be taken are told in
// the result; the error is for what concerns all.
func (w *Web) receivePackages(c *gin.Context) (*repo.Result, error) {
	ctx, name := c.Request.Context(), c.Param("repository")
	channel := c.Query("channel")
	if _, err := w.Repo.Channel(name, channel); err != nil {
		return nil, err // before anything is sent in vain
	}
	parts, err := uploadParts(c)
	if err != nil {
		return nil, err
	}
	defer answerSoon(c)
	var received []*repo.Received
	defer func() {
		for _, got := range received {
			w.Repo.Discard(got)
		}
	}()
	up := repo.Upload{By: identity(c).Name}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, formError(err)
		}
		switch field := part.FormName(); {
		case field == "file" && part.FileName() == "": // a form in which no file was chosen
		case field == "file":
			if len(received) == maxUploadFiles {
				return nil, malformed("it has too many files")
			}
			up.Name, up.Content = part.FileName(), &lastRead{part, c}
			got, err := w.Repo.Receive(ctx, name, up)
			if err != nil {
				return nil, err
			}
			received = append(received, got)
		case field == "uploaded":
			if len(received) == maxUploadFiles {
				return nil, malformed("it has too many files")
			}
			got, err := w.receiveSent(c, part, up)
			if err != nil {
				return nil, err
			}
			received = append(received, got)
		default:
			text, err := partText(part)
			if err != nil {
				return nil, err
			}
			switch field {
			case "channel":
				channel = text
			case "version":
				up.Version = text
			case "arch":
				up.Arch = text
			case "csrf": // proved before
			default:
				return nil, malformed(fmt.Sprintf("there is no field %.40q, only channel, version, arch, uploaded and file", field))
			}
		}
	}
	if len(received) == 0 {
		return nil, invalid(map[string]string{"file": "there is no file"})
	}
	unhurried(c)
	result, err := w.Repo.Commit(ctx, name, channel, received, up.By)
	if err == nil && result.Added > 0 {
		w.recordRepository(c, event.PackagesAdded, name, map[string]string{
			"channel": result.Channel, "snapshot": strconv.Itoa(result.Snapshot), "count": strconv.Itoa(result.Added),
		})
	}
	return result, err
}

// receiveSent takes a file as a package that was sent before, by scripts, and that a field names.
func (w *Web) receiveSent(c *gin.Context, part *multipart.Part, up repo.Upload) (*repo.Received, error) {
	text, err := partText(part)
	if err != nil {
		return nil, err
	}
	sent := page.ReadUpload(text)
	f, err := w.Files.Open(sent.ID)
	if err != nil {
		return nil, invalid(map[string]string{"file": "a file that was sent before is no longer there"})
	}
	defer func() { _ = f.Close() }() // only read
	up.Name, up.Content = sent.Name, f
	unhurried(c)
	return w.Repo.Receive(c.Request.Context(), c.Param("repository"), up)
}
