package page

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/layout"
	"hostler/ui/live"
)

// Repository is one that hosts install from.
type Repository struct {
	Name          string
	Kind          string // one of RepositoryKinds
	Description   string
	Own           bool // the server's own, which hosts get the agent from
	Architectures []string
	Channels      []RepositoryChannel
	Upload        string // the channel that uploads go to
	Packages      int    // in all snapshots that are kept
	Size          uint64 // of these, in bytes
}

// RepositoryKinds lists the kinds of repositories.
var RepositoryKinds = []string{"apt", "yum", "archive"}

// RepositoryChannel is where a channel points.
type RepositoryChannel struct {
	Name      string
	Snapshot  int
	Packages  int
	Published time.Time
	By        string
	Back      int // the snapshot that rolling back leads to; 0: none
}

// Package is one that a repository has.
type Package struct {
	Digest   string // of the file, hex SHA-256
	File     string
	Path     string // below the repository's address
	Name     string
	Version  string
	Arch     string
	Summary  string
	Size     uint64
	Absent   bool // it is fetched when somebody asks for it
	Unsigned bool // an rpm that came without a signature
	Uploaded time.Time
	By       string
	Requests int64 // since the server started
}

// RepositoriesView is GET /repositories.
type RepositoriesView struct {
	Frame        layout.Frame
	Repositories []Repository
	Form         RepositoryForm
	Problems     []FolderProblem // of the watched folder
}

// FolderProblem is something in the watched folder that is not taken.
type FolderProblem struct {
	Path    string // below the folder
	Code    string // one of FolderProblemCodes
	Message string // English
}

// FolderProblemCodes are the problems of the watched folder that the catalogues have a text for.
var FolderProblemCodes = []string{"misplaced", "no_repository", "no_channel", "full", "failed"}

// folderProblem is why something is not taken.
func folderProblem(ctx context.Context, p FolderProblem) string {
	return serverText(ctx, "folder.problem."+p.Code, p.Message)
}

// RepositoryForm is what was typed to make a repository.
type RepositoryForm struct {
	Name, Kind, Architectures, Channels, Description string
	Fields                                           map[string]string // what is wrong, by field
}

// PackagesView is GET /repositories/{name}: what a channel or a snapshot has.
type PackagesView struct {
	Frame      layout.Frame
	Repository Repository
	Channel    string // "" for a snapshot that was asked for by its number
	Snapshot   int
	Packages   []Package
	Search     string
	Next       string // value of ?after= for the next page; "" on the last one
	Paged      bool
}

// PackageView is GET /repositories/{name}/packages/{digest}.
type PackageView struct {
	Frame      layout.Frame
	Repository Repository
	Package    Package
	In         []string // channels that have it
	Detail     PackageDetail
	Offered    bool // it can be installed as a child agent
	Installed  Installed
}

// Installed is which hosts have a package.
type Installed struct {
	Told  string // one of InstalledKinds
	Total int    // hosts
	Hosts []InstalledHost
	Next  string // value of ?after= for those that follow; "" when these are all
}

// InstalledHost is a host that has a package.
type InstalledHost struct {
	ID          int64
	Host, State string
}

// By what it is known which hosts have a package.
const (
	InstalledAgent  = "agent"       // it is the agent, and hosts report the version of theirs
	InstalledChild  = "child_agent" // it is an archive, and hosts report their child agents
	InstalledUntold = "untold"      // hosts do not report such packages
)

// InstalledKinds are all of them.
var InstalledKinds = []string{InstalledAgent, InstalledChild, InstalledUntold}

// InstalledView is GET /repositories/{name}/packages/{digest}/hosts.
type InstalledView struct {
	Frame      layout.Frame
	Repository Repository
	Package    Package
	Installed  Installed
	Paged      bool
}

// PackageDetail is what only a look at one package needs.
type PackageDetail struct {
	Description, URL, License, Maintainer            string
	Installed                                        uint64 // bytes
	Requires, Provides, Conflicts, Recommends, Files []string
	Changes                                          []PackageChange
}

// PackageChange is an entry of a package's changelog.
type PackageChange struct {
	At     time.Time
	Author string
	Text   string
}

// UploadView is GET and POST /repositories/{name}/upload.
type UploadView struct {
	Frame      layout.Frame
	Repository Repository
	Channel    string
	Fields     map[string]string
	Result     *UploadResult // nil before anything was sent
	Folder     string        // the watched one; "" for none
}

// UploadResult is what an upload came to.
type UploadResult struct {
	Channel  string
	Snapshot int
	Added    int
	Files    []UploadedFile
}

// UploadedFile is what became of one file.
type UploadedFile struct {
	File     string
	State    string // one of UploadStates
	Code     string // why it was refused: one of UploadRefusals
	Reason   string // the same in English
	Warnings []UploadWarning
	Package  *Package
}

// UploadWarning is something about a package that a person should know.
type UploadWarning struct{ Code, Message, Other string }

// What became of a file that was uploaded, and why one is refused or warned of.
var (
	UploadStates   = []string{"added", "present", "refused"}
	UploadRefusals = []string{"unreadable", "wrong_kind", "bad_name", "conflict", "stored_otherwise", "too_large", "empty", "bad_signature"}
	UploadWarnings = []string{"older", "architecture", "unsigned"}
)

// SnapshotsView is GET /repositories/{name}/snapshots.
type SnapshotsView struct {
	Frame      layout.Frame
	Repository Repository
	Snapshots  []Snapshot
	Key        string // fingerprint of the key that exports are signed by
}

