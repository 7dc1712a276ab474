package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"

	"hostler/db"
	"hostler/repo"
	"hostler/repo/upstream"
)

// way is how packages of a mirror are fetched on demand. Those that share one share its bandwidth.
type way struct {
	mirror    int64
	proxy     string
	bandwidth int64
}

// Fetch begins to read a package that a mirror has listed without fetching it. It is what repo.Supply wants. A mirror that was
// removed leaves the packages that hosts still see, which then come without its proxy and as fast as they do.
func (m *Mirrors) Fetch(ctx context.Context, p *repo.Package) (io.ReadCloser, error) {
	by := way{mirror: p.Origin.Mirror}
	row, err := m.DB.Mirror(ctx, p.Origin.Mirror)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return nil, err
	}
	if err == nil {
		d, err := m.describe(ctx, row)
		if err != nil {
			return nil, err
		}
		by.proxy, by.bandwidth = d.Proxy, d.Bandwidth
	}
	c, err := m.client(by)
	if err != nil {
		return nil, err
	}
	from := &upstream.Package{Path: p.Origin.Path, Sum: upstream.Sum{Kind: "sha256", Hex: p.Digest, Size: p.Size}}
	return c.Fetch(ctx, &upstream.Source{URL: p.Origin.URL}, from), nil
}

func (m *Mirrors) client(by way) (*upstream.Client, error) {
	m.fetching.Lock()
	defer m.fetching.Unlock()
	if c := m.ways[by]; c != nil {
		return c, nil
	}
	c, err := upstream.NewClient(upstream.Options{Proxy: by.proxy, Bandwidth: by.bandwidth, Allow: m.Allow, Pause: m.Pause})
	if err != nil {
		return nil, fmt.Errorf("cannot reach the upstream: %w", err)
	}
	if m.ways == nil {
		m.ways = map[way]*upstream.Client{}
	}
	m.ways[by] = c
	return c, nil
}

// Supply fetches what is asked for of packages that mirrors have listed, until ctx ends.
func (m *Mirrors) Supply(ctx context.Context) {
	m.Repo.Supply(ctx, m.Fetch)()
	m.fetching.Lock()
	defer m.fetching.Unlock()
	for _, c := range m.ways {
		c.Close()
	}
	m.ways = nil
}
