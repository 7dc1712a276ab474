// Package yum writes the metadata of an rpm repository as createrepo_c does: primary, filelists and other, gzipped
// and named by their digest, and repomd.xml with its signature. It reads packages and writes below a directory it
// is given; it neither builds packages nor serves them. No sqlite copies: newer clients no longer read them.
package yum

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/sassoftware/go-rpmutils"
)

// Package is one rpm of the repository.
type Package struct {
	Location  string // path below the repository's root, slash-separated
	SHA256    string // lower-case hexadecimal
	FileTime  int64  // Unix seconds
	Size      int64  // bytes, the file's own
	Installed uint64 // bytes
	Archive   uint64 // bytes, the payload's, uncompressed

	Name, Arch, Epoch, Version, Release                   string
	Summary, Description, Packager, URL                   string
	License, Vendor, Group, BuildHost, SourceRPM          string
	BuildTime                                             uint64 // Unix seconds
	HeaderStart, HeaderEnd                                int
	Provides, Requires, Conflicts, Obsoletes, Recommended []Relation
	Files                                                 []File
}

// Relation is one dependency or capability.
type Relation struct {
	Name, Flags, Epoch, Version, Release string // Flags is EQ, LT, GT, LE, GE or empty
	Pre                                  bool   // needed by a scriptlet
}

// File is one path that a package owns.
type File struct {
	Path string
	Type string // "dir", "ghost" or empty
}

// Read describes the rpm in file, which the metadata is to name location.
func Read(file, location string) (Package, error) {
	pkg, err := read(file)
	if err != nil {
		return Package{}, fmt.Errorf("cannot understand package %s: %w", path.Base(location), err)
	}
	pkg.Location = location
	return pkg, nil
}

func read(file string) (Package, error) {
	f, err := os.Open(file)
	if err != nil {
		return Package{}, err
	}
	defer func() { _ = f.Close() }() // only read
	digest := sha256.New()
	size, err := io.Copy(digest, f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return Package{}, err
	}
	stat, err := f.Stat()
	if err != nil {
		return Package{}, err
	}
	header, err := rpmutils.ReadHeader(f)
	if err != nil {
		return Package{}, err
	}
	pkg, err := describe(header)
	pkg.SHA256, pkg.Size, pkg.FileTime = hex.EncodeToString(digest.Sum(nil)), size, stat.ModTime().Unix()
	return pkg, err
}

func describe(header *rpmutils.RpmHeader) (Package, error) {
	nevra, err := header.GetNEVRA()
	if err != nil {
		return Package{}, err
	}
	text := func(tag int) string {
		value, err := header.GetString(tag)
		if err != nil {
			return "" // an absent tag is an empty element
		}
		return value
	}
	number := func(tag, longTag int) uint64 {
		value, err := header.GetUint64Fallback(tag, longTag)
		if err != nil {
			return 0
		}
		return value
	}
	span := header.GetRange()
	pkg := Package{
		Name: nevra.Name, Arch: nevra.Arch, Epoch: nevra.Epoch, Version: nevra.Version, Release: nevra.Release,
		Summary: text(rpmutils.SUMMARY), Description: text(rpmutils.DESCRIPTION),
		Packager: text(rpmutils.PACKAGER), URL: text(rpmutils.URL), License: text(rpmutils.LICENSE),
		Vendor: text(rpmutils.VENDOR), Group: text(rpmutils.GROUP), BuildHost: text(rpmutils.BUILDHOST),
		SourceRPM: text(rpmutils.SOURCERPM), BuildTime: number(rpmutils.BUILDTIME, rpmutils.BUILDTIME),
		Installed: number(rpmutils.SIZE, rpmutils.LONGSIZE), HeaderStart: span.Start, HeaderEnd: span.End,
	}
	if payload, err := header.PayloadSize(); err == nil {
		pkg.Archive = uint64(payload)
	}
	for _, group := range relationTags {
		*group.into(&pkg) = relations(header, group.name, group.flags, group.version)
	}
	pkg.Files, err = ownedFiles(header)
	return pkg, err
}

