package repo

import (
	"fmt"
	"maps"
	"slices"
)

// shelfList is what a channel is about to hold.
type shelfList struct {
	repository *repository
	byDigest   map[string]*Package
	byIdentity map[string]*Package
	newest     map[[2]string]*Package // by name and architecture
}

func newShelf(r *repository, packages map[string]*Package) *shelfList {
	return &shelfList{
		repository: r, byDigest: make(map[string]*Package, len(packages)),
		byIdentity: make(map[string]*Package, len(packages)), newest: map[[2]string]*Package{},
	}
}

func (l *shelfList) put(p *Package) {
	l.byDigest[p.Digest], l.byIdentity[p.identity()] = p, p
	key := [2]string{p.Name, p.Arch}
	if former := l.newest[key]; former == nil || compareVersions(p.Kind, p.Version, former.Version) > 0 {
		l.newest[key] = p
	}
}

func (l *shelfList) digests() []string { return slices.Sorted(maps.Keys(l.byDigest)) }

// identity is what a client takes two packages for the same by.
func (p *Package) identity() string {
	if p.Kind == Archive {
		return p.File
	}
	return p.Name + " " + p.Version + " " + p.Arch
}

// judge decides about one upload and puts it on the list if it may be there.
func (l *shelfList) judge(got *Received) Verdict {
	v := Verdict{File: got.Name, Warnings: []Warning{}, Package: got.pkg}
	if got.Refused != "" {
		v.State, v.Code, v.Reason, v.Package = Refused, got.Code, got.Refused, nil
		return v
	}
	p := got.pkg
	if l.byDigest[p.Digest] != nil {
		v.State = Present
		return v
	}
	if other := l.byIdentity[p.identity()]; other != nil {
		v.State, v.Code = Refused, "conflict"
		v.Reason = fmt.Sprintf("the channel has %s already, with another content: give the package another version", other.File)
		return v
	}
	v.State = Added
	if newest := l.newest[[2]string{p.Name, p.Arch}]; newest != nil && compareVersions(p.Kind, p.Version, newest.Version) < 0 {
		v.Warnings = append(v.Warnings, Warning{
			Code: "older", Message: "the channel has a newer version, " + newest.Version + "; hosts go on installing that", Other: newest.Version,
		})
	}
	if !l.repository.isFor(p) {
		v.Warnings = append(v.Warnings, Warning{
			Code: "architecture", Message: "it is for " + p.Arch + ", which the repository was not made for", Other: p.Arch,
		})
	}
	if p.Unsigned {
		v.Warnings = append(v.Warnings, Warning{
			Code: "unsigned", Message: "it had no signature: make sure that you know where it is from. It has that of this server now",
		})
	}
	l.put(p)
	return v
}

// isFor says whether the repository's architectures hold that of a package.
func (r *repository) isFor(p *Package) bool {
	return p.Arch == "" || p.Arch == "all" || p.Arch == "noarch" || p.Arch == "src" || slices.Contains(r.Architectures, p.Arch)
}
