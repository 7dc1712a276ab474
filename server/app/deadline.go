package app

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// whileReading lets an answer take as long as it needs, as long as the client goes on reading it: each write has its
// own time limit. One for the whole answer would cut off slow downloads; none would let a client that never reads hold
// a goroutine and a file for ever.
func whileReading(h http.Handler, most time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := &deadlineWriter{ResponseWriter: w, control: http.NewResponseController(w), most: most}
		d.extend()
		h.ServeHTTP(d, r)
		d.extend() // for what is still buffered
	})
}

type deadlineWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	most    time.Duration
}

// extend moves the time limit. The connection may be gone, which the next write tells.
func (w *deadlineWriter) extend() { _ = w.control.SetWriteDeadline(time.Now().Add(w.most)) }

func (w *deadlineWriter) Write(b []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(b)
}

// Flush and Hijack are what gin expects of a writer; the rest it has not is found by Unwrap.
func (w *deadlineWriter) Flush() {
	w.extend()
	_ = w.control.Flush()
}

func (w *deadlineWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.control.Hijack() }

// Unwrap is for http.ResponseController.
func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
