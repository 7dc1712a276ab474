package mirror_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/testclock"
	"hostler/repo"
	"hostler/repo/upstream"
	"hostler/repo/upstream/upstreamtest"
	"hostler/server/event"
	"hostler/server/mirror"
	"hostler/server/operation"
)

// parts are those of a server that mirrors need.
type parts struct {
	db      *db.DB
	bus     *event.Bus
	store   *repo.Store
	engine  *operation.Engine
	mirrors *mirror.Mirrors
}

// open puts them together; dir is the data directory.
func open(ctx context.Context, d *db.DB, dir string, now func() time.Time) (*parts, error) {
	log := slog.New(slog.DiscardHandler)
	bus, err := event.OpenBus("", log)
	if err != nil {
		return nil, err
	}
	p := &parts{db: d, bus: bus}
	if p.store, err = repo.Open(filepath.Join(dir, "repo"), log); err != nil {
		return nil, err
	}
	p.engine = operation.New(d, bus, event.NewLog(d, bus, log), log)
	p.mirrors = mirror.New(mirror.Options{
		DB: d, Engine: p.engine, Repo: p.store, Log: log, Now: now, Allow: upstreamtest.Loopback,
		Pause: func(ctx context.Context, _ int) error { return ctx.Err() },
	})
	p.engine.Register(p.mirrors.Kind())
	return p, p.engine.Resume(ctx)
}

func (p *parts) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := p.engine.Stop(ctx)
	p.bus.Close()
	return err
}

type rig struct {
	*testing.T
	*parts
	url   string // of the database
	dir   string
	clock *testclock.Clock
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, url: dbtest.Migrated(t), dir: t.TempDir(), clock: testclock.New(db.Now())}
	r.start()
	t.Cleanup(func() { r.must(r.close()) })
	return r
}

func (r *rig) start() {
	r.Helper()
	var err error
	r.parts, err = open(r.Context(), dbtest.OpenURL(r.T, r.url), r.dir, r.clock.Now)
	r.must(err)
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// create makes a repository with a mirror of an upstream.
func (r *rig) create(u *upstreamtest.Upstream, kind string, change func(*mirror.Request)) *mirror.Mirror {
	r.Helper()
	arch := map[string]string{"apt": "amd64", "yum": "x86_64"}[kind]
	r.must(r.store.Create(repo.Definition{Name: "copy", Kind: repo.Kind(kind), Architectures: []string{arch}, By: "alice"}, []string{"upstream", "production"}))
	in := request(u, kind)
	if change != nil {
		change(&in)
	}
	m, err := r.mirrors.Create(r.Context(), in, "alice")
	r.must(err)
	return m
}

// take stores a package without a question about its signature, and publishes it nowhere.
func (r *rig) take(data []byte) {
	r.Helper()
	filling, err := r.store.Fill("copy", "production")
	r.must(err)
	defer filling.Close()
	r.must(filling.Take(r.Context(), repo.Upload{Name: "taken.rpm", Content: bytes.NewReader(data), By: "alice"}))
}

func request(u *upstreamtest.Upstream, kind string) mirror.Request {
	in := mirror.Request{Repository: "copy", Definition: mirror.Definition{Source: upstream.Source{
		URL: u.URL, Trust: upstream.TrustIndex, Keys: string(u.Key.PublicArmored()),
	}}}
	if kind == "apt" {
		in.Suite = "stable"
	}
	return in
}

// run runs a mirror to its end and returns its task.
func (r *rig) run(m *mirror.Mirror) db.Task {
	r.Helper()
	o, err := r.mirrors.Run(r.Context(), m.Repository, m.ID, "bob")
	r.must(err)
	return r.await(o.ID)
}

func (r *rig) await(id int64) db.Task {
	r.Helper()
	changed := make(chan struct{}, 1)
	cancel, err := r.bus.Subscribe(">", func(string, []byte) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	r.must(err)
	defer cancel()
	deadline := time.After(2 * time.Minute)
	for {
		o, err := r.db.Operation(r.Context(), id)
		r.must(err)
		if o.State.Ended() {
			break
		}
		select {
		case <-changed:
		case <-deadline:
			r.Fatalf("waited in vain for operation %d", id)
		}
	}
	ts, err := r.db.Tasks(r.Context(), id)
	r.must(err)
	return ts[0]
}

func (r *rig) wantDone(task db.Task) {
	r.Helper()
	if task.State != db.Done {
		r.Fatalf("the task is %s: %+v", task.State, task.Problem)
	}
}

// has lists what a channel holds.
func (r *rig) has(channel string) string {
	r.Helper()
	return has(r.T, r.store, channel)
}

func has(t *testing.T, s *repo.Store, channel string) string {
	t.Helper()
	c, err := s.Channel("copy", channel)
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Contents("copy", c.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range all {
		names = append(names, p.Name+"="+p.Version)
	}
	return strings.Join(names, " ")
}

func numbered(count int) []upstreamtest.Package {
	var all []upstreamtest.Package
	for i := range count {
		all = append(all, upstreamtest.Package{Name: fmt.Sprintf("tool%d", i), Version: "1", Arch: "amd64"})
	}
	return all
}
