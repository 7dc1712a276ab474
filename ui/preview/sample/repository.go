package sample

import (
	"strings"
	"time"

	"github.com/a-h/templ"

	"hostler/ui/layout"
	"hostler/ui/page"
)

func repositoryPages() []Page {
	return []Page{
		{"/repositories", false, func(f layout.Frame) templ.Component {
			return page.RepositoriesPage(page.RepositoriesView{Frame: f, Repositories: repositories(), Form: page.RepositoryForm{Kind: "apt"}})
		}},
		{"/repositories/tools", false, func(f layout.Frame) templ.Component {
			return page.PackagesPage(page.PackagesView{Frame: f, Repository: repositories()[0], Channel: "dev", Snapshot: 12, Packages: packages(), Next: "3f"})
		}},
		{"/repositories/tools/none", false, func(f layout.Frame) templ.Component {
			return page.PackagesPage(page.PackagesView{Frame: f, Repository: repositories()[0], Channel: "dev", Snapshot: 1})
		}},
		{"/repositories/tools/nothing", false, func(f layout.Frame) templ.Component {
			return page.PackagesPage(page.PackagesView{Frame: f, Repository: repositories()[0], Snapshot: 9, Search: "zzz"})
		}},
		{"/repositories/tools/packages/3f", false, func(f layout.Frame) templ.Component {
			return page.PackagePage(page.PackageView{Frame: f, Repository: repositories()[0], Package: packages()[0], In: []string{"dev", "test"}, Detail: page.PackageDetail{
				Description: "Collects what the racks measure.\nOne process per host.", License: "Apache-2.0", Maintainer: "Ops <ops@dc1.example>", Installed: 9 << 20,
				Requires: []string{"libc6 (>= 2.31)", "adduser"}, Files: []string{"/usr/bin/collector", "/usr/share/doc/collector/copyright"},
				Changes: []page.PackageChange{{At: Now.Add(-50 * time.Hour), Author: "Ops <ops@dc1.example>", Text: "- Read the new sensors."}},
			}, Installed: page.Installed{Told: page.InstalledUntold}})
		}},
		{"/repositories/static/packages/7c", false, func(f layout.Frame) templ.Component {
			return page.PackagePage(page.PackageView{Frame: f, Repository: repositories()[2], Package: packages()[0], In: []string{"stable"}, Offered: true, Installed: installed()})
		}},
		{"/repositories/static/packages/7c/hosts", false, func(f layout.Frame) templ.Component {
			return page.InstalledPage(page.InstalledView{Frame: f, Repository: repositories()[2], Package: packages()[0], Installed: installed()})
		}},
		{"/repositories/tools/upload", false, func(f layout.Frame) templ.Component {
			return page.UploadPage(page.UploadView{Frame: f, Repository: repositories()[0], Channel: "dev", Result: &page.UploadResult{
				Channel: "dev", Snapshot: 13, Added: 1, Files: []page.UploadedFile{
					{File: "collector_1.4.0_amd64.deb", State: "added", Package: &packages()[0], Warnings: []page.UploadWarning{{Code: "older", Message: "1.5.0 is there, which is newer", Other: "1.5.0"}}},
					{File: "collector_1.3.0_amd64.deb", State: "present", Package: &packages()[1]},
					{File: "notes.txt", State: "refused", Code: "unreadable", Reason: "the file is no deb: it does not begin like one"},
				},
			}})
		}},
		{"/repositories/static/upload", false, func(f layout.Frame) templ.Component {
			return page.UploadPage(page.UploadView{Frame: f, Repository: repositories()[2], Channel: "stable", Fields: map[string]string{"file": "This is needed."}})
		}},
		{"/repositories/tools/snapshots", false, func(f layout.Frame) templ.Component {
			return page.SnapshotsPage(page.SnapshotsView{Frame: f, Repository: repositories()[0], Snapshots: snapshots(), Key: "3c6f0a9be27a1f6d2f4f7c55d8e1a9b04c7d2e11"})
		}},
		{"/repositories/tools/import", false, func(f layout.Frame) templ.Component {
			return page.ImportPage(page.ImportView{Frame: f, Repository: repositories()[0], Channel: "dev", Fields: map[string]string{"file": "It is not signed by the key that was given. Nothing was taken."}})
		}},
		{"/repositories/tools/diff", false, func(f layout.Frame) templ.Component {
			return page.DiffPage(page.DiffView{
				Frame: f, Repository: repositories()[0], From: 11, To: 12, Added: packages()[2:], Removed: packages()[1:2],
				Changed: []page.PackageStep{{From: packages()[1], To: packages()[0]}},
			})
		}},
		{"/repositories/tools/same", false, func(f layout.Frame) templ.Component {
			return page.DiffPage(page.DiffView{Frame: f, Repository: repositories()[0], From: 11, To: 12})
		}},
		{"/repositories/tools/channels", false, func(f layout.Frame) templ.Component {
			return page.ChannelsPage(page.ChannelsView{
				Frame: f, Repository: repositories()[0], Snapshots: snapshots(),
				Form: page.PromoteForm{Channel: "dists", Fields: map[string]string{"channel": "This name has a meaning in a repository."}},
			})
		}},
		{"/repositories/tools/mirrors", false, func(f layout.Frame) templ.Component {
			return page.MirrorsPage(page.MirrorsView{Frame: f, Repository: repositories()[0], Mirrors: mirrors(), Form: page.MirrorForm{
				Trust: "index", Newest: "1", URL: "debian", Fields: map[string]string{"url": "An address begins with http:// or https://."},
			}})
		}},
		{"/repositories/tools/nomirrors", false, func(f layout.Frame) templ.Component {
			return page.MirrorsPage(page.MirrorsView{Frame: f, Repository: repositories()[0], Form: page.MirrorForm{Trust: "index", Newest: "1"}})
		}},
		{"/repositories/tools/mirrors/1", false, func(f layout.Frame) templ.Component {
			return page.MirrorPage(page.MirrorView{Frame: f, Repository: repositories()[0], Mirror: mirrors()[0], Form: page.MirrorForm{
				URL: "https://deb.debian.org/debian", Suite: "bookworm", Components: "main", Architectures: "amd64", Trust: "index", Newest: "1",
				Keys: "-----BEGIN PGP PUBLIC KEY BLOCK-----\n…", Packages: "nginx\npython3-*", Schedule: "30 2 * * *", Bandwidth: "10240",
			}})
		}},
		{"/repositories/tools/use", false, func(f layout.Frame) templ.Component {
			return page.RepositoryUsePage(page.RepositoryUseView{Frame: f, Repository: repositories()[0], Files: []page.HostFile{
				{
					Code: "apt", Channel: "production", Path: "/etc/apt/sources.list.d/hostler-tools-production.sources",
					Text: "Types: deb\nURIs: https://hostler.dc1.example:8440/repo/tools\nSuites: production\nComponents: main\nSigned-By: /etc/hostler-agent/repository.gpg\n",
				},
				{Code: "archive", Channel: "stable", Text: "curl -fsSO https://hostler.dc1.example:8440/repo/static/stable/SHA256SUMS\n"},
			}})
		}},
		{"/repositories/tools/remove", false, func(f layout.Frame) templ.Component {
			return page.RemoveRepositoryPage(page.RemoveRepositoryView{Frame: f, Repository: repositories()[0]})
		}},
	}
}

