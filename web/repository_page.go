package web

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/repo"
	"hostler/ui/page"
)

// repositoriesPage is GET /repositories.
func (w *Web) repositoriesPage(c *gin.Context) error {
	return w.showRepositories(c, http.StatusOK, page.RepositoryForm{Kind: string(repo.Apt)})
}

func (w *Web) showRepositories(c *gin.Context, status int, form page.RepositoryForm) error {
	v := page.RepositoriesView{Frame: w.frame(c), Form: form}
	v.Frame.Path = "/repositories"
	for _, r := range w.Repo.Repositories() {
		v.Repositories = append(v.Repositories, repositoryView(&r))
	}
	for _, p := range w.Folder.Status().Problems {
		v.Problems = append(v.Problems, page.FolderProblem(p))
	}
	return show(c, status, page.RepositoriesPage(v))
}

// packagesPage is GET /repositories/{repository}: what its first channel has, or what the query asks for.
func (w *Web) packagesPage(c *gin.Context) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	channel := c.Query("channel")
	if channel == "" && c.Query("snapshot") == "" {
		channel = r.Upload
	}
	found, err := w.findPackages(c, channel, packagesPerPage)
	if err != nil {
		return err
	}
	v := page.PackagesView{
		Frame: w.frame(c), Repository: r, Channel: channel, Snapshot: found.Snapshot,
		Search: c.Query("search"), Next: found.Next, Paged: c.Query("after") != "",
	}
	for i := range found.Items {
		p := &found.Items[i]
		v.Packages = append(v.Packages, w.packageView(&p.Package))
	}
	return show(c, http.StatusOK, page.PackagesPage(v))
}

// packagePage is GET /repositories/{repository}/packages/{digest}.
func (w *Web) packagePage(c *gin.Context) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	p, err := w.Repo.PackageOf(r.Name, c.Param("digest"))
	if err != nil {
		return err
	}
	detail, err := w.Repo.Detail(p.Digest)
	if err != nil {
		return err
	}
	v := page.PackageView{Frame: w.frame(c), Repository: r, Package: w.packageView(p), Detail: detailView(detail)}
	v.Offered = slices.ContainsFunc(w.Repo.Offers(p.Name), func(o repo.Offer) bool { return o.Digest == p.Digest })
	for _, channel := range r.Channels {
		has, err := w.Repo.Contents(r.Name, channel.Snapshot)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(has, func(one *repo.Package) bool { return one.Digest == p.Digest }) {
			v.In = append(v.In, channel.Name)
		}
	}
	found, err := w.findInstalled(c, p, installedShown)
	if err != nil {
		return err
	}
	v.Installed = installedView(found)
	return show(c, http.StatusOK, page.PackagePage(v))
}

// snapshotsPage is GET /repositories/{repository}/snapshots.
func (w *Web) snapshotsPage(c *gin.Context) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	snapshots, err := w.snapshotViews(r.Name)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.SnapshotsPage(page.SnapshotsView{Frame: w.frame(c), Repository: r, Snapshots: snapshots, Key: w.Repo.KeyFingerprint()}))
}

// diffPage is GET /repositories/{repository}/diff.
func (w *Web) diffPage(c *gin.Context) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	d, err := w.findDiff(c)
	if err != nil {
		return err
	}
	v := page.DiffView{
		Frame: w.frame(c), Repository: r, From: d.From, To: d.To,
		Added: w.packageViews(d.Added), Removed: w.packageViews(d.Removed),
	}
	for _, change := range d.Changed {
		v.Changed = append(v.Changed, page.PackageStep{From: w.packageView(change.From), To: w.packageView(change.To)})
	}
	return show(c, http.StatusOK, page.DiffPage(v))
}

// channelsPage is GET /repositories/{repository}/channels.
func (w *Web) channelsPage(c *gin.Context) error {
	return w.showChannels(c, http.StatusOK, page.PromoteForm{})
}

func (w *Web) showChannels(c *gin.Context, status int, form page.PromoteForm) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	snapshots, err := w.snapshotViews(r.Name)
	if err != nil {
		return err
	}
	return show(c, status, page.ChannelsPage(page.ChannelsView{Frame: w.frame(c), Repository: r, Snapshots: snapshots, Form: form}))
}

// repositoryUsePage is GET /repositories/{repository}/use.
func (w *Web) repositoryUsePage(c *gin.Context) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	v := page.RepositoryUseView{Frame: w.frame(c), Repository: r}
	for _, channel := range r.Channels {
		v.Files = append(v.Files, w.hostFiles(r, channel.Name)...)
	}
	return show(c, http.StatusOK, page.RepositoryUsePage(v))
}

// removeRepositoryPage is GET /repositories/{repository}/remove.
func (w *Web) removeRepositoryPage(c *gin.Context) error {
	r, err := w.pathRepository(c)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.RemoveRepositoryPage(page.RemoveRepositoryView{Frame: w.frame(c), Repository: r}))
}

