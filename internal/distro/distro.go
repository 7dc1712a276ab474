// Package distro tells operating systems apart by what they say of themselves: their family, which decides how packages
// are installed, name, version and architecture. It is the one table of that; agent and server use it. It reads no files.
package distro

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Family is a group of systems that install the same packages in the same way.
type Family string

// The families.
const (
	RHEL   Family = "rhel"   // rpm, by dnf or yum
	SUSE   Family = "suse"   // rpm, by zypper
	Debian Family = "debian" // deb, by apt
	Other  Family = "other"  // no package manager that is known: the static archive
)

// Families lists all.
var Families = []Family{RHEL, SUSE, Debian, Other}

// Release are the texts by which a system says what it is; those that it does not have are "".
type Release struct {
	OS     string // /etc/os-release, or /usr/lib/os-release (os-release(5))
	LSB    string // /etc/lsb-release
	RedHat string // /etc/redhat-release or /etc/centos-release, one line: all that systems before 2014 have
	SUSE   string // /etc/SuSE-release
	Debian string // /etc/debian_version: a number, or a name before the release
}

// System is what a host runs.
type System struct {
	Family  Family
	ID      string // "debian", in lower case
	Name    string // "Debian GNU/Linux 12 (bookworm)"
	Version string // "12.5"
	Major   string // "12"; of a rolling or unnamed release ""
}

// known is the table: what an ID, and for IDs that several have the name or platform, means.
var known = []struct {
	id     string
	says   []string // one of these must be in the release text, in letters of any case; nil: nothing must
	family Family
}{
	{"rhel", nil, RHEL},
	{"centos", nil, RHEL},
	{"rocky", nil, RHEL},
	{"almalinux", nil, RHEL},
	{"ol", nil, RHEL}, // Oracle
	{"fedora", nil, RHEL},
	{"amzn", nil, RHEL}, // Amazon
	{"openeuler", nil, RHEL},
	{"anolis", nil, RHEL},
	{"kylin", []string{"server"}, RHEL},
	{"kylin", nil, Debian}, // its desktop
	{"uos", []string{"platform:uel", "server"}, RHEL},
	{"uos", nil, Debian}, // its desktop
	{"deepin", nil, Debian},
	{"opensuse-leap", nil, SUSE},
	{"opensuse-tumbleweed", nil, SUSE},
	{"sles", nil, SUSE},
	{"sled", nil, SUSE},
	{"debian", nil, Debian},
	{"ubuntu", nil, Debian},
	{"raspbian", nil, Debian}, // Raspberry Pi OS, 32 bits; of 64 bits it says that it is Debian
}

// IDs tells of each ID that means one family alone which one that is.
func IDs() map[string]Family {
	ids := map[string]Family{}
	for _, row := range known {
		if row.says != nil {
			ids[row.id] = Other
		} else if _, several := ids[row.id]; !several {
			ids[row.id] = row.family
		}
	}
	maps.DeleteFunc(ids, func(_ string, f Family) bool { return f == Other })
	return ids
}

// alike is what the words of ID_LIKE mean.
var alike = map[string]Family{"rhel": RHEL, "centos": RHEL, "fedora": RHEL, "suse": SUSE, "opensuse": SUSE, "sles": SUSE, "debian": Debian, "ubuntu": Debian}

// Detect tells what a host runs.
func Detect(r Release) System {
	fields := assignments(r.OS)
	if fields["ID"] == "" {
		return old(r)
	}
	s := System{ID: strings.ToLower(fields["ID"]), Version: strings.TrimLeft(fields["VERSION_ID"], "Vv"), Name: first(fields["PRETTY_NAME"], fields["NAME"])}
	s.Family = familyOf(s.ID, r.OS, strings.Fields(strings.ToLower(fields["ID_LIKE"])))
	if point := strings.TrimSpace(r.Debian); s.ID == "debian" && strings.HasPrefix(point, s.Version+".") {
		s.Version = point // os-release has no point releases of it
	}
	s.Major = major(s.Version)
	return s
}

func familyOf(id, says string, likes []string) Family {
	for _, row := range known {
		if row.id == id && (row.says == nil || containsAny(strings.ToLower(says), row.says)) {
			return row.family
		}
	}
	for _, like := range likes {
		if family, found := alike[like]; found {
			return family
		}
	}
	return Other
}

func containsAny(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

// oldIDs are how the names in such lines begin.
var oldIDs = []struct{ name, id string }{
	{"centos", "centos"},
	{"red hat enterprise linux", "rhel"},
	{"oracle", "ol"},
	{"enterprise linux enterprise linux", "ol"},
	{"scientific linux", "scientific"},
	{"fedora", "fedora"},
	{"amazon", "amzn"},
	{"neokylin", "neokylin"},
}

// old tells systems that have no os-release.
func old(r Release) System {
	line, _, _ := strings.Cut(strings.TrimSpace(r.RedHat), "\n")
	// "CentOS release 6.10 (Final)"
	_, rest, _ := strings.Cut(line, " release ")
	if version := leading(rest, digits+"."); major(version) != "" {
		s := System{Family: RHEL, Name: line, Version: version, Major: major(version)}
		for _, known := range oldIDs {
			if strings.HasPrefix(strings.ToLower(line), known.name) {
				s.ID = known.id
				break
			}
		}
		return s
	}
	if line, rest, _ := strings.Cut(strings.TrimSpace(r.SUSE), "\n"); line != "" {
		fields := assignments(rest)
		version := fields["VERSION"]
		if level := fields["PATCHLEVEL"]; level != "" && level != "0" {
			version += "." + level
		}
		id := "sles"
		if strings.Contains(strings.ToLower(line), "opensuse") {
			id = "opensuse"
		}
		return System{SUSE, id, line, version, major(version)}
	}
	if fields := assignments(r.LSB); fields["DISTRIB_ID"] != "" {
		s := System{ID: strings.ToLower(fields["DISTRIB_ID"]), Name: first(fields["DISTRIB_DESCRIPTION"], fields["DISTRIB_ID"]), Version: fields["DISTRIB_RELEASE"]}
		s.Family, s.Major = familyOf(s.ID, r.LSB, nil), major(s.Version)
		return s
	}
	if version := strings.TrimSpace(r.Debian); version != "" {
		return System{Debian, "debian", "Debian " + version, version, major(version)}
	}
	return System{Family: Other}
}

// assignments reads NAME=value lines as a shell would: values may be in quotes.
func assignments(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found || strings.HasPrefix(key, "#") {
			continue
		}
		value = strings.TrimSpace(value)
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		fields[strings.TrimSpace(key)] = strings.Trim(value, `'"`)
	}
	return fields
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

const digits = "0123456789"

func major(version string) string { return leading(version, digits) }

// leading is the beginning of a text that is made of some characters.
func leading(text, characters string) string {
	return text[:len(text)-len(strings.TrimLeft(text, characters))]
}

// machines are the names of uname and of package managers for Go's architectures.
var machines = map[string]string{"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "i686": "386", "i386": "386", "armv7l": "arm", "armv6l": "arm", "loongarch64": "loong64", "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x"}

// Arch is Go's name of an architecture, as uname or a package manager calls it; the same where it is not known.
func Arch(machine string) string { return first(machines[machine], machine) }
