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
	requested map[string]int64 // requests for packages, by digest
}

// Counts tells what happened since the server started: publications and uploaded bytes by repository, and requests
// by the digests of packages.
type Counts struct{ Published, Uploaded, Requested map[string]int64 }

// Counts reads them.
func (s *Store) Counts() Counts {
	c := &s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	return Counts{maps.Clone(c.published), maps.Clone(c.uploaded), maps.Clone(c.requested)}
}

// Requests is how often a package was asked for since the server started.
func (s *Store) Requests(digest string) int64 {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	return s.counts.requested[digest]
}

func (c *counts) publish(repository string)             { c.add(&c.published, repository, 1) }
func (c *counts) upload(repository string, bytes int64) { c.add(&c.uploaded, repository, bytes) }
func (c *counts) request(digest string)                 { c.add(&c.requested, digest, 1) }
func (c *counts) add(to *map[string]int64, key string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *to == nil {
		*to = map[string]int64{}
	}
	(*to)[key] += n
}

// forget drops what is counted of a package that is gone.
func (c *counts) forget(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.requested, digest)
}
