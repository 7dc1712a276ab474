package web

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gorilla/websocket"

	"hostler/server/file"
	"hostler/ui/i18n"
)

// Limits of request bodies in bytes.
const (
	maxBody   = 1 << 20   // what is not one of the next two
	maxJSON   = 8 << 20   // an API call: its fields are bounded one by one, so that the answer can name the field
	maxForm   = 16 << 20  // a form with files, likewise
	maxHosts  = 1 << 20   // a list of hosts as typed
	maxKey    = 64 << 10  // a private key
	maxScript = 256 << 10 // a script, a definition or variables as typed
	maxUpload = 15 << 20  // a file that a form brings; programs send larger ones to pathFiles
	maxField  = 4 << 10   // any other field
)

// Keys of values that a request carries.
const (
	listenerKey = "listener"
	requestKey  = "request"
	identityKey = "identity"
	bodyKey     = "body"
	formKey     = "form"
	partsKey    = "parts"
)

// csp allows what the pages are made of and nothing else; connect-src 'self' covers the WebSocket, too.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// engine builds the handler of one port from the table.
func (w *Web) engine(on listener) http.Handler {
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.RedirectFixedPath = false
	// Headers that claim another client address are for whoever runs a proxy to trust, not for us.
	_ = e.SetTrustedProxies(nil) // nil cannot be malformed
	e.Use(w.observe(on), w.headers(on), w.recover())
	for _, r := range routes {
		if r.on == on {
			e.Handle(r.method, r.path, w.serve(r))
		}
	}
	e.NoRoute(func(c *gin.Context) {
		w.fail(c, refuse(http.StatusNotFound, "not_found", "there is nothing at "+c.Request.URL.Path, ""))
	})
	e.NoMethod(func(c *gin.Context) {
		w.fail(c, refuse(http.StatusMethodNotAllowed, "method_not_allowed", c.Request.Method+" is not for this path", ""))
	})
	return e
}

// serve admits a request, bounds its body, answers it and records what it changed.
func (w *Web) serve(r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.Body != nil && c.Request.Body != http.NoBody {
			c.Set(bodyKey, c.Request.Body)
			c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, bodyLimit(c, r))
		}
		act := w.begin(c, r)
		err := w.admit(c, r)
		if act.admitted = err == nil; act.admitted {
			err = r.do(w, c)
		}
		act.end(err)
		if err != nil {
			w.fail(c, err)
		}
	}
}

// bodyLimit is how much of a body is read. Nobody who is not logged in gets to send a large one.
func bodyLimit(c *gin.Context, r route) int64 {
	switch {
	case r.path == pathFiles || r.path == pathJobFile:
		return file.MaxSize + 1 // the store refuses it, and says so
	case isMultipart(c) && takesPackages(r.path):
		return maxUploads
	case r.may != everyone && c.ContentType() == "application/json" && r.on == public:
		return maxJSON
	case r.may != everyone && isMultipart(c) && r.on == public:
		return maxForm
	}
	return maxBody
}

// observe names the request, picks its language, logs it and counts it.
func (w *Web) observe(on listener) gin.HandlerFunc {
	return func(c *gin.Context) {
		began := time.Now()
		c.Set(listenerKey, on)
		c.Set(requestKey, rand.Text()[:12])
		if on == public {
			lang, _ := c.Cookie(langCookie)
			c.Request = c.Request.WithContext(i18n.With(c.Request.Context(), i18n.Match(c.GetHeader("Accept-Language"), lang)))
		}
		c.Next()
		if websocket.IsWebSocketUpgrade(c.Request) {
			return // it lasted as long as a page was open
		}
		took := time.Since(began)
		w.metrics.observe(on, c.Request.Method, c.FullPath(), c.Writer.Status(), took)
		// The query is left out: the set-up link has its secret there.
		w.Log.Debug("request", "listener", on, "method", c.Request.Method, "path", c.Request.URL.Path,
			"status", c.Writer.Status(), "ms", took.Milliseconds(), "from", c.RemoteIP(), "request", requestID(c))
	}
}

// headers sets what every answer carries. Handlers of what may be cached replace Cache-Control.
func (w *Web) headers(on listener) gin.HandlerFunc {
	return func(c *gin.Context) {
		h := c.Writer.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if on == public {
			h.Set("Content-Security-Policy", csp)
			h.Set("Referrer-Policy", "same-origin")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
			h.Set("Cross-Origin-Resource-Policy", "same-origin")
			if c.Request.TLS != nil {
				h.Set("Strict-Transport-Security", "max-age=31536000")
			}
		}
		c.Next()
	}
}

// recover turns a panic into an error. A handler that gave up its connection on purpose goes on panicking.
func (w *Web) recover() gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			w.fail(c, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}()
		c.Next()
	}
}

func portOf(c *gin.Context) listener {
	on, _ := c.Get(listenerKey)
	l, _ := on.(listener)
	return l
}

func requestID(c *gin.Context) string { return c.GetString(requestKey) }
