// Package yum writes the metadata of an rpm repository as createrepo_c does: primary, filelists and other, gzipped
// and named by their digest, and repomd.xml with its signature. It reads packages and writes below a directory it
// is given; it neither builds packages nor serves them. No sqlite copies: newer clients no longer read them.
package yum

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"hostler/repo/rpm"
)

// Package is one rpm of the repository.
type Package struct {
	Location  string // path below the repository's root, slash-separated
	SHA256    string // lower-case hexadecimal
	FileTime  int64  // Unix seconds
	Size      int64  // bytes, the file's own
	Installed uint64 // bytes
	Archive   uint64 // bytes, the payload's, uncompressed

	Name, Arch, Epoch, Version, Release           string
	Summary, Description, Packager, URL           string
	License, Vendor, Group, BuildHost, SourceRPM  string
	BuildTime                                     uint64 // Unix seconds
	HeaderStart, HeaderEnd                        int64
	Provides, Requires, Conflicts, Obsoletes      []Relation
	Recommended, Suggested, Supplements, Enhances []Relation
	Files                                         []File
	Changes                                       []Change
	Signed                                        bool // by whomever
}

// Change is one entry of a changelog.
type Change struct {
	Time         uint64 // Unix seconds
	Author, Text string
}

// When is the entry's time.
func (c Change) When() time.Time { return time.Unix(int64(min(c.Time, math.MaxInt32)), 0).UTC() }

// Relation is one dependency or capability.
type Relation struct {
	Name, Flags, Epoch, Version, Release string // Flags is EQ, LT, GT, LE, GE or empty
	Pre                                  bool   // needed by a scriptlet
}

// String is the relation as people write it.
func (r Relation) String() string {
	sign, known := map[string]string{"EQ": "=", "LT": "<", "GT": ">", "LE": "<=", "GE": ">="}[r.Flags]
	if !known {
		return r.Name
	}
	text := r.Name + " " + sign + " "
	if r.Epoch != "0" {
		text += r.Epoch + ":"
	}
	if text += r.Version; r.Release != "" {
		text += "-" + r.Release
	}
	return text
}

// File is one path that a package owns.
type File struct {
	Path string
	Type string // "dir", "ghost" or empty
}

// Read describes the rpm in file, which the metadata is to name location. fileTime is what it says of the file's age.
// The file is read to its end and held against its own checksums.
func Read(file, location string, fileTime time.Time) (Package, error) {
	pkg, err := read(file)
	if err != nil {
		return Package{}, fmt.Errorf("cannot understand package %s: %w", path.Base(location), err)
	}
	pkg.Location, pkg.FileTime = location, fileTime.Unix()
	return pkg, nil
}

func read(file string) (Package, error) {
	f, err := os.Open(file)
	if err != nil {
		return Package{}, err
	}
	defer func() { _ = f.Close() }() // only read
	digest := sha256.New()
	found, err := rpm.Read(io.TeeReader(bufio.NewReaderSize(f, 1<<20), digest))
	if err != nil {
		return Package{}, err
	}
	stat, err := f.Stat()
	if err != nil {
		return Package{}, err
	}
	pkg, err := describe(found)
	pkg.SHA256, pkg.Size = hex.EncodeToString(digest.Sum(nil)), stat.Size()
	return pkg, err
}

func describe(f *rpm.File) (Package, error) {
	h := f.Header
	pkg := Package{
		Name: h.Text(tagName), Arch: h.Text(tagArch), Epoch: strconv.FormatUint(h.Number(tagEpoch), 10),
		Version: h.Text(tagVersion), Release: h.Text(tagRelease),
		Summary: h.Text(tagSummary), Description: h.Text(tagDescription),
		Packager: h.Text(tagPackager), URL: h.Text(tagURL), License: h.Text(tagLicense),
		Vendor: h.Text(tagVendor), Group: h.Text(tagGroup), BuildHost: h.Text(tagBuildHost),
		SourceRPM: h.Text(tagSourceRPM), BuildTime: h.Number(tagBuildTime),
		Installed: h.Number(tagSize, tagLongSize), Archive: f.PayloadSize(),
		HeaderStart: f.Start, HeaderEnd: f.End, Signed: f.Signed,
	}
	if h.Has(tagSourcePackage) {
		pkg.Arch = "src"
	}
	for _, part := range []string{pkg.Name, pkg.Version, pkg.Release, pkg.Arch} {
		if !plain.MatchString(part) {
			return pkg, fmt.Errorf("its name, version, release or architecture is %q", part)
		}
	}
	for _, group := range relationTags {
		if n := h.Count(group.name); n > maxRelations {
			return pkg, fmt.Errorf("it is refused: it has a list of %d relations to others, at most %d are taken", n, maxRelations)
		}
		*group.into(&pkg) = relations(h, group.name, group.flags, group.version)
	}
	var err error
	pkg.Files, err = ownedFiles(h)
	pkg.Requires = pkg.needs()
	pkg.Changes = changes(h)
	return pkg, err
}

