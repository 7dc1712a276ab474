package upstream

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Filter says which packages of an upstream are wanted.
type Filter struct {
	// Packages are patterns of names, each maybe with a version: "nginx", "python3-*", "nginx >= 1.22". None: all.
	Packages []string `json:"packages,omitempty"`
	// Exclude are patterns of what is not wanted even where others need it.
	Exclude []string `json:"exclude,omitempty"`
	// Newest is how many versions of each package are wanted, beside those that others need. 0: all.
	Newest int `json:"newest,omitempty"`
	// Alone leaves out what the packages that are listed need.
	Alone bool `json:"alone,omitempty"`
	// Recommended also takes what the packages recommend.
	Recommended bool `json:"recommended,omitempty"`
}

// Choice is what of an upstream is wanted.
type Choice struct {
	Packages []*Package
	// Unmatched are patterns that match nothing.
	Unmatched []string
	// Missing are needs that the upstream cannot meet, as "package: need".
	Missing []string
}

// Size is how many bytes the packages have.
func (c *Choice) Size() int64 {
	var size int64
	for _, p := range c.Packages {
		size += p.Sum.Size
	}
	return size
}

// pattern is one of a Filter.
type pattern struct {
	text, name        string
	operator, version string
}

var patternText = regexp.MustCompile(`^([A-Za-z0-9*?\[][A-Za-z0-9+._*?\[\]^-]*)(?:\s*(<=|>=|=|<|>)\s*([A-Za-z0-9][A-Za-z0-9.+:~^_-]*))?$`)

func parsePattern(text string) (pattern, error) {
	parts := patternText.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return pattern{}, fmt.Errorf("%.80q is no name of a package, such as nginx, python3-* or nginx >= 1.22", text)
	}
	if _, err := path.Match(parts[1], ""); err != nil {
		return pattern{}, fmt.Errorf("%.80q has a bracket that does not end", text)
	}
	return pattern{text, parts[1], parts[2], parts[3]}, nil
}

// CheckPattern says what is wrong with a pattern of a Filter.
func CheckPattern(text string) error {
	_, err := parsePattern(text)
	return err
}

func (p pattern) matches(kind string, candidate *Package) bool {
	named, err := path.Match(p.name, candidate.Name)
	return err == nil && named && fits(kind, candidate.Version, p.operator, p.version)
}

func patterns(texts []string) ([]pattern, error) {
	var all []pattern
	for _, text := range texts {
		p, err := parsePattern(text)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// Choose finds the packages that are wanted and, where they are listed, everything that they need: of each need the
// first alternative that the upstream has, in the newest version that will do.
func (ix *Index) Choose(f Filter) (*Choice, error) {
	include, err := patterns(f.Packages)
	if err != nil {
		return nil, err
	}
	exclude, err := patterns(f.Exclude)
	if err != nil {
		return nil, err
	}
	pool := slices.DeleteFunc(slices.Clone(ix.Packages), func(p *Package) bool {
		return slices.ContainsFunc(exclude, func(e pattern) bool { return e.matches(ix.Kind, p) })
	})
	slices.SortStableFunc(pool, func(a, b *Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), -compare(ix.Kind, a.Version, b.Version), strings.Compare(a.Arch, b.Arch))
	})
	s := &solver{kind: ix.Kind, filter: f, pool: pool, chosen: map[*Package]bool{}, missing: map[string]bool{}}
	c := &Choice{}
	if len(include) == 0 {
		c.Packages = s.newest(pool)
		return c, nil
	}
	s.prepare()
	for _, p := range include {
		matched := s.newest(slices.DeleteFunc(slices.Clone(pool), func(one *Package) bool { return !p.matches(ix.Kind, one) }))
		if len(matched) == 0 {
			c.Unmatched = append(c.Unmatched, p.text)
		}
		for _, one := range matched {
			s.choose(one)
		}
	}
	s.close()
	c.Packages = slices.DeleteFunc(pool, func(p *Package) bool { return !s.chosen[p] })
	for text := range s.missing {
		c.Missing = append(c.Missing, text)
	}
	slices.Sort(c.Missing)
	return c, nil
}

// solver finds what packages need.
type solver struct {
	kind   string
	filter Filter
	pool   []*Package // by name, the newest first

	architectures []string
	named         map[string][]*Package // by name, the newest first
	provided      map[string][]provider // by what is provided
	chosen        map[*Package]bool
	queue         []*Package
	missing       map[string]bool
}

type provider struct {
	p  *Package
	as Relation
}

// newest leaves the newest versions of each package of a sorted list.
func (s *solver) newest(list []*Package) []*Package {
	if s.filter.Newest == 0 {
		return slices.Clone(list)
	}
	versions := map[[2]string][]string{}
	var kept []*Package
	for _, p := range list {
		key := [2]string{p.Name, p.Arch}
		if !slices.Contains(versions[key], p.Version) {
			if len(versions[key]) == s.filter.Newest {
				continue
			}
			versions[key] = append(versions[key], p.Version)
		}
		kept = append(kept, p)
	}
	return kept
}

