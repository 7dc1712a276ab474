// Package web is the HTTP edge: the pages, the API and the live WebSocket for people and programs, and the two
// ports that agents talk to. Handlers decode, check, call and answer; what is true and what happens next is
// decided in server. routes.go is the one table of what there is and who may use it.
//
// The package opens no port and knows no file of certificates. Who listens gives each handler its TLS:
//
//   - Public takes plain HTTP on loopback or TLS with any certificate a browser accepts. Cookies are marked
//     Secure and HSTS is sent when a request came by TLS.
//   - Handshake needs TLS with a certificate of the internal CA for the advertised name, and asks for no client
//     certificate.
//   - Secured needs TLS 1.3 with such a certificate, tls.RequireAndVerifyClientCert and trust.CA.Pool as ClientCAs:
//     the handlers take the verified client certificate as the agent's identity and refuse a request without one.
//     What the database knows of a certificate is remembered for a minute, so that a heartbeat costs no query.
//     WatchSecured prepares the http.Server, so that connections end with the certificate that they began with.
//
// Servers should set ReadHeaderTimeout and IdleTimeout; bodies are bounded here.
package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/repo"
	"hostler/server/account"
	"hostler/server/audit"
	"hostler/server/check"
	"hostler/server/event"
	"hostler/server/file"
	"hostler/server/fleet"
	"hostler/server/job"
	"hostler/server/mirror"
	"hostler/server/openid"
	"hostler/server/operation"
	"hostler/server/remote"
	"hostler/server/trust"
	"hostler/server/watched"
)

// Deps are the parts of the server that the edge calls.
type Deps struct {
	DB       *db.DB
	Engine   *operation.Engine
	Fleet    *fleet.Fleet
	Jobs     *job.Queue
	CA       *trust.CA
	Accounts *account.Accounts
	Provider *openid.Provider // by which people may log in; nil for none
	Audit    *audit.Log
	Bus      *event.Bus
	Events   *event.Log
	Intake   *event.Intake
	Files    *file.Store
	Remote   *remote.Remote
	Mirrors  *mirror.Mirrors
	Folder   *watched.Folder // nil for none
	Repo     *repo.Store
	// Republish has everything signed anew, in the background: the key that signs has changed.
	Republish func()
	Log       *slog.Logger
	Options   Options
}

// Options are the edge's settings.
type Options struct {
	Version       string           // of the server; told to agents and to those who are logged in
	Advertise     string           // DNS name or IP address by which hosts reach this server
	HandshakePort int              // where hosts reach Handshake
	SecuredPort   int              // where hosts reach Secured
	ProviderName  string           // of the identity provider, on the login page
	Step          time.Duration    // between heartbeats unless a host has its own; only shown
	Script        []byte           // setup-agent.sh, served to hosts
	Now           func() time.Time // the clock; db.Now

	AnonymousHosts bool // packages are for everybody, and not for hosts that report alone
}

// How many hosts that are not admitted one address may send: at once, and a second.
const (
	enrolBurst = 100
	enrolRate  = 10
)

// How many requests for certificates one address may send, whatever becomes of them: at once, and a second. A room full of
// racks behind one address may start at once, and ten thousand hosts may wait there for approval, each asking once a minute; a
// program that does nothing but ask gets no more than half of one processor.
const (
	askBurst = 2000
	askRate  = 200
)

// Web serves all three ports.
type Web struct {
	Deps
	agents     *identities
	reporters  reporters
	peers      *peers
	refusals   *throttle
	enrolments *limiter     // of hosts that are not admitted
	asking     *limiter     // of all that ask for a certificate
	tokens     *draftTokens // by draft
	made       *draftTokens // by the token's own number: those that somebody made
	compared   comparisons  // files that the keys of checks are held against
	checks     *check.Board
	hub        *hub
	wakes      *wakeHub
	metrics    *metrics
	crossSite  *http.CrossOriginProtection
	unwatch    func()      // ends the watch on what is revoked
	setUpDone  atomic.Bool // never becomes false again
	starting   sync.Mutex  // held while a bootstrap is started, so that a double click finds it started

	public, handshake, secured http.Handler
}

// New returns the edge. It subscribes to the bus; Close ends that.
func New(d Deps) (*Web, error) {
	gin.SetMode(gin.ReleaseMode)
	w := &Web{
		Deps: d, agents: newIdentities(d.Options.Now), refusals: newThrottle(d.Options.Now, refusalEvery), enrolments: newLimiter(d.Options.Now, enrolBurst, enrolRate), asking: newLimiter(d.Options.Now, askBurst, askRate),
		tokens: newDraftTokens(), made: newDraftTokens(), crossSite: http.NewCrossOriginProtection(), peers: newPeers(), checks: check.NewBoard(d.DB), compared: comparisons{held: map[int64]comparison{}},
	}
	w.hub, w.wakes = newHub(w), newWakeHub(w)
	w.metrics = newMetrics(w)
	w.public, w.handshake, w.secured = w.engine(public), w.engine(handshake), w.engine(secured)
	if err := w.hub.start(); err != nil {
		return nil, fmt.Errorf("cannot follow changes for live pages: %w", err)
	}
	if err := w.wakes.start(); err != nil {
		w.hub.close()
		return nil, fmt.Errorf("cannot follow which hosts to wake: %w", err)
	}
	w.CA.OnVerdict(w.recordVerdict)
	w.unwatch = w.CA.OnRevoked(func(serials []string) {
		w.peers.cut(serials)
		w.wakes.cut(serials)
	})
	return w, nil
}

// Public serves people and programs: pages, /api/v1, /live and /metrics.
func (w *Web) Public() http.Handler { return w.public }

// Handshake serves hosts that have no certificate yet: enrolment, setup script and package repository.
func (w *Web) Handshake() http.Handler { return w.handshake }

// Secured serves enrolled agents.
func (w *Web) Secured() http.Handler { return w.secured }

// Close ends all live connections and wake channels and waits for them. Call it once the servers that serve Public and
// Secured have shut down: they take no new ones then, and leave alone those that became WebSockets.
func (w *Web) Close() {
	w.unwatch()
	w.hub.close()
	w.wakes.close()
}
