package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/ui/page"
)

type definitionsReply struct {
	Items []db.ChildDefinition `json:"items"`
	Next  string               `json:"next"` // always "": they come all at once
}

type offersReply struct {
	Items []offerReply `json:"items"`
	Next  string       `json:"next"` // always "": they come all at once
}

// offerReply is an archive of the repository.
type offerReply struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"` // "" when the archive's name does not tell
	Arch       string   `json:"arch"`    // likewise
	Repository string   `json:"repository"`
	Channels   []string `json:"channels"`
	URL        string   `json:"url"`
	Checksum   string   `json:"checksum"`
	Size       int64    `json:"size"` // bytes
}

// listOffers is GET child-archives: what the repository has that can be installed as child agents.
func (w *Web) listOffers(c *gin.Context) error {
	all := []offerReply{}
	for _, o := range w.Repo.Offers("") {
		all = append(all, offerReply{
			Name: o.Name, Version: o.Version, Arch: o.Arch, Repository: o.Repository, Channels: o.Channels,
			URL: w.Remote.Repository + o.Path(), Checksum: checksumOf(o.Digest), Size: o.Size,
		})
	}
	c.JSON(http.StatusOK, offersReply{Items: all})
	return nil
}

func checksumOf(digest string) string { return "SHA256:" + digest }

// listDefinitions is GET child-definitions.
func (w *Web) listDefinitions(c *gin.Context) error {
	all, err := w.DB.ChildDefinitions(c.Request.Context())
	if err != nil {
		return err
	}
	if all == nil {
		all = []db.ChildDefinition{}
	}
	c.JSON(http.StatusOK, definitionsReply{Items: all})
	return nil
}

// forgetDefinitionRequest names a version of a child agent.
type forgetDefinitionRequest struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// forgetDefinition is POST child-definitions/forget.
func (w *Web) forgetDefinition(c *gin.Context) error {
	var in forgetDefinitionRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	audit.About(c.Request.Context(), in.Name+" "+in.Version, nil, nil)
	if err := w.DB.ForgetChildDefinition(c.Request.Context(), in.Name, in.Version); err != nil {
		return err
	}
	c.JSON(http.StatusOK, struct{}{})
	return nil
}

// forgetDefinitionForm is POST /child-agents/catalogue/forget.
func (w *Web) forgetDefinitionForm(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	audit.About(c.Request.Context(), f.text("name")+" "+f.text("version"), nil, nil)
	err = w.DB.ForgetChildDefinition(c.Request.Context(), f.text("name"), f.text("version"))
	if err != nil && !errors.Is(err, db.ErrNotFound) { // two clicks forget it once
		return err
	}
	notice(c, "definition_forgotten")
	return goTo(c, "/child-agents/catalogue")
}

// cataloguePage is GET /child-agents/catalogue.
func (w *Web) cataloguePage(c *gin.Context) error {
	known, err := w.definitionViews(c)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.CataloguePage(page.CatalogueView{Frame: w.frame(c), Known: known, Offers: w.offerViews()}))
}

func (w *Web) offerViews() []page.Offer {
	var views []page.Offer
	for _, o := range w.Repo.Offers("") {
		views = append(views, page.Offer{
			Name: o.Name, Version: o.Version, Arch: o.Arch, Repository: o.Repository, Channels: o.Channels, Digest: o.Digest, Size: uint64(o.Size),
		})
	}
	return views
}

func (w *Web) definitionViews(c *gin.Context) ([]page.ChildDefinition, error) {
	all, err := w.DB.ChildDefinitions(c.Request.Context())
	views := make([]page.ChildDefinition, len(all))
	for i, d := range all {
		views[i] = page.ChildDefinition{
			Name: d.Name, Version: d.Version, URL: d.URL, Checksum: d.Checksum, Definition: d.Definition, UsedBy: d.UsedBy, Used: d.UsedAt,
		}
	}
	return views, err
}

// knownVersions are what the form for installations offers; nothing on other forms.
func (w *Web) knownVersions(c *gin.Context) ([]page.ChildDefinition, error) {
	if c.FullPath() != "/child-agents/new" {
		return nil, nil
	}
	return w.definitionViews(c)
}

// fillKnown fills in what was installed before of the child agent that the form is for, the archive of the repository that was
// chosen for it, and on the form that configures one, the limits and the definition that it has on the only host.
func (w *Web) fillKnown(c *gin.Context, form *page.WorkForm) error {
	installs, configures := c.FullPath() == "/child-agents/new", c.FullPath() == "/child-agents/configure"
	if !installs && !configures {
		return nil
	}
	if configures {
		defer w.fillFromHosts(c.Request.Context(), form)
		if c.Query("version") == "" { // another version's definition would be wrong
			return nil
		}
	}
	known, err := w.DB.ChildDefinition(c.Request.Context(), form.Name, c.Query("version"))
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	if err == nil {
		form.Definition, form.Shown, form.Version = known.Definition, known.Definition, known.Version
		if installs {
			form.URL, form.Checksum = known.URL, known.Checksum
		}
	}
	if archive := c.Query("archive"); installs && archive != "" {
		for _, o := range w.Repo.Offers(form.Name) {
			if o.Digest == archive {
				form.Version, form.URL, form.Checksum = o.Version, w.Remote.Repository+o.Path(), checksumOf(o.Digest)
			}
		}
	}
	return nil
}

// onlyOne says whether a form is for this host alone.
func onlyOne(form *page.WorkForm, h *db.Host) bool {
	return h.Name == form.Hosts && len(form.Chosen) == 0 || form.Hosts == "" && len(form.Chosen) == 1 && h.ID == form.Chosen[0].ID
}

// fillFromHosts fills in the limits and the definition that a child agent has now, when the form is for one host.
func (w *Web) fillFromHosts(ctx context.Context, form *page.WorkForm) {
	for _, h := range w.Fleet.Select(ctx, func(h *db.Host) bool { return onlyOne(form, h) }) {
		for i := range h.Children {
			if h.Children[i].Name == form.Name {
				fillLimits(form, h.Children[i].Limits)
				w.fillFromHost(ctx, form, h.ID)
			}
		}
	}
}