var relationTags = []struct {
	name, flags, version int
	into                 func(*Package) *[]Relation
}{
	{rpmutils.PROVIDENAME, rpmutils.PROVIDEFLAGS, rpmutils.PROVIDEVERSION, func(p *Package) *[]Relation { return &p.Provides }},
	{rpmutils.REQUIRENAME, rpmutils.REQUIREFLAGS, rpmutils.REQUIREVERSION, func(p *Package) *[]Relation { return &p.Requires }},
	{rpmutils.CONFLICTNAME, rpmutils.CONFLICTFLAGS, rpmutils.CONFLICTVERSION, func(p *Package) *[]Relation { return &p.Conflicts }},
	{rpmutils.OBSOLETENAME, rpmutils.OBSOLETEFLAGS, rpmutils.OBSOLETEVERSION, func(p *Package) *[]Relation { return &p.Obsoletes }},
	{tagRecommendName, tagRecommendFlags, tagRecommendVersion, func(p *Package) *[]Relation { return &p.Recommended }},
}

// Tags and flags of rpmtag.h and rpmds.h that go-rpmutils does not name.
const (
	tagRecommendName    = 5046
	tagRecommendVersion = 5047
	tagRecommendFlags   = 5048

	senseLess     = 1 << 1
	senseGreater  = 1 << 2
	senseEqual    = 1 << 3
	senseScripts  = 1<<9 | 1<<10 | 1<<11 | 1<<12
	senseRPMLib   = 1 << 24
	ghost         = 1 << 6
	modeType      = 0o170000
	modeDirectory = 0o040000
)

var comparisons = map[uint64]string{
	senseEqual: "EQ", senseLess: "LT", senseGreater: "GT",
	senseLess | senseEqual: "LE", senseGreater | senseEqual: "GE",
}

// relations returns nothing when the header has no such tag or its three lists do not match.
func relations(header *rpmutils.RpmHeader, nameTag, flagsTag, versionTag int) []Relation {
	names, err := header.GetStrings(nameTag)
	if err != nil {
		return nil
	}
	flags, err := header.GetUint64s(flagsTag)
	if err != nil || len(flags) != len(names) {
		return nil
	}
	versions, err := header.GetStrings(versionTag)
	if err != nil || len(versions) != len(names) {
		return nil
	}
	var found []Relation
	for i, name := range names {
		if flags[i]&senseRPMLib != 0 {
			continue // what rpm itself must be able to do is no matter of repositories
		}
		relation := Relation{Name: name, Flags: comparisons[flags[i]&(senseLess|senseGreater|senseEqual)]}
		relation.Pre = flags[i]&senseScripts != 0
		if relation.Flags != "" {
			relation.Epoch, relation.Version, relation.Release = splitEVR(versions[i])
		}
		found = append(found, relation)
	}
	return found
}

// splitEVR takes "epoch:version-release" apart; the epoch is 0 and the release empty where they are missing.
func splitEVR(evr string) (epoch, version, release string) {
	epoch = "0"
	if before, after, found := strings.Cut(evr, ":"); found {
		epoch, evr = before, after
	}
	version, release, _ = strings.Cut(evr, "-")
	return epoch, version, release
}

func ownedFiles(header *rpmutils.RpmHeader) ([]File, error) {
	if !header.HasTag(rpmutils.BASENAMES) {
		return nil, nil
	}
	infos, err := header.GetFiles()
	if err != nil {
		return nil, err
	}
	files := make([]File, len(infos))
	for i, info := range infos {
		files[i].Path = info.Name()
		switch {
		case info.Mode()&modeType == modeDirectory:
			files[i].Type = "dir"
		case info.Flags()&ghost != 0:
			files[i].Type = "ghost"
		}
	}
	return files, nil
}

// The paths that primary lists, so that a dependency on a command can be solved without the full lists.
var primaryPath = regexp.MustCompile(`^(/etc/.*|.*bin/.*|/usr/lib/sendmail)$`)

// PrimaryFiles are the files that the primary list names.
func (p Package) PrimaryFiles() []File {
	var files []File
	for _, file := range p.Files {
		if primaryPath.MatchString(file.Path) {
			files = append(files, file)
		}
	}
	return files
}
