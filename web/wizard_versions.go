package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/distro"
	"hostler/repo"
	"hostler/repo/pack"
	"hostler/repo/upstream"
	"hostler/server/bootstrap"
	"hostler/server/operation"
	"hostler/ui/page"
)

// typedSources is where the hosts of a draft are to get the agent from, as somebody typed it.
func typedSources(d *db.Draft) (s bootstrap.Sources) {
	if d.Versions != "" {
		_ = json.Unmarshal([]byte(d.Versions), &s) // what cannot be read was written by another version, and is asked for again
	}
	return s
}

// sourcesOf is where the hosts of a draft get the agent from; what is not right counts as not chosen. Nothing is started with
// such a draft, see refuseSources.
func sourcesOf(d *db.Draft) bootstrap.Sources {
	s := typedSources(d)
	if s.Check() != nil {
		return nil
	}
	return s
}

// refuseSources complains about a draft whose sources are not right.
func refuseSources(ctx context.Context, fields map[string]string, d *db.Draft) {
	if typedSources(d).Check() != nil {
		fields[""] = page.FieldText(ctx, "versions_wrong")
	}
}

// keepSources puts sources into a draft. What is as usual is not kept.
func keepSources(d *db.Draft, s bootstrap.Sources) {
	d.Versions = ""
	if s.Usual() {
		return
	}
	if text, err := json.Marshal(s); err == nil { // of texts there is nothing that cannot be written
		d.Versions = string(text)
	}
}

// wizardVersionsPage is GET /wizards/{id}/versions: which systems there are, and where they get the agent from. With
// ?check=yes every place is asked, and what it has is shown.
func (w *Web) wizardVersionsPage(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	v := page.WizardVersionsView{Frame: w.frame(c), Draft: w.draftFor(c, d)}
	s := typedSources(d)
	var found map[distro.Family]string
	if c.Query("check") != "" && s.Check() == nil {
		found, v.Fields = w.askSources(c.Request.Context(), s)
		v.Fields = versionFields(v.Fields)
	}
	v.Families = w.familyViews(s, found)
	return show(c, http.StatusOK, page.WizardVersionsPage(v))
}

// saveWizardVersions is POST /wizards/{id}/versions. Nothing is taken that does not answer with a repository that has the agent.
func (w *Web) saveWizardVersions(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	f, err := readForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	s, fields := formSources(ctx, f)
	if len(fields) == 0 {
		_, fields = w.askSources(ctx, s)
	}
	fields = versionFields(fields)
	status := http.StatusUnprocessableEntity
	if len(fields) == 0 {
		next, was := page.WizardHosts, *d
		keepSources(d, s)
		markReview(&was, d)
		reviewed(d, page.WizardVersions)
		if f.text("next") == page.WizardVersions {
			next = page.WizardVersions + "?check=yes"
		} else {
			further(d, page.WizardHosts)
		}
		err = w.saveDraft(c, d, versionOf(f))
		if err == nil {
			return goTo(c, wizardPath(d.ID, next))
		}
		if !errors.Is(err, db.ErrStale) {
			return err
		}
		stale := staleDraft(c)
		if wantsJSON(c) {
			return stale
		}
		status, fields = stale.status, map[string]string{"": stale.cause.Message}
	}
	if wantsJSON(c) {
		return invalid(fields)
	}
	return show(c, status, page.WizardVersionsPage(page.WizardVersionsView{
		Frame: w.frame(c), Draft: w.draftFor(c, d), Families: w.familyViews(s, nil), Fields: fields,
	}))
}

// formSources takes sources out of a form.
func formSources(ctx context.Context, f *form) (bootstrap.Sources, map[string]string) {
	fields, s := largeFields(ctx, f), bootstrap.Sources{}
	for _, name := range f.texts("family") {
		s[distro.Family(name)] = bootstrap.Source{
			Channel: strings.TrimSpace(f.text("channel_" + name)), URL: strings.TrimSpace(f.text("url_" + name)), Key: f.text("key_" + name),
		}
	}
	if len(s) == 0 {
		fields["family"] = page.FieldText(ctx, "family_needed")
	}
	for family, source := range s {
		key := source.Key
		refuseKeys(ctx, fields, map[string]*string{"key_" + string(family): &key})
	}
	var wrong *bootstrap.FieldError
	if len(fields) == 0 && errors.As(s.Check(), &wrong) {
		fields[wrong.Field] = credentialText(ctx, wrong)
	}
	return s, fields
}

// versionFields are the form's names of fields such as versions.debian.url.
func versionFields(fields map[string]string) map[string]string {
	named := map[string]string{}
	for field, text := range fields {
		if rest, found := strings.CutPrefix(field, "versions."); found {
			family, part, _ := strings.Cut(rest, ".")
			field = cmp.Or(part, "channel") + "_" + family
		}
		named[field] = text
	}
	return named
}

// agentRepositories are the server's own ones.
var agentRepositories = map[distro.Family]string{
	distro.Debian: repo.AgentApt, distro.RHEL: repo.AgentYum, distro.SUSE: repo.AgentYum, distro.Other: repo.AgentStatic,
}

