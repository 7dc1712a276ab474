package file_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/testclock"
	"hostler/server/file"
)

type rig struct {
	*testing.T
	db    *db.DB
	dir   string
	clock *testclock.Clock
	store *file.Store
}

func newRig(t *testing.T, dir string) *rig {
	t.Helper()
	r := &rig{T: t, db: dbtest.Open(t), dir: dir, clock: testclock.New(db.Now())}
	r.open()
	return r
}

func (r *rig) open() {
	r.Helper()
	s, err := file.Open(r.db, r.dir, slog.New(slog.DiscardHandler), r.clock.Now)
	r.must(err)
	r.store = s
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) upload(content string) *db.File {
	r.Helper()
	f, err := r.store.Upload(r.Context(), strings.NewReader(content), "alice")
	r.must(err)
	return f
}

// read is what the store opens, or its error.
func read(f *os.File, err error) (string, error) {
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	return string(b), errors.Join(err, f.Close())
}

// left lists the files of a directory of the store.
func (r *rig) left(dir string) []string {
	r.Helper()
	entries, err := os.ReadDir(filepath.Join(r.dir, dir))
	r.must(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestTheSameContentIsKeptOnce(t *testing.T) {
	r := newRig(t, t.TempDir())
	a, b := r.upload("content"), r.upload("content")
	if a.Checksum != b.Checksum || a.Size != 7 || len(r.left("files")) != 1 {
		t.Errorf("kept %+v and %+v in %v", a, b, r.left("files"))
	}
	if got, err := read(r.store.Open(a.Checksum)); got != "content" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if f, err := r.store.Use(t.Context(), a.Checksum); err != nil || f.Size != 7 || f.CreatedBy != "alice" {
		t.Errorf("found %+v, %v", f, err)
	}
	for _, bad := range []string{"", "../hostler.db", strings.Repeat("0", 64), strings.ToUpper(a.Checksum)} {
		if _, err := r.store.Use(t.Context(), bad); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := r.store.Open(bad); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestNothingIsHalfWritten(t *testing.T) {
	r := newRig(t, t.TempDir())
	broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := r.store.Upload(t.Context(), broken, "alice"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken upload: %v", err)
	}
	id := uuid.NewString()
	if _, _, err := r.store.Fetch(id, strings.NewReader("more than five"), 5); !errors.Is(err, file.ErrTooLarge) {
		t.Errorf("more than allowed: %v", err)
	}
	if _, _, err := r.store.Fetch("../../x", strings.NewReader("x"), 5); err == nil {
		t.Error("a job's id led out of the store")
	}
	if n := len(r.left("files")) + len(r.left("fetched")); n != 0 {
		t.Errorf("%d files are left", n)
	}
	r.must(os.WriteFile(filepath.Join(r.dir, "files", ".part-1"), []byte("of a server that was killed"), 0o600))
	r.open()
	if got := r.left("files"); len(got) != 0 {
		t.Errorf("after a restart there are %v", got)
	}
}

func TestAFullDiskIsTold(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small disk needs root and mounts: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	r := newRig(t, dir)
	f := r.upload("kept")
	if _, err := r.store.Upload(t.Context(), io.LimitReader(rand.Reader, 4<<20), "alice"); !errors.Is(err, file.ErrFull) {
		t.Errorf("a full disk: %v", err)
	}
	if _, _, err := r.store.Fetch(uuid.NewString(), io.LimitReader(rand.Reader, 4<<20), 8<<20); !errors.Is(err, file.ErrFull) {
		t.Errorf("a full disk: %v", err)
	}
	if got := r.left("files"); len(got) != 1 || got[0] != f.Checksum || len(r.left("fetched")) != 0 {
		t.Errorf("left are %v and %v", got, r.left("fetched"))
	}
}

func TestSweep(t *testing.T) {
	r := newRig(t, t.TempDir())
	ctx := context.Background()
	host := &db.Host{AgentSN: "a", Name: "a", State: db.HostHealthy}
	r.must(r.db.UpsertHost(ctx, host))
	named, unused := r.upload("named"), r.upload("unused")
	job := &db.Job{ID: uuid.NewString(), HostID: host.ID, Content: named.Checksum, CreatedAt: db.Now(), State: db.JobSucceeded}
	_, err := r.db.CreateJob(ctx, job)
	r.must(err)
	gone := uuid.NewString()
	for _, id := range []string{job.ID, gone} {
		_, _, err := r.store.Fetch(id, strings.NewReader("fetched"), 100)
		r.must(err)
	}
	unrecorded := strings.Repeat("ab", 32)
	r.must(os.WriteFile(filepath.Join(r.dir, "files", unrecorded), nil, 0o600))
	r.must(r.store.Sweep(ctx))
	if len(r.left("files")) != 3 || len(r.left("fetched")) != 2 {
		t.Fatalf("what is young was removed: %v, %v", r.left("files"), r.left("fetched"))
	}
	r.clock.Advance(25 * time.Hour)
	r.must(r.store.Sweep(ctx))
	if got := r.left("files"); len(got) != 1 || got[0] != named.Checksum {
		t.Errorf("left are %v, want what a job names, not %s", got, unused.Checksum)
	}
	if got := r.left("fetched"); len(got) != 1 || got[0] != job.ID {
		t.Errorf("of what was fetched %v are left", got)
	}
	if _, err := r.store.Use(ctx, unused.Checksum); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("a removed file was found: %v", err)
	}
}
