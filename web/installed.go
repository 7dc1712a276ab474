package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/internal/distro"
	"hostler/repo"
	"hostler/repo/pack"
	"hostler/ui/page"
)

const (
	installedPerPage = 100
	installedShown   = 10 // on a package's own page
)

// installedReply is GET repositories/{repository}/packages/{digest}/hosts.
type installedReply struct {
	// Told is what hosts report of such packages: one of page.InstalledKinds.
	Told  string          `json:"told"`
	Total int             `json:"total"` // of hosts that have it
	Items []installedHost `json:"items"`
	Next  string          `json:"next"` // for ?after=; "" on the last page
}

type installedHost struct {
	HostID int64        `json:"host_id"`
	Host   string       `json:"host"`
	State  db.HostState `json:"state"`
}

// installedOn finds the hosts that have a package, by name, and what that is known by. Hosts report their agent and their child
// agents; of what else their package managers installed they say nothing.
func (w *Web) installedOn(ctx context.Context, repository string, p *repo.Package) (hosts []db.Host, told string) {
	switch {
	case p.IsAgent():
		return w.agentOn(ctx, repository, p), page.InstalledAgent
	case p.Kind == repo.Archive && p.Version != "":
		hosts = w.Fleet.Reporting(ctx, p.Name, p.Version)
		return slices.DeleteFunc(hosts, func(h db.Host) bool { return !runsOn(p, &h) }), page.InstalledChild
	}
	return nil, page.InstalledUntold
}

// agentOn finds the hosts whose agent is of a package's version, among those that get the agent from its repository.
func (w *Web) agentOn(ctx context.Context, repository string, p *repo.Package) (hosts []db.Host) {
	version, _, _ := strings.Cut(p.Version, "-") // an rpm's release; see pack.Version
	families := distro.IDs()
	for _, h := range w.Fleet.Select(ctx, func(h *db.Host) bool {
		has, err := pack.Version(h.AgentVersion)
		return err == nil && has == version && h.Facts != nil && runsOn(p, h) &&
			agentRepositories[cmp.Or(distro.Family(h.Facts.OS.Family), families[h.Facts.OS.ID])] == repository
	}) {
		hosts = append(hosts, h.Host)
	}
	return hosts
}

// runsOn says whether a package is for a host's architecture. One that does not tell its own is for all.
func runsOn(p *repo.Package, h *db.Host) bool {
	return p.Arch == "" || p.Arch == "all" || p.Arch == "noarch" || distro.Arch(p.Arch) == h.Arch
}

// listInstalled is GET repositories/{repository}/packages/{digest}/hosts.
func (w *Web) listInstalled(c *gin.Context) error {
	limit, err := queryInt(c, "limit", installedPerPage, 1, 1000)
	if err != nil {
		return err
	}
	p, err := w.Repo.PackageOf(c.Param("repository"), c.Param("digest"))
	if err != nil {
		return err
	}
	found, err := w.findInstalled(c, p, int(limit))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, found)
	return nil
}

// findInstalled reads the page of hosts that the query asks for: after.
func (w *Web) findInstalled(c *gin.Context, p *repo.Package, limit int) (*installedReply, error) {
	after, err := afterOf(c)
	if err != nil {
		return nil, err
	}
	hosts, told := w.installedOn(c.Request.Context(), c.Param("repository"), p)
	reply := &installedReply{Told: told, Total: len(hosts), Items: []installedHost{}}
	for i := range hosts {
		h := &hosts[i]
		if (position{h.Name, h.ID}).compare(after) <= 0 {
			continue
		}
		if len(reply.Items) == limit {
			last := reply.Items[limit-1]
			reply.Next = position{last.Host, last.HostID}.String()
			break
		}
		reply.Items = append(reply.Items, installedHost{h.ID, h.Name, h.State})
	}
	return reply, nil
}

func installedView(r *installedReply) page.Installed {
	v := page.Installed{Told: r.Told, Total: r.Total, Next: r.Next}
	for _, h := range r.Items {
		v.Hosts = append(v.Hosts, page.InstalledHost{ID: h.HostID, Host: h.Host, State: string(h.State)})
	}
	return v
}

// installedPage is GET /repositories/{repository}/packages/{digest}/hosts.
func (w *Web) installedPage(c *gin.Context) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	p, err := w.Repo.PackageOf(r.Name, c.Param("digest"))
	if err != nil {
		return err
	}
	found, err := w.findInstalled(c, p, installedPerPage)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.InstalledPage(page.InstalledView{
		Frame: w.frame(c), Repository: r, Package: w.packageView(p), Installed: installedView(found), Paged: c.Query("after") != "",
	}))
}