// hostFiles are what a bootstrapped host needs to install from a channel: it has the authority and the key.
func (w *Web) hostFiles(r page.Repository, channel string) []page.HostFile {
	const conf = "/etc/hostler-agent"
	base := "https://" + net.JoinHostPort(w.Options.Advertise, strconv.Itoa(w.Options.HandshakePort)) + wire.PathRepo + r.Name
	name := "hostler-" + r.Name + "-" + channel
	section := "[" + name + "]\nname=" + r.Name + " " + channel + "\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://" + conf + "/repository.asc\n"
	switch repo.Kind(r.Kind) {
	case repo.Apt:
		return []page.HostFile{
			{Code: "apt", Channel: channel, Path: "/etc/apt/sources.list.d/" + name + ".sources", Text: "Types: deb\nURIs: " + base + "\nSuites: " + channel +
				"\nComponents: main\nArchitectures: " + strings.Join(r.Architectures, " ") + "\nSigned-By: " + conf + "/repository.gpg\n"},
			{
				Code: "apt_old", Channel: channel, Path: "/etc/apt/sources.list.d/" + name + ".list",
				Text: "deb [signed-by=" + conf + "/repository.gpg] " + base + " " + channel + " main\n",
			},
		}
	case repo.Yum:
		return []page.HostFile{
			{
				Code: "yum", Channel: channel, Path: "/etc/yum.repos.d/" + name + ".repo",
				Text: section + "baseurl=" + base + "/" + channel + "\nsslverify=1\nsslcacert=" + conf + "/ca.pem\nproxy=_none_\nskip_if_unavailable=1\n",
			},
			{
				Code: "zypper", Channel: channel, Path: "/etc/zypp/repos.d/" + name + ".repo",
				Text: section + "type=rpm-md\nautorefresh=1\npkg_gpgcheck=1\nbaseurl=" + base + "/" + channel + "?ssl_capath=" + conf + "/ca.d\n",
			},
		}
	case repo.Archive:
		fetch := "curl -fsSO --noproxy '*' --cacert " + conf + "/ca.pem " + base + "/" + channel
		return []page.HostFile{
			{Code: "archive", Channel: channel, Text: fetch + "/SHA256SUMS\n" + fetch + "/FILE\nsha256sum --check --ignore-missing SHA256SUMS\n"},
		}
	}
	return nil
}

// pathRepository is the repository that the path names.
func (w *Web) pathRepository(c *gin.Context) (page.Repository, error) {
	r, err := w.Repo.Repository(c.Param("repository"))
	if err != nil {
		return page.Repository{}, err
	}
	return repositoryView(r), nil
}

func repositoryView(r *repo.Repository) page.Repository {
	v := page.Repository{
		Name: r.Name, Kind: string(r.Kind), Description: r.Description, Own: r.Own, Architectures: r.Architectures,
		Upload: r.Channel, Packages: r.Packages, Size: uint64(max(0, r.Size)),
	}
	for _, channel := range r.Channels {
		v.Channels = append(v.Channels, page.RepositoryChannel(channel))
	}
	return v
}

func (w *Web) packageView(p *repo.Package) page.Package {
	return page.Package{
		Digest: p.Digest, File: p.File, Path: p.Path(), Name: p.Name, Version: p.Version, Arch: p.Arch, Summary: p.Summary,
		Size: uint64(max(0, p.Size)), Absent: w.Repo.Absent(p.Digest), Unsigned: p.Unsigned, Uploaded: p.Uploaded, By: p.By, Requests: w.Repo.Requests(p.Digest),
	}
}

func (w *Web) packageViews(all []*repo.Package) []page.Package {
	views := make([]page.Package, len(all))
	for i, p := range all {
		views[i] = w.packageView(p)
	}
	return views
}

func detailView(d *repo.Detail) page.PackageDetail {
	v := page.PackageDetail{
		Description: d.Description, URL: d.URL, License: d.License, Maintainer: d.Maintainer, Installed: uint64(max(0, d.Installed)),
		Requires: d.Requires, Provides: d.Provides, Conflicts: d.Conflicts, Recommends: d.Recommends, Files: d.Files,
	}
	for _, change := range d.Changes {
		v.Changes = append(v.Changes, page.PackageChange(change))
	}
	return v
}

func (w *Web) snapshotViews(repository string) ([]page.Snapshot, error) {
	all, err := w.Repo.Snapshots(repository)
	if err != nil {
		return nil, err
	}
	views := make([]page.Snapshot, len(all))
	for i, s := range all {
		views[i] = page.Snapshot(s)
	}
	return views, nil
}

func uploadedView(result *repo.Result) *page.UploadResult {
	v := &page.UploadResult{Channel: result.Channel, Snapshot: result.Snapshot, Added: result.Added}
	for _, verdict := range result.Files {
		f := page.UploadedFile{File: verdict.File, State: verdict.State, Code: verdict.Code, Reason: verdict.Reason}
		for _, warning := range verdict.Warnings {
			f.Warnings = append(f.Warnings, page.UploadWarning(warning))
		}
		if p := verdict.Package; p != nil {
			f.Package = &page.Package{Digest: p.Digest, Name: p.Name, Version: p.Version, Arch: p.Arch}
		}
		v.Files = append(v.Files, f)
	}
	return v
}
