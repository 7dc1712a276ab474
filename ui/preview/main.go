// Command preview serves every page with sample data on a loopback port, for looking at them while they are
// drawn: `npm run build && go run ./ui/preview`. Forms go nowhere. ?lang= and ?theme= choose how it looks.
package main

import (
	"flag"
	"log/slog"
	"net/http"
	"os"
	"time"

	"hostler/ui/assets"
	"hostler/ui/i18n"
	"hostler/ui/layout"
	"hostler/ui/preview/sample"
)

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func main() {
	listen := flag.String("listen", "127.0.0.1:8090", "loopback `address` to listen on")
	flag.Parse()
	server := &http.Server{Addr: *listen, Handler: handler(), ReadHeaderTimeout: 5 * time.Second}
	slog.Info("serving the pages with sample data", "url", "http://"+*listen+"/")
	if err := server.ListenAndServe(); err != nil {
		slog.Error("cannot serve", "err", err)
		os.Exit(1)
	}
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+assets.Prefix, assets.Handler())
	mux.HandleFunc("POST /api/v1/hosts/expand", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(sample.Expansion))
	})
	mux.HandleFunc("GET /api/v1/operations/12/tasks/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(sample.TaskJSON))
	})
	mux.HandleFunc("GET /api/v1/operations/12/tasks/{id}/log", serveLog)
	for _, p := range sample.Pages() {
		mux.HandleFunc("GET "+p.Path, func(w http.ResponseWriter, r *http.Request) { show(w, r, p) })
	}
	return mux
}

// serveLog answers like the API: the log from an offset on, and where to go on.
func serveLog(w http.ResponseWriter, r *http.Request) {
	text := sample.Log
	if r.FormValue("offset") != "0" {
		text = ""
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Log-Next", sample.LogSize)
	_, _ = w.Write([]byte(text))
}

func show(w http.ResponseWriter, r *http.Request, p sample.Page) {
	ctx := i18n.With(r.Context(), i18n.Match(r.Header.Get("Accept-Language"), r.FormValue("lang")))
	f := layout.Frame{User: "admin", CSRF: "csrf-token", Theme: r.FormValue("theme"), Path: p.Path, Now: sample.Now, Version: "0.1.0", Audits: true, Administers: true}
	if p.Anonymous {
		f.User = ""
	}
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := p.Show(f).Render(ctx, w); err != nil {
		slog.Error("cannot render", "path", p.Path, "err", err)
	}
}
