package bootstrap

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"hostler/internal/distro"
	"hostler/server/operation"
)

// Stable is the channel that hosts follow unless another is chosen.
const Stable = "stable"

// Source says where the hosts of one family get the agent from.
type Source struct {
	Channel string `json:"channel,omitempty"` // of the server's repository, or the suite of an apt mirror; Stable unless given
	// URL is the operator's mirror: of apt what is above dists/, of yum what is above repodata/. "" is the server itself.
	URL string `json:"url,omitempty"`
	Key string `json:"key,omitempty"` // public OpenPGP keys that sign the mirror, armored; "" are the server's
}

// Sources are the families of systems that are meant, and where their hosts get the agent from. Empty: all families, from
// the server itself.
type Sources map[distro.Family]Source

// Follows is the channel, or the suite.
func (s Source) Follows() string { return cmp.Or(s.Channel, Stable) }

// newest says whether the host gets what its source has, instead of the server's own version.
func (s Source) newest() bool { return s.URL != "" || s.Follows() != Stable }

// Usual says whether nothing was chosen that differs from what hosts get in any case.
func (s Sources) Usual() bool {
	if len(s) == 0 {
		return true
	}
	for _, family := range distro.Families {
		if source, chosen := s[family]; !chosen || source.newest() {
			return false
		}
	}
	return true
}

// Families are those that are meant, in the order of distro.Families.
func (s Sources) Families() []distro.Family {
	if len(s) == 0 {
		return distro.Families
	}
	return slices.DeleteFunc(slices.Clone(distro.Families), func(f distro.Family) bool { _, chosen := s[f]; return !chosen })
}

var (
	channelPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	mirrorPattern  = regexp.MustCompile(`^https?://[A-Za-z0-9.:/_~+%\[\]-]+$`)
)

// maxMirror and maxMirrorKey bound an address and the keys of one mirror, in bytes.
const (
	maxMirror    = 500
	maxMirrorKey = 32 << 10
)

// Check tells what is wrong with sources; the error is a *FieldError. It makes them as they are kept: addresses without a
// slash at their end, keys without what stands around them. Nobody is asked.
func (s Sources) Check() error {
	for _, family := range slices.Sorted(maps.Keys(s)) {
		source, field := s[family], "versions."+string(family)
		if !slices.Contains(distro.Families, family) {
			return fieldError(field, codeFamilyUnknown, "family", printable(string(family)))
		}
		source.URL = strings.TrimRight(strings.TrimSpace(source.URL), "/")
		source.Channel = strings.TrimSpace(source.Channel)
		switch {
		case source.Channel != "" && !channelPattern.MatchString(source.Channel):
			return fieldError(field+".channel", codeChannelInvalid)
		case source.URL != "" && (len(source.URL) > maxMirror || !mirrorPattern.MatchString(source.URL)):
			return fieldError(field+".url", codeMirrorInvalid)
		case source.URL != "" && family == distro.Other:
			return fieldError(field+".url", codeMirrorOfArchives)
		case source.URL != "" && family != distro.Debian && source.Channel != "":
			return fieldError(field+".channel", codeChannelOfMirror)
		case source.URL == "" && strings.TrimSpace(source.Key) != "":
			return fieldError(field+".key", codeMirrorKeyAlone)
		}
		var ok bool
		if source.Key, ok = armor(source.Key); !ok {
			return fieldError(field+".key", codeMirrorKeyInvalid)
		}
		s[family] = source
	}
	return nil
}

const (
	armorBegin = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
	armorEnd   = "-----END PGP PUBLIC KEY BLOCK-----"
)

var armorLine = regexp.MustCompile(`^[A-Za-z0-9+/=]*$`)

// armor takes the blocks of public keys out of a text, without the headers that programs put into them. "" is none, and right.
func armor(text string) (blocks string, ok bool) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	if text == "" {
		return "", true
	}
	var b strings.Builder
	for rest := text; ; {
		_, after, found := strings.Cut(rest, armorBegin)
		if !found {
			return b.String(), b.Len() > 0 && b.Len() <= maxMirrorKey
		}
		block, more, whole := strings.Cut(after, armorEnd)
		_, body, headed := strings.Cut(block, "\n\n")
		if !whole || !headed {
			return "", false
		}
		b.WriteString(armorBegin + "\n\n")
		for line := range strings.Lines(strings.TrimSpace(body)) {
			if line = strings.TrimSpace(line); !armorLine.MatchString(line) {
				return "", false
			}
			b.WriteString(line + "\n")
		}
		b.WriteString(armorEnd + "\n")
		rest = more
	}
}

// Put makes sources part of an operation that Spec or CheckSpec describes.
func (s Sources) Put(spec *operation.Spec) {
	if p, ok := spec.Params.(Params); ok && len(s) > 0 {
		p.Sources = s
		spec.Params = p
	}
}

// family is how a host installs packages.
func (s system) family() distro.Family {
	switch s["pkg"] {
	case "apt":
		return distro.Debian
	case "dnf", "yum":
		return distro.RHEL
	case "zypper":
		return distro.SUSE
	}
	return distro.Other
}

// choose finds where this host gets the agent from; one of a family that is not meant gets none.
func (r *run) choose() error {
	var p Params
	if err := r.task.OperationParams(&p); err != nil {
		return err
	}
	if len(p.Sources) == 0 {
		return nil
	}
	family := r.system.family()
	source, meant := p.Sources[family]
	if !meant {
		return fail(codeFamilyLeftOut, nil, "host", r.conn.target.address, "os", cmp.Or(shortOS(r.system["os_name"]), "?"), "family", string(family))
	}
	r.source = source
	return nil
}

// from are the setup script's options for the source.
func (r *run) from() []string {
	var args []string
	if r.source.Follows() != Stable {
		args = append(args, "--channel", r.source.Channel)
	}
	if r.source.URL != "" {
		args = append(args, "--mirror", r.source.URL)
	}
	return args
}
