package repo

import (
	"maps"
	"sync"
)

// counts is what happened since the server started.
type counts struct {
	mu        sync.Mutex
	published map[string]int64 // publications, by repository
	uploaded  map[string]int64 // bytes, by repository
	requested map[string]int64 // requests for packages that are there, by digest
	asked     map[Asked]int64
	fetched   map[bool]int64 // packages on demand, by whether they came
}

// Asked is what requests for packages are counted by in the long run: all versions of one together.
type Asked struct {
	Kind Kind
	Name string
}

// Counts tells what happened since the server started: publications and uploaded bytes by repository, and requests
// for packages. None of them ever becomes less.
type Counts struct {
	Published, Uploaded map[string]int64
	Asked               map[Asked]int64
	Fetched             map[bool]int64 // packages on demand, by whether they came
}

// Counts reads them.
func (s *Store) Counts() Counts {
	c := &s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	return Counts{maps.Clone(c.published), maps.Clone(c.uploaded), maps.Clone(c.asked), maps.Clone(c.fetched)}
}

// Requests is how often a package was asked for since the server started.
func (s *Store) Requests(digest string) int64 {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	return s.counts.requested[digest]
}

func (c *counts) publish(repository string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.published, repository, 1)
}

func (c *counts) upload(repository string, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.uploaded, repository, bytes)
}

func (c *counts) request(p *Package) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.requested, p.Digest, 1)
	add(&c.asked, Asked{p.Kind, p.Name}, 1)
}

func (c *counts) fetch(came bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.fetched, came, 1)
}

func add[K comparable](to *map[K]int64, key K, n int64) {
	if *to == nil {
		*to = map[K]int64{}
	}
	(*to)[key] += n
}

// forget drops what is counted of a package that is gone.
func (c *counts) forget(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.requested, digest)
}