func repositories() []page.Repository {
	channel := func(name string, snapshot, packages, back int) page.RepositoryChannel {
		return page.RepositoryChannel{Name: name, Snapshot: snapshot, Packages: packages, Published: Now.Add(-time.Duration(20-snapshot) * time.Hour), By: "admin", Back: back}
	}
	return []page.Repository{
		{
			Name: "tools", Kind: "apt", Description: "What our racks need", Architectures: []string{"amd64", "arm64"}, Upload: "dev", Packages: 214, Size: 3 << 30,
			Channels: []page.RepositoryChannel{channel("dev", 12, 210, 11), channel("production", 9, 204, 7), channel("test", 11, 209, 10)},
		},
		{
			Name: "apt", Kind: "apt", Own: true, Architectures: []string{"amd64", "arm64"}, Upload: "stable", Packages: 2, Size: 7 << 20,
			Channels: []page.RepositoryChannel{channel("stable", 1, 2, 0)},
		},
		{
			Name: "static", Kind: "archive", Own: true, Architectures: []string{"amd64", "arm64"}, Upload: "stable", Packages: 4, Size: 14 << 20,
			Channels: []page.RepositoryChannel{channel("stable", 1, 4, 0)},
		},
	}
}

func mirrors() []page.Mirror {
	return []page.Mirror{
		{ID: 1, Channel: "dev", URL: "https://deb.debian.org/debian", Suite: "bookworm", Packages: 2, Schedule: "30 2 * * *", By: "admin", Operation: 42, State: page.Running, Ran: Now.Add(-3 * time.Minute), Next: Now.Add(20 * time.Hour)},
		{ID: 2, Channel: "test", URL: "https://packages.dc1.example/ubuntu", Suite: "noble-updates", By: "admin", Operation: 40, State: page.Failed, Ran: Now.Add(-30 * time.Hour)},
	}
}

func packages() []page.Package {
	one := func(name, version, arch string, size uint64) page.Package {
		return page.Package{
			Digest: strings.Repeat("3f", 32), File: name + "_" + version + "_" + arch + ".deb", Name: name, Version: version, Arch: arch,
			Summary: "Collects what the racks measure", Size: size, Uploaded: Now.Add(-3 * time.Hour), By: "token:ci", Requests: 412,
		}
	}
	return []page.Package{one("collector", "1.4.0", "amd64", 3<<20), one("collector", "1.3.0", "amd64", 3<<20), one("rack-sensors", "2.0~rc1-1", "all", 40<<10)}
}

func snapshots() []page.Snapshot {
	return []page.Snapshot{
		{Number: 12, Parent: 11, Created: Now.Add(-2 * time.Hour), By: "token:ci", Packages: 210, Added: 2, Removed: 1, Channels: []string{"dev"}},
		{Number: 11, Parent: 10, Created: Now.Add(-26 * time.Hour), By: "admin", Packages: 209, Added: 1, Channels: []string{"test"}},
		{Number: 1, Created: Now.Add(-900 * time.Hour), By: "admin"},
	}
}

func installed() page.Installed {
	return page.Installed{Told: page.InstalledChild, Total: 214, Next: "3.node003", Hosts: []page.InstalledHost{
		{ID: 1, Host: "node001.dc1.example", State: "healthy"}, {ID: 2, Host: "node002.dc1.example", State: "lost"}, {ID: 3, Host: "node003.dc1.example", State: "unhealthy"},
	}}
}
