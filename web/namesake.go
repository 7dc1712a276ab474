package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/fleet"
	"hostler/server/trust"
	"hostler/ui/page"
)

// namesakesShown bounds how many names are looked into for one page.
const namesakesShown = 100

// namesakes are the names that more than one host with a valid certificate has: tokens have brought them. Of more than two it
// tells of the two that came last. Those that somebody keeps are no conflict, until another one comes.
func (w *Web) namesakes(ctx context.Context) (found []page.Namesake, err error) {
	count := map[string]int{}
	w.Fleet.Select(ctx, func(h *db.Host) bool { count[h.Name]++; return false })
	hosts := map[string][]fleet.Host{}
	names := []string{}
	for _, h := range w.Fleet.Select(ctx, func(h *db.Host) bool { return count[h.Name] > 1 }) { // by name and number
		if hosts[h.Name] == nil {
			names = append(names, h.Name)
		}
		hosts[h.Name] = append(hosts[h.Name], h)
	}
	if len(names) == 0 {
		return nil, nil
	}
	names = names[:min(len(names), namesakesShown)]
	certificates, err := w.DB.ValidCertificatesOf(ctx, names, w.Options.Now())
	if err != nil {
		return nil, err
	}
	machines := map[string]string{} // by serial number of the agent
	for i := range certificates {
		if c := &certificates[i]; machines[c.AgentSN] == "" {
			machines[c.AgentSN] = c.Machine
		}
	}
	kept, err := w.DB.KeptNamesakes(ctx, names)
	if err != nil {
		return nil, err
	}
	settled := func(h fleet.Host) bool { return kept[h.AgentSN].Hostname == h.Name }
	for _, name := range names {
		let := slices.DeleteFunc(hosts[name], func(h fleet.Host) bool { _, in := machines[h.AgentSN]; return !in })
		if len(let) < 2 || !slices.ContainsFunc(let, func(h fleet.Host) bool { return !settled(h) }) {
			continue
		}
		former, newcomer := &let[len(let)-2], &let[len(let)-1]
		found = append(found, page.Namesake{
			Name: name, Story: storyOf(machines[newcomer.AgentSN], machines[former.AgentSN], former.State != db.HostLost),
			Former: namesakeHost(former), Newcomer: namesakeHost(newcomer),
		})
	}
	return found, nil
}

func namesakeHost(h *fleet.Host) page.NamesakeHost {
	return page.NamesakeHost{ID: h.ID, AgentSN: h.AgentSN, Address: h.Address, State: string(h.State), LastSeen: at(h.LastSeenAt)}
}

// storyOf says what has happened when a host came under the name of another one, as far as it can be told.
func storyOf(machine, former string, reports bool) string {
	switch {
	case machine != "" && former == machine:
		return "reinstalled"
	case reports:
		return "alive"
	}
	return "gone"
}

// settleNamesake is POST /trust/namesakes: of two hosts of one name one is turned away, by all of its certificates, or both are kept.
func (w *Web) settleNamesake(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	if sn := f.text("keep"); sn != "" {
		if err := w.keepNamesakes(c, sn); err != nil {
			return err
		}
		notice(c, "namesakes_kept")
		return goTo(c, "/trust/waiting")
	}
	revoked, err := w.turnAwayNamesake(c, f.text("turn_away"))
	if err != nil {
		return err
	}
	if revoked { // of a double click nothing is left to do
		notice(c, "certificate_revoked")
	}
	return goTo(c, "/trust/waiting")
}

// turnAwayNamesake revokes all certificates of a host, and says whether there were any.
func (w *Web) turnAwayNamesake(c *gin.Context, sn string) (revoked bool, err error) {
	ctx := c.Request.Context()
	host, err := w.hostBySN(ctx, sn)
	if err != nil {
		return false, err
	}
	certificates, err := w.DB.ValidCertificatesOf(ctx, []string{host.Name}, w.Options.Now())
	if err != nil {
		return false, err
	}
	var in trust.RevokeRequest
	for i := range certificates {
		if certificates[i].AgentSN == sn {
			in.Serials = append(in.Serials, certificates[i].Serial)
		}
	}
	if len(in.Serials) == 0 {
		return false, nil
	}
	_, err = w.revoke(c, in)
	return true, err
}

// keepNamesakes lets the hosts share a name that came no later than the one of a serial number. Those that come after it are
// another conflict: nobody has seen them yet.
func (w *Web) keepNamesakes(c *gin.Context, sn string) error {
	ctx := c.Request.Context()
	host, err := w.hostBySN(ctx, sn)
	if err != nil {
		return err
	}
	var kept []db.KeptNamesake
	var sns []string
	for _, h := range w.Fleet.Select(ctx, func(h *db.Host) bool { return h.Name == host.Name && h.ID <= host.ID }) {
		kept = append(kept, db.KeptNamesake{Hostname: h.Name, AgentSN: h.AgentSN, KeptBy: identity(c).Name, KeptAt: w.Options.Now()})
		sns = append(sns, h.AgentSN)
	}
	audit.About(ctx, host.Name, nil, map[string]any{"agentsn": sns})
	return w.DB.KeepNamesakes(ctx, kept)
}

func (w *Web) hostBySN(ctx context.Context, sn string) (fleet.Host, error) {
	n, known := w.Fleet.Number(sn)
	host, found := w.Fleet.Get(ctx, n)
	if !known || !found {
		return host, db.ErrNotFound
	}
	return host, nil
}

type namesakeHostReply struct {
	ID         int64      `json:"id"`
	AgentSN    string     `json:"agentsn"`
	Address    string     `json:"address"`
	State      string     `json:"state"`
	LastSeenAt *time.Time `json:"last_seen_at"`
}

type namesakeReply struct {
	Name     string            `json:"name"`
	Story    string            `json:"story"` // what has happened, as far as it can be told
	Former   namesakeHostReply `json:"former"`
	Newcomer namesakeHostReply `json:"newcomer"`
}

type namesakesReply struct {
	Items []namesakeReply `json:"items"`
}

// listNamesakes is GET namesakes.
func (w *Web) listNamesakes(c *gin.Context) error {
	found, err := w.namesakes(c.Request.Context())
	if err != nil {
		return err
	}
	host := func(h page.NamesakeHost) namesakeHostReply {
		r := namesakeHostReply{ID: h.ID, AgentSN: h.AgentSN, Address: h.Address, State: h.State}
		if !h.LastSeen.IsZero() {
			r.LastSeenAt = &h.LastSeen
		}
		return r
	}
	reply := namesakesReply{Items: []namesakeReply{}}
	for _, n := range found {
		reply.Items = append(reply.Items, namesakeReply{Name: n.Name, Story: n.Story, Former: host(n.Former), Newcomer: host(n.Newcomer)})
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

type namesakeRequest struct {
	AgentSN string `json:"agentsn"`
}

// postKeepNamesakes is POST namesakes/keep.
func (w *Web) postKeepNamesakes(c *gin.Context) error {
	return namesakeCall(c, func(sn string) error { return w.keepNamesakes(c, sn) })
}

// postTurnAwayNamesake is POST namesakes/turn-away.
func (w *Web) postTurnAwayNamesake(c *gin.Context) error {
	return namesakeCall(c, func(sn string) error { _, err := w.turnAwayNamesake(c, sn); return err })
}

func namesakeCall(c *gin.Context, do func(sn string) error) error {
	var in namesakeRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	if err := do(in.AgentSN); err != nil {
		return err
	}
	c.JSON(http.StatusOK, struct{}{})
	return nil
}
