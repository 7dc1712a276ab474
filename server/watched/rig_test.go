package watched

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/testclock"
	"hostler/repo"
	"hostler/server/audit"
	"hostler/server/event"
)

// open puts a folder together; below dir are repo/, data/ and drop/.
func open(ctx context.Context, d *db.DB, dir string, now func() time.Time) (f *Folder, end func(), err error) {
	log := slog.New(slog.DiscardHandler)
	bus, err := event.OpenBus("", log)
	if err != nil {
		return nil, nil, err
	}
	store, err := repo.Open(filepath.Join(dir, "repo"), log)
	if err != nil {
		return nil, bus.Close, err
	}
	book, err := audit.Open(ctx, d, audit.Options{Data: filepath.Join(dir, "data"), Log: log, Now: db.Now})
	if err != nil {
		return nil, bus.Close, err
	}
	return New(Options{
		Dir: filepath.Join(dir, "drop"), Repo: store, Events: event.NewLog(d, bus, log), Audit: book, Log: log, Now: now,
	}), bus.Close, nil
}

type rig struct {
	*testing.T
	*Folder
	db    *db.DB
	url   string // of the database
	dir   string
	clock *testclock.Clock
}

// newRig has a repository of archives, tools, with the channels dev and production, and a folder for dev.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, url: dbtest.Migrated(t), dir: t.TempDir(), clock: testclock.New(db.Now())}
	r.mkdir("tools/dev")
	r.start()
	r.must(r.Repo.Create(repo.Definition{Name: "tools", Kind: repo.Archive, By: "alice"}, []string{"dev", "production"}))
	return r
}

// start opens everything, as a server does that starts.
func (r *rig) start() {
	r.Helper()
	r.db = dbtest.OpenURL(r.T, r.url)
	f, end, err := open(r.Context(), r.db, r.dir, r.clock.Now)
	if end != nil {
		r.Cleanup(end)
	}
	r.must(err)
	r.Folder = f
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, "drop", name) }

func (r *rig) mkdir(name string) {
	r.Helper()
	r.must(os.MkdirAll(r.path(name), 0o755))
}

func (r *rig) put(name string, data []byte) {
	r.Helper()
	r.must(os.WriteFile(r.path(name), data, 0o644))
}

// look looks twice, which is what it takes to take a file.
func (r *rig) look() {
	r.Helper()
	r.Look(r.Context())
	r.Look(r.Context())
}

func (r *rig) there(name string) bool {
	r.Helper()
	_, err := os.Lstat(r.path(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.Fatal(err)
	}
	return err == nil
}

// has lists the files of the channel dev.
func (r *rig) has() string {
	r.Helper()
	c, err := r.Repo.Channel("tools", "dev")
	r.must(err)
	packages, err := r.Repo.Contents("tools", c.Snapshot)
	r.must(err)
	var files []string
	for _, p := range packages {
		files = append(files, p.File)
	}
	slices.Sort(files)
	return strings.Join(files, " ")
}

func (r *rig) wantHas(want string) {
	r.Helper()
	if got := r.has(); got != want {
		r.Errorf("the channel has %q, want %q", got, want)
	}
}

// events are what was told of a kind, newest first.
func (r *rig) events(kind string) []db.Event {
	r.Helper()
	es, err := r.db.Events(r.Context(), db.EventQuery{Kind: kind})
	r.must(err)
	return es
}

func (r *rig) audited() []db.AuditEntry {
	r.Helper()
	es, err := r.db.Audit(r.Context(), db.AuditQuery{Action: "package.add", Limit: 100})
	r.must(err)
	return es
}

// archive is a package that holds a text.
func archive(t testing.TB, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	err := w.WriteHeader(&tar.Header{Name: "bin/tool", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(text))})
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err := errors.Join(err, w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