// ImportView is GET /repositories/{name}/import.
type ImportView struct {
	Frame      layout.Frame
	Repository Repository
	Channel    string
	Fields     map[string]string
}

// Snapshot is a list of packages that never changes.
type Snapshot struct {
	Number   int
	Parent   int // 0: none
	Created  time.Time
	By       string
	Packages int
	Added    int // compared with the parent
	Removed  int
	Channels []string // that point at it
}

// DiffView is GET /repositories/{name}/diff.
type DiffView struct {
	Frame          layout.Frame
	Repository     Repository
	From, To       int
	Added, Removed []Package
	Changed        []PackageStep
}

// PackageStep is a package of which two snapshots have different versions.
type PackageStep struct{ From, To Package }

// ChannelsView is GET /repositories/{name}/channels.
type ChannelsView struct {
	Frame      layout.Frame
	Repository Repository
	Snapshots  []Snapshot
	Form       PromoteForm
}

// PromoteForm is what was typed to let a channel point at a snapshot.
type PromoteForm struct {
	Channel  string
	Snapshot int
	Create   bool // the channel may be a new one
	Fields   map[string]string
}

// RepositoryUseView is GET /repositories/{name}/use.
type RepositoryUseView struct {
	Frame      layout.Frame
	Repository Repository
	Files      []HostFile
}

// HostFile is a file, or a command when Path is "", that lets a host install from a channel.
type HostFile struct{ Code, Channel, Path, Text string }

// HostFileCodes name the package managers that HostFile is for.
var HostFileCodes = []string{"apt", "apt_old", "yum", "zypper", "archive"}

// RemoveRepositoryView is GET /repositories/{name}/remove.
type RemoveRepositoryView struct {
	Frame      layout.Frame
	Repository Repository
}

// repositoryTabs are the parts of a repository's page, with their paths below it.
var repositoryTabs = []struct{ name, path string }{{"packages", ""}, {"snapshots", "/snapshots"}, {"channels", "/channels"}, {"mirrors", "/mirrors"}, {"use", "/use"}}

// RepositoryTabs are the names of the tabs, for their texts.
func RepositoryTabs() []string {
	names := make([]string, len(repositoryTabs))
	for i, tab := range repositoryTabs {
		names[i] = tab.name
	}
	return names
}

// RepositoryFieldCodes are the complaints about repositories that the catalogues have a text for.
var RepositoryFieldCodes = []string{
	"own", "name", "kind", "architectures", "architecture", "channels", "description", "exists", "channel",
	"no_channel", "no_snapshot", "no_history", "no_package",
	"bundle_unreadable", "bundle_format", "bundle_signature", "bundle_kind", "bundle_changed", "bundle_incomplete", "bundle_missing", "bundle_package",
}

// RepositoryFieldText is what is wrong with a field of a form about repositories.
func RepositoryFieldText(ctx context.Context, code, english string) string {
	return serverText(ctx, "repository.wrong."+code, english)
}

func repositoryPath(name string, below ...string) string {
	path := "/repositories/" + url.PathEscape(name)
	for _, b := range below {
		path += "/" + url.PathEscape(b)
	}
	return path
}

func packagePath(repository, digest string) string {
	return repositoryPath(repository, "packages", digest)
}

func installedPath(repository, digest string) string {
	return repositoryPath(repository, "packages", digest, "hosts")
}

func diffPath(repository string, from, to int) string {
	return filtered(repositoryPath(repository, "diff"), "from", strconv.Itoa(from), "to", strconv.Itoa(to))
}

func snapshotPath(repository string, number int) string {
	return filtered(repositoryPath(repository), "snapshot", strconv.Itoa(number))
}

// path is the list with what it is of and what was searched for.
func (v PackagesView) path(channel, search string) string {
	if channel == "" && v.Channel == "" {
		return filtered(repositoryPath(v.Repository.Name), "snapshot", strconv.Itoa(v.Snapshot), "search", search)
	}
	return filtered(repositoryPath(v.Repository.Name), "channel", channel, "search", search)
}

func snapshotText(ctx context.Context, number int) string {
	return i18n.T(ctx, "repository.snapshot", "N", number)
}

func uploadTone(state string) string {
	switch state {
	case "added":
		return live.ToneDone
	case "refused":
		return live.ToneFailed
	}
	return live.ToneStopped
}

// uploadRefusal is why a file was refused.
func uploadRefusal(ctx context.Context, f UploadedFile) string {
	return serverText(ctx, "upload.refused."+f.Code, f.Reason)
}

// uploadWarning is what a person should know of a package.
func uploadWarning(ctx context.Context, w UploadWarning) string {
	if i18n.Lang(ctx) == i18n.English && w.Message != "" {
		return w.Message
	}
	return strings.TrimSpace(known(ctx, "upload.warning.", w.Code) + " " + w.Other)
}

func numberText(n int) string { return strconv.Itoa(n) }

// packageListOpen is up to how many entries a list of a package is shown at once.
const packageListOpen = 12

func channelNames(r Repository) []string {
	names := make([]string, len(r.Channels))
	for i, c := range r.Channels {
		names[i] = c.Name
	}
	return names
}

// snapshotLabel tells snapshots apart in a list to choose from.
func snapshotLabel(ctx context.Context, s Snapshot) string {
	text := snapshotText(ctx, s.Number) + " · " + i18n.N(ctx, "repository.packages", s.Packages)
	if len(s.Channels) > 0 {
		text += " · " + strings.Join(s.Channels, ", ")
	}
	return text
}