func (s *solver) prepare() {
	s.named, s.provided = map[string][]*Package{}, map[string][]provider{}
	for _, p := range s.pool {
		s.named[p.Name] = append(s.named[p.Name], p)
		for _, r := range p.provides {
			s.provided[r.Name] = append(s.provided[r.Name], provider{p, r})
		}
		for _, file := range p.files {
			s.provided[file] = append(s.provided[file], provider{p, Relation{Name: file}})
		}
		if !p.everywhere() && !slices.Contains(s.architectures, p.Arch) {
			s.architectures = append(s.architectures, p.Arch)
		}
	}
}

func (s *solver) choose(p *Package) {
	if !s.chosen[p] {
		s.chosen[p] = true
		s.queue = append(s.queue, p)
	}
}

// close chooses what the chosen packages need, until nothing is missing that can be had.
func (s *solver) close() {
	for len(s.queue) > 0 && !s.filter.Alone {
		p := s.queue[0]
		s.queue = s.queue[1:]
		archs := []string{p.Arch}
		if p.everywhere() {
			archs = s.architectures
		}
		if len(archs) == 0 {
			archs = []string{p.Arch} // there is nothing but such packages
		}
		for _, unclear := range p.unclear {
			s.missing[p.Name+": "+unclear] = true
		}
		for _, arch := range archs {
			for _, n := range p.needs {
				if !s.meet(n, arch) {
					s.missing[p.Name+": "+n.String()] = true
				}
			}
			if !s.filter.Recommended {
				continue
			}
			for _, n := range p.weak {
				s.meet(n, arch) // one that cannot be had was only a wish
			}
		}
	}
}

// meet chooses packages for a need; false when there are none.
func (s *solver) meet(n need, arch string) bool {
	switch n.mode {
	case modeAll:
		met := true
		for _, part := range n.parts {
			met = s.meet(part, arch) && met
		}
		return met
	case modeAny:
		for _, part := range n.parts {
			if s.met(part, arch) {
				return true
			}
		}
		for _, part := range n.parts {
			if s.can(part, arch) {
				return s.meet(part, arch)
			}
		}
		return false
	}
	candidates := s.candidates(n, arch)
	if slices.ContainsFunc(candidates, func(p *Package) bool { return s.chosen[p] }) {
		return true
	}
	if len(candidates) == 0 {
		return false
	}
	s.choose(candidates[0])
	return true
}

// met says whether what is chosen meets a need already.
func (s *solver) met(n need, arch string) bool {
	return s.each(n, arch, func(p *Package) bool { return s.chosen[p] })
}

// can says whether there is something for a need.
func (s *solver) can(n need, arch string) bool {
	return s.each(n, arch, func(*Package) bool { return true })
}

func (s *solver) each(n need, arch string, good func(*Package) bool) bool {
	part := func(one need) bool { return s.each(one, arch, good) }
	switch n.mode {
	case modeAll:
		return !slices.ContainsFunc(n.parts, func(one need) bool { return !part(one) })
	case modeAny:
		return slices.ContainsFunc(n.parts, part)
	}
	return slices.ContainsFunc(s.candidates(n, arch), good)
}

// candidates are the packages that meet a relation, the best first: one of the name, in its newest version; else, of what
// provides it, the one with the shortest name.
func (s *solver) candidates(n need, arch string) []*Package {
	if n.mode == modeSame {
		if len(n.parts) == 0 {
			return nil
		}
		return slices.DeleteFunc(s.candidates(n.parts[0], arch), func(p *Package) bool {
			return slices.ContainsFunc(n.parts[1:], func(other need) bool { return !slices.Contains(s.candidates(other, arch), p) })
		})
	}
	r := n.relation
	suits := func(p *Package) bool { return p.Arch == arch || p.everywhere() || arch == "all" || arch == "noarch" }
	var found []*Package
	for _, p := range s.named[r.Name] {
		if suits(p) && fits(s.kind, p.Version, r.Operator, r.Version) {
			found = append(found, p)
		}
	}
	named := len(found)
	for _, one := range s.provided[r.Name] {
		if suits(one.p) && s.provides(one.as, r) && !slices.Contains(found, one.p) {
			found = append(found, one.p)
		}
	}
	slices.SortStableFunc(found[named:], func(a, b *Package) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), strings.Compare(a.Name, b.Name), -compare(s.kind, a.Version, b.Version))
	})
	return found
}

// provides says whether what is provided is what is wanted. What has no version meets no relation that wants one.
func (s *solver) provides(has, wants Relation) bool {
	if wants.Operator == "" {
		return true
	}
	return has.Operator == "=" && fits(s.kind, has.Version, wants.Operator, wants.Version)
}
