package repo

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Offer is an archive that hosts can get: it is in what a channel serves now.
type Offer struct {
	*Package
	Repository string
	Channels   []string // in which it is, by name
}

// Path is where the archive is served as long as it is stored, below wire.PathRepo.
func (o *Offer) Path() string { return o.Repository + "/" + o.Package.Path() }

// Offers lists the archives of a name, "" for all, that channels serve: by name, the newest version first. The agent is not
// among them.
func (s *Store) Offers(name string) []Offer {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Offer
	for _, r := range s.repositories {
		if r.Kind != Archive {
			continue
		}
		found := map[string]int{} // where in all, by digest
		for _, channel := range slices.Sorted(maps.Keys(r.channels)) {
			for _, p := range r.snapshots[r.channels[channel].current().Snapshot].inOrder() {
				if name != "" && p.Name != name || p.IsAgent() {
					continue
				}
				at, known := found[p.Digest]
				if !known {
					at = len(all)
					found[p.Digest] = at
					all = append(all, Offer{Package: p, Repository: r.Name})
				}
				all[at].Channels = append(all[at].Channels, channel)
			}
		}
	}
	slices.SortFunc(all, func(a, b Offer) int {
		return cmp.Or(comparePackages(a.Package, b.Package), strings.Compare(a.Repository, b.Repository))
	})
	return all
}
