package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/bearer"
	"hostler/internal/distro"
	"hostler/server/bootstrap"
	"hostler/server/bootstrap/hostlist"
	"hostler/server/trust"
	"hostler/ui/page"
)

const (
	manualLifetime = 15 * time.Minute
	manualUses     = 10 // hosts that a token admits when nobody said how many there are
)

// draftTokens remembers enrolment tokens as long as they are good, because the database has their hashes only and a page
// that is loaded again must show the same commands.
type draftTokens struct {
	mu    sync.Mutex
	known map[int64]draftToken
}

type draftToken struct {
	secret  string
	expires time.Time
}

func newDraftTokens() *draftTokens { return &draftTokens{known: map[int64]draftToken{}} }

func (t *draftTokens) get(draftID int64, now time.Time) (draftToken, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	token, ok := t.known[draftID]
	return token, ok && now.Before(token.expires)
}

// put keeps a token and drops those that have expired.
func (t *draftTokens) put(draftID int64, token draftToken, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n, old := range t.known {
		if !now.Before(old.expires) {
			delete(t.known, n)
		}
	}
	t.known[draftID] = token
}

func (t *draftTokens) forget(draftID int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, draftID)
}

// wizardManualPage is GET /wizards/{id}/manual: the commands, and who has arrived.
func (w *Web) wizardManualPage(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	if d.Method != page.MethodManual {
		return goTo(c, wizardPath(d.ID, page.WizardHosts))
	}
	ctx := c.Request.Context()
	if err := w.mintFirst(ctx, d); err != nil {
		return err
	}
	token, _ := w.tokens.get(d.ID, w.Options.Now())
	t, err := w.openToken(ctx, d.ID)
	if err != nil {
		return err
	}
	var groups []page.CommandGroup
	if t.ID != 0 {
		groups = append(w.chosenCommands(token.secret, sourcesOf(d)), carriedCommands(&t))
	}
	requests, err := w.DB.EnrolRequestsOfDraft(ctx, d.ID, admittedShown)
	if err != nil {
		return err
	}
	door, err := w.enrolDoor(c, requests)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.WizardManualPage(page.WizardManualView{
		Frame: w.frame(c), Draft: w.draftFor(c, d), Groups: groups,
		TokenExpires: token.expires, TokenUses: t.UsesLeft, Arrivals: w.arrivals(c.Request.Context(), d.ID), Door: door,
	}))
}

// renewWizardToken is POST /wizards/{id}/token: a new token in new commands. The old one ends at once.
func (w *Web) renewWizardToken(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	if err := w.mint(c.Request.Context(), d); err != nil {
		return err
	}
	return goTo(c, wizardPath(d.ID, page.WizardManual))
}

// mintFirst makes a draft's first token. A page that stays open asks again and again; the next tokens are made when somebody says so.
func (w *Web) mintFirst(ctx context.Context, d *db.Draft) error {
	had, err := w.DB.DraftHadEnrolToken(ctx, d.ID)
	if err != nil || had {
		return err
	}
	return w.mint(ctx, d)
}

// mint makes a token for a draft that admits as many hosts as the draft names. Those made before end, also those of
// before a restart, which this server no longer knows.
func (w *Web) mint(ctx context.Context, d *db.Draft) error {
	uses := len(hostlist.Read(d.Hosts).Hosts)
	if uses == 0 {
		uses = manualUses
	}
	if err := w.CA.EndTokens(ctx, d.ID); err != nil {
		return err
	}
	now := w.Options.Now()
	secret, err := w.CA.MintToken(ctx, trust.TokenSpec{Cluster: d.Cluster, DraftID: &d.ID, Uses: uses, Lifetime: manualLifetime})
	if err != nil {
		return err
	}
	w.tokens.put(d.ID, draftToken{secret, now.Add(manualLifetime)}, now)
	return nil
}

// openToken is a draft's present token; the zero one when that admits nobody any more.
func (w *Web) openToken(ctx context.Context, draftID int64) (db.EnrolToken, error) {
	token, ok := w.tokens.get(draftID, w.Options.Now())
	if !ok {
		return db.EnrolToken{}, nil
	}
	row, err := w.DB.EnrolToken(ctx, bearer.Hash(token.secret))
	if errors.Is(err, db.ErrNotFound) {
		return db.EnrolToken{}, nil
	}
	if err != nil || row.State(w.Options.Now()) != db.EnrolTokenOpen {
		return db.EnrolToken{}, err
	}
	return *row, nil
}