// ownURL is where a family's hosts find the server's own repository.
func (w *Web) ownURL(f distro.Family) string {
	return "https://" + net.JoinHostPort(w.Options.Advertise, strconv.Itoa(w.Options.HandshakePort)) + wire.PathRepo + agentRepositories[f]
}

// familyViews shows all families; found is what was found of them, if they were asked.
func (w *Web) familyViews(s bootstrap.Sources, found map[distro.Family]string) []page.FamilyView {
	views := make([]page.FamilyView, len(distro.Families))
	for i, f := range distro.Families {
		source, chosen := s[f]
		views[i] = page.FamilyView{
			Name: string(f), Chosen: chosen || len(s) == 0, Channel: source.Channel, URL: source.URL, Key: source.Key,
			Own: w.ownURL(f), Found: found[f], Mirrored: f != distro.Other,
		}
		if r, err := w.Repo.Repository(agentRepositories[f]); err == nil {
			for _, ch := range r.Channels {
				views[i].Channels = append(views[i].Channels, ch.Name)
			}
		}
	}
	return views
}

// askSources asks every place that hosts are to get the agent from, at once, and tells what it has, or which fields are wrong.
func (w *Web) askSources(ctx context.Context, s bootstrap.Sources) (found map[distro.Family]string, fields map[string]string) {
	found, fields = map[distro.Family]string{}, map[string]string{}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, family := range s.Families() {
		asking.Go(func() {
			has, err := w.askSource(ctx, family, s[family])
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				field := "channel"
				if s[family].URL != "" {
					field = "url"
				}
				fields["versions."+string(family)+"."+field] = w.sourceText(ctx, err)
			}
			found[family] = has
		})
	}
	asking.Wait()
	return found, fields
}

// askSource finds the agents that a source has: "1.4.0: amd64, arm64".
func (w *Web) askSource(ctx context.Context, family distro.Family, s bootstrap.Source) (string, error) {
	versions := map[string][]string{}
	if s.URL == "" {
		own, err := w.ownAgents(family, s.Follows())
		if err != nil {
			return "", err
		}
		versions = own
	} else {
		kind := upstream.Source{Kind: string(repo.Yum), URL: s.URL, Trust: upstream.TrustIndex, Keys: cmp.Or(s.Key, string(w.Repo.PublicKeyArmored()))}
		if family == distro.Debian {
			kind.Kind, kind.Suite, kind.Components = string(repo.Apt), s.Follows(), []string{"main"}
		}
		there, err := w.Mirrors.Probe(ctx, kind, pack.Name)
		if err != nil {
			return "", err
		}
		for _, p := range there {
			versions[p.Version] = append(versions[p.Version], distro.Arch(p.Arch))
		}
	}
	var lines []string
	for _, version := range slices.Sorted(maps.Keys(versions)) {
		slices.Sort(versions[version])
		lines = append(lines, version+": "+strings.Join(slices.Compact(versions[version]), ", "))
	}
	return strings.Join(lines, "; "), nil
}

// ownAgents are the agents in a channel of the server's own repository. Until the first are published there are none, which
// keeps nobody from what will be there when the hosts are reached.
func (w *Web) ownAgents(family distro.Family, channel string) (map[string][]string, error) {
	name := agentRepositories[family]
	ch, err := w.Repo.Channel(name, channel)
	var wrong *repo.FieldError
	switch {
	case errors.Is(err, repo.ErrNotFound) && channel == bootstrap.Stable:
		return nil, nil
	case errors.Is(err, repo.ErrNotFound), errors.As(err, &wrong):
		return nil, errNoChannel
	case err != nil:
		return nil, err
	}
	contents, err := w.Repo.Contents(name, ch.Snapshot)
	if err != nil {
		return nil, err
	}
	versions := map[string][]string{}
	for _, p := range contents {
		if p.Name == pack.Name {
			versions[p.Version] = append(versions[p.Version], distro.Arch(p.Arch))
		}
	}
	if len(versions) == 0 {
		return nil, errNoAgent
	}
	return versions, nil
}

var (
	errNoChannel = errors.New("no such channel")
	errNoAgent   = errors.New("no agent in this channel")
)

// sourceText is what is wrong with a source, in the reader's language.
func (w *Web) sourceText(ctx context.Context, err error) string {
	var f *operation.Failure
	switch {
	case errors.Is(err, errNoChannel):
		return page.FieldText(ctx, "channel_missing")
	case errors.Is(err, errNoAgent):
		return page.FieldText(ctx, "channel_without_agent")
	case errors.As(err, &f):
		p := page.Problem{Code: f.Code, Cause: f.Cause, Hint: f.Hint, Args: f.Args}
		return sentence(p.CauseIn(ctx), p.HintIn(ctx))
	}
	w.Log.Warn("cannot ask a repository", "err", err)
	return page.FieldText(ctx, "source_unknown")
}

// keepTyped keeps what somebody types of sources, right or not.
func keepTyped(d *db.Draft, s bootstrap.Sources) {
	if s.Check() == nil {
		keepSources(d, s)
		return
	}
	if text, err := json.Marshal(s); err == nil && len(text) < maxField {
		d.Versions = string(text)
	}
}