// needs are what a package requires of others: not what it brings itself, and nothing twice. createrepo_c lists the
// same.
func (p *Package) needs() []Relation {
	met := map[Relation]bool{}
	for _, r := range p.Provides {
		r.Pre = false
		met[r] = true
	}
	for _, file := range p.PrimaryFiles() {
		met[Relation{Name: file.Path}] = true
	}
	listed := map[Relation]bool{}
	var found []Relation
	for _, r := range p.Requires {
		plain := r
		plain.Pre = false
		if !met[plain] && !listed[r] {
			found = append(found, r)
			listed[r] = true
		}
	}
	return found
}

// Bounds of what a package lists, which one header could make far more of than it has bytes.
const (
	maxRelations = 1 << 16  // in one list
	maxNames     = 32 << 20 // bytes of the names of all files
)

// plain is what the parts of a package's name may consist of: they become parts of paths.
var plain = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+~^-]*$`)

var relationTags = []struct {
	name, flags, version int32
	into                 func(*Package) *[]Relation
}{
	{1047, 1112, 1113, func(p *Package) *[]Relation { return &p.Provides }},
	{1049, 1048, 1050, func(p *Package) *[]Relation { return &p.Requires }},
	{1054, 1053, 1055, func(p *Package) *[]Relation { return &p.Conflicts }},
	{1090, 1114, 1115, func(p *Package) *[]Relation { return &p.Obsoletes }},
	{5046, 5048, 5047, func(p *Package) *[]Relation { return &p.Recommended }},
	{5049, 5051, 5050, func(p *Package) *[]Relation { return &p.Suggested }},
	{5052, 5054, 5053, func(p *Package) *[]Relation { return &p.Supplements }},
	{5055, 5057, 5056, func(p *Package) *[]Relation { return &p.Enhances }},
}

// Tags and flags of rpmtag.h and rpmds.h.
const (
	tagName          = 1000
	tagVersion       = 1001
	tagRelease       = 1002
	tagEpoch         = 1003
	tagSummary       = 1004
	tagDescription   = 1005
	tagBuildTime     = 1006
	tagBuildHost     = 1007
	tagSize          = 1009
	tagVendor        = 1011
	tagLicense       = 1014
	tagPackager      = 1015
	tagGroup         = 1016
	tagURL           = 1020
	tagArch          = 1022
	tagOldNames      = 1027
	tagFileModes     = 1030
	tagFileFlags     = 1037
	tagSourceRPM     = 1044
	tagChangeTime    = 1080
	tagChangeAuthor  = 1081
	tagChangeText    = 1082
	tagDirIndexes    = 1116
	tagBaseNames     = 1117
	tagSourcePackage = 1106
	tagDirNames      = 1118
	tagLongSize      = 5009

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
func relations(h *rpm.Header, nameTag, flagsTag, versionTag int32) []Relation {
	names, flags, versions := h.Texts(nameTag), h.Numbers(flagsTag), h.Texts(versionTag)
	if len(flags) != len(names) || len(versions) != len(names) {
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

func ownedFiles(h *rpm.Header) ([]File, error) {
	paths := h.Texts(tagOldNames)
	if names := h.Texts(tagBaseNames); len(names) > 0 {
		var err error
		if paths, err = joinPaths(h.Texts(tagDirNames), h.Numbers(tagDirIndexes), names); err != nil {
			return nil, err
		}
	}
	modes, flags := h.Numbers(tagFileModes), h.Numbers(tagFileFlags)
	files := make([]File, len(paths))
	for i, name := range paths {
		files[i].Path = name
		switch {
		case i < len(modes) && modes[i]&modeType == modeDirectory:
			files[i].Type = "dir"
		case i < len(flags) && flags[i]&ghost != 0:
			files[i].Type = "ghost"
		}
	}
	return files, nil
}

// joinPaths puts the names of files behind those of their directories.
func joinPaths(directories []string, indexes []uint64, names []string) ([]string, error) {
	if len(indexes) != len(names) {
		return nil, errors.New("it is damaged: its list of files is not whole")
	}
	paths := make([]string, len(names))
	size := 0
	for i, name := range names {
		if indexes[i] >= uint64(len(directories)) {
			return nil, errors.New("it is damaged: a file of its list is in no directory")
		}
		directory := directories[indexes[i]]
		if size += len(directory) + len(name); size > maxNames {
			return nil, fmt.Errorf("it is refused: the names of its files have more than %d bytes together", maxNames)
		}
		paths[i] = directory + name
	}
	return paths, nil
}

// mostChanges is how many entries of a changelog the metadata holds, the newest ones.
const mostChanges = 10

// changes are the newest entries, oldest first, as createrepo_c writes them.
func changes(h *rpm.Header) []Change {
	times, authors, texts := h.Numbers(tagChangeTime), h.Texts(tagChangeAuthor), h.Texts(tagChangeText)
	var found []Change
	for i := range min(len(times), len(authors), len(texts), mostChanges) {
		found = append(found, Change{Time: times[i], Author: authors[i], Text: texts[i]})
	}
	slices.Reverse(found)
	return found
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

// EVR is the version as people and package managers write it: epoch:version-release, without an epoch of zero.
func (p Package) EVR() string {
	evr := p.Version + "-" + p.Release
	if p.Epoch != "0" {
		evr = p.Epoch + ":" + evr
	}
	return evr
}