// commands are what a person runs on a host. Nothing that comes over the network is trusted or run before the CA
// certificate proved to have the pin that this page tells; the token is never an argument of a program.
func (w *Web) commands(token string) []page.CommandGroup {
	return append(w.installCommands(token), w.stepCommands(token, nil)...)
}

// chosenCommands are those for the systems of a draft. install.sh takes every system's agent from this server; where something else
// was chosen there are the single steps alone.
func (w *Web) chosenCommands(token string, s bootstrap.Sources) []page.CommandGroup {
	if s.Usual() {
		return w.commands(token)
	}
	return w.stepCommands(token, s)
}

// stepCommands are the single steps, for each family that is meant.
func (w *Web) stepCommands(token string, s bootstrap.Sources) []page.CommandGroup {
	server := w.Options.Advertise
	base := "https://" + net.JoinHostPort(server, strconv.Itoa(w.Options.HandshakePort))
	reached := fmt.Sprintf("--server %s --handshake %d", server, w.Options.HandshakePort)
	where := fmt.Sprintf("%s --secured %d --ca-pin %s", reached, w.Options.SecuredPort, w.CA.Pin())
	fetch := `d=$(mktemp -d) && cd "$d" &&
` + unverified(base+wire.PathCA) + ` &&
[ "$(grep -v -- ----- ca.pem | base64 -d | sha256sum | cut -d' ' -f1)" = ` + w.CA.Pin() + ` ] &&
` + verified(base+wire.PathScript)
	repository := func(f distro.Family) string {
		text := fetch + ` &&
` + verified(base+wire.PathRepo+"key.asc") + " &&\n"
		source, more := s[f], ""
		if source.Follows() != bootstrap.Stable {
			more += " --channel " + source.Channel
		}
		if source.URL != "" {
			more += " --mirror " + source.URL
		}
		if source.Key != "" { // Sources.Check leaves nothing in it that a shell would take for more than text
			text += "printf '%s' '" + source.Key + "' >mirror.asc &&\n"
			more += " --mirror-key mirror.asc"
		}
		return text + `sh setup-agent.sh repository --url ` + base + wire.PathRepo + ` --ca ca.pem --key key.asc` + more
	}
	install := page.Command{Code: "", Text: "sh setup-agent.sh install"}
	rest := []page.Command{
		{Code: "configure", Text: "printf '%s\\n' " + token + " |\nsh setup-agent.sh configure " + where + ` --hostname "$(hostname -f)"`},
		{Code: "start", Text: `sh setup-agent.sh start && cd / && rm -rf "$d"`},
	}
	var groups []page.CommandGroup
	for _, f := range []distro.Family{distro.Debian, distro.RHEL, distro.SUSE, distro.Other} {
		if !slices.Contains(s.Families(), f) {
			continue
		}
		kind := "rpm"
		if f == distro.Debian {
			kind = "deb"
		}
		install.Code = kind + "_install"
		first := []page.Command{{Code: kind + "_repository", Text: repository(f)}, install}
		if f == distro.Other {
			if source := s[f]; source.Follows() != bootstrap.Stable {
				reached += " --channel " + source.Channel
			}
			first = []page.Command{{Code: "archive", Text: repository(f) + " &&\nsh setup-agent.sh install " + reached}}
		}
		groups = append(groups, page.CommandGroup{Family: string(f), Commands: append(first, rest...)})
	}
	return groups
}

// unverified is how a shell downloads a file that is not trusted yet, by curl or, where there is none, by wget.
func unverified(url string) string { return download("-k", "--no-check-certificate", url) }

// verified is how a shell downloads a file from the server whose authority is in ca.pem.
func verified(url string) string {
	return download("--cacert ca.pem --capath none", "--ca-certificate=ca.pem --ca-directory=none", url)
}

func download(curl, wget, url string) string {
	return "if command -v curl >/dev/null; then curl -fsSO --noproxy '*' " + curl + " " + url + "; else wget -q --no-proxy " + wget + " " + url + "; fi"
}
