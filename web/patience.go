package web

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
)

// patience is how long a transfer may stand still. The servers' own limits are for whole requests and answers: they
// would cut off large files.
const patience = time.Minute

// patientBody reads a request's body as long as it goes on coming.
func patientBody(c *gin.Context) io.Reader {
	return &patientReader{c.Request.Body, http.NewResponseController(c.Writer)}
}

type patientReader struct {
	io.Reader
	control *http.ResponseController
}

// Read also gives the answer its time: it comes when the body is read. The connection may be gone, which the read tells.
func (r *patientReader) Read(b []byte) (int, error) {
	until := time.Now().Add(patience)
	_, _ = r.control.SetReadDeadline(until), r.control.SetWriteDeadline(until)
	return r.Reader.Read(b)
}

// unhurried lifts the limits while the server works on what has come: that takes what it takes, and ends by itself.
// What is read next has its own again, and the answer gets its from answerSoon.
func unhurried(c *gin.Context) {
	control := http.NewResponseController(c.Writer)
	_, _ = control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})
}

// answerSoon is unhurried's end.
func answerSoon(c *gin.Context) {
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(patience))
}

// lastRead reads something to whose end work is done.
type lastRead struct {
	io.Reader
	c *gin.Context
}

func (r *lastRead) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if errors.Is(err, io.EOF) {
		unhurried(r.c)
	}
	return n, err
}

// patientAnswer writes an answer as long as it goes on being read.
func patientAnswer(c *gin.Context) http.ResponseWriter {
	return &patientWriter{c.Writer, http.NewResponseController(c.Writer)}
}

// sendFile answers with a stored file and closes it. checksum is that of its content.
func sendFile(c *gin.Context, f *os.File, checksum string) error {
	defer func() { _ = f.Close() }() // only read
	stat, err := f.Stat()
	if err != nil {
		return err
	}
	c.Header("Content-Type", "application/octet-stream")
	c.Header("ETag", `"`+checksum+`"`)
	http.ServeContent(patientAnswer(c), c.Request, "", stat.ModTime(), f)
	return nil
}

type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *patientWriter) Write(b []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(patience))
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
