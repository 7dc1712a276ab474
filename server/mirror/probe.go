package mirror

import (
	"context"
	"errors"
	"os"
	"time"

	"hostler/repo/upstream"
)

// probeLimit bounds how long somebody waits to learn whether an address answers.
const probeLimit = 30 * time.Second

// Probe reads the index of a repository that hosts are to use and finds the packages of a name in it. Nothing is kept of it.
// What is wrong with the repository is an *operation.Failure.
func (m *Mirrors) Probe(ctx context.Context, source upstream.Source, name string) ([]*upstream.Package, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	found, err := m.probe(ctx, source, name)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fail(upstream.CodeUnreachable, err, "message", source.URL+": no answer within "+probeLimit.String())
	}
	if err == nil && len(found) == 0 {
		err = fail(codeWithout, nil, "url", source.URL, "package", name)
	}
	return found, m.explain(err, nil)
}

func (m *Mirrors) probe(ctx context.Context, source upstream.Source, name string) (found []*upstream.Package, err error) {
	keys, err := upstream.ReadKeys(source.Keys, m.Now)
	if err != nil {
		return nil, fail(upstream.CodeSignature, err, "message", err.Error())
	}
	// Whoever waits for the answer would rather try again herself.
	client, err := upstream.NewClient(upstream.Options{Allow: m.Allow, Pause: func(ctx context.Context, _ int) error { return ctx.Err() }})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	dir, err := os.MkdirTemp("", "hostler-probe-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	index, err := (&upstream.Reader{Client: client, Source: source, Keys: keys, Dir: dir, Now: m.Now}).Read(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range index.Packages {
		if p.Name == name {
			found = append(found, p)
		}
	}
	return found, nil
}
