package web

import (
	"context"
	"slices"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/fleet"
	"hostler/server/trust"
	"hostler/ui/page"
)

// namesakesShown bounds how many names are looked into for one page.
const namesakesShown = 100

// namesakes are the names that more than one host with a valid certificate has: tokens have brought them. Of more than two it
// tells of the two that came last.
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
	for _, name := range names {
		let := slices.DeleteFunc(hosts[name], func(h fleet.Host) bool { _, in := machines[h.AgentSN]; return !in })
		if len(let) < 2 {
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

// turnAwayNamesake is POST /trust/namesakes: of two hosts of one name one is turned away, by all of its certificates.
func (w *Web) turnAwayNamesake(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	ctx, sn := c.Request.Context(), f.text("turn_away")
	n, known := w.Fleet.Number(sn)
	host, found := w.Fleet.Get(ctx, n)
	if !known || !found {
		return db.ErrNotFound
	}
	certificates, err := w.DB.ValidCertificatesOf(ctx, []string{host.Name}, w.Options.Now())
	if err != nil {
		return err
	}
	var in trust.RevokeRequest
	for i := range certificates {
		if certificates[i].AgentSN == sn {
			in.Serials = append(in.Serials, certificates[i].Serial)
		}
	}
	if len(in.Serials) > 0 { // of a double click nothing is left to do
		if _, err := w.revoke(c, in); err != nil {
			return err
		}
		notice(c, "certificate_revoked")
	}
	return goTo(c, "/trust/waiting")
}
