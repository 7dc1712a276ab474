package web

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/repo"
)

// reporters are the addresses of hosts that report, for packages that not everybody may have. It is read anew when it is a moment
// old: a host with a thousand packages to fetch must not have all hosts searched for each.
type reporters struct {
	mu    sync.Mutex
	known map[netip.Addr]bool
	at    time.Time
}

const reportersAge = time.Second

func (r *reporters) has(w *Web, address netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := w.Options.Now(); !r.known[address] && (r.at.IsZero() || now.Sub(r.at).Abs() >= reportersAge) || now.Sub(r.at).Abs() >= time.Minute {
		r.at, r.known = now, map[netip.Addr]bool{}
		w.Fleet.Select(context.Background(), func(h *db.Host) bool {
			if h.State == db.HostHealthy || h.State == db.HostUnhealthy {
				if a, err := netip.ParseAddr(h.Address); err == nil {
					r.known[a.Unmap()] = true
				}
			}
			return false
		})
	}
	return r.known[address]
}

// forEverybody says whether a path below wire.PathRepo is what hosts need before they report: the keys and the agent.
func forEverybody(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, wire.PathRepo), "/")
	return first == "key.asc" || first == "key.gpg" || repo.IsOwn(first)
}

// repository is GET /repo/….
func (w *Web) repository(c *gin.Context) error {
	if !w.Options.AnonymousHosts && !forEverybody(c.Request.URL.Path) && !w.reporters.has(w, peerAddress(c).Unmap()) {
		http.Error(c.Writer, "this repository is for hosts that report to this server: set up the agent first, or set anonymous-hosts", http.StatusForbidden)
		return nil
	}
	w.Repo.Handler().ServeHTTP(c.Writer, c.Request)
	return nil
}
