package page

import (
	"context"
	"strconv"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/layout"
)

// Mirror is a channel that is kept as an upstream is.
type Mirror struct {
	ID        int64
	Channel   string
	URL       string
	Suite     string
	Packages  int    // patterns of what is wanted; 0: all
	OnDemand  bool   // packages come when somebody asks for them first
	Schedule  string // "": only people start it
	By        string
	Operation int64     // of its last run; 0: none
	State     string    // of that
	Ran       time.Time // when that was started; zero: never
	Next      time.Time // when it is due; zero: never
}

// MirrorsView is GET /repositories/{name}/mirrors.
type MirrorsView struct {
	Frame      layout.Frame
	Repository Repository
	Mirrors    []Mirror
	Form       MirrorForm
}

// MirrorView is GET /repositories/{name}/mirrors/{id}.
type MirrorView struct {
	Frame      layout.Frame
	Repository Repository
	Mirror     Mirror
	Form       MirrorForm
}

// MirrorForm is what was typed to make or change a mirror.
type MirrorForm struct {
	Channel, URL, Suite, Components, Architectures, Trust, Keys string
	Packages, Exclude, Newest, Schedule, Proxy, Bandwidth       string // Bandwidth is KiB a second
	Expired, Alone, Recommended, OnDemand                       bool
	Fields                                                      map[string]string // what is wrong, by field
}

// MirrorTrusts are what may vouch for an upstream.
var MirrorTrusts = []string{"index", "packages", "nothing"}

// MirrorFieldCodes are the complaints about mirrors that the catalogues have a text for.
var MirrorFieldCodes = []string{
	"own", "kind", "url", "suite", "component", "architecture", "trust", "keys", "keys_needed", "package", "newest", "schedule", "proxy", "bandwidth", "taken", "on_demand",
}

// MirrorFieldText is what is wrong with a field of a mirror.
func MirrorFieldText(ctx context.Context, code, english string) string {
	return serverText(ctx, "mirror.wrong."+code, english)
}

func mirrorPath(repository string, id int64, below ...string) string {
	return repositoryPath(repository, append([]string{"mirrors", strconv.FormatInt(id, 10)}, below...)...)
}

// trusts are those that a kind of repository has.
func trusts(kind string) []string {
	if kind == "yum" {
		return MirrorTrusts
	}
	return []string{"index", "nothing"}
}

// mirrorFreeChannels are those that have no mirror yet.
func mirrorFreeChannels(v MirrorsView) []string {
	var free []string
	for _, name := range channelNames(v.Repository) {
		taken := false
		for _, m := range v.Mirrors {
			taken = taken || m.Channel == name
		}
		if !taken {
			free = append(free, name)
		}
	}
	return free
}

// mirrorOf says what of an upstream is wanted.
func mirrorOf(ctx context.Context, m Mirror) string {
	text := i18n.T(ctx, "mirrors.all")
	if m.Packages > 0 {
		text = i18n.N(ctx, "mirrors.some", m.Packages)
	}
	if m.OnDemand {
		text += " · " + i18n.T(ctx, "mirrors.demanded")
	}
	return text
}
