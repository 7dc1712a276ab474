package mirror_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hostler/db"
	"hostler/repo"
	"hostler/repo/upstream/upstreamtest"
)

// mirrorUntilKilled makes the test binary one that runs mirror 1 until its parent kills it.
const mirrorUntilKilled = "HOSTLER_TEST_MIRROR"

func TestMain(m *testing.M) {
	if where := os.Getenv(mirrorUntilKilled); where != "" {
		url, dir, _ := strings.Cut(where, " ")
		fmt.Fprintln(os.Stderr, runMirror(url, dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func runMirror(url, dir string) error {
	ctx := context.Background()
	d, err := db.Open(ctx, url)
	if err != nil {
		return err
	}
	p, err := open(ctx, d, dir, db.Now)
	if err != nil {
		return err
	}
	if _, err := p.mirrors.Run(ctx, "copy", 1, "alice"); err != nil {
		return err
	}
	select {}
}

// TestKilledInTheMiddle kills a server that mirrors. The next one serves what was complete, and goes on without being told.
func TestKilledInTheMiddle(t *testing.T) {
	r, u := newRig(t), upstreamtest.New(t, "apt")
	u.Add(numbered(1)...)
	u.Index()
	r.wantDone(r.run(r.create(u, "apt", nil)))
	u.Add(numbered(12)...)
	u.Index()
	u.Asked()
	r.must(r.close())

	reached, let := make(chan struct{}, 100), make(chan struct{})
	u.Hook(func(_ http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "tool9_1_amd64.deb") {
			reached <- struct{}{}
			select {
			case <-let:
			case <-q.Context().Done():
			}
		}
		return false
	})
	server := exec.CommandContext(t.Context(), os.Args[0])
	server.Env = append(os.Environ(), mirrorUntilKilled+"="+r.url+" "+r.dir)
	var said strings.Builder
	server.Stderr = &said
	r.must(server.Start())
	select {
	case <-reached:
	case <-time.After(time.Minute):
		t.Errorf("it did not fetch: %s", &said)
	}
	r.must(server.Process.Kill())
	if err := server.Wait(); err == nil {
		t.Error("it ended by itself")
	}
	s, err := repo.Open(filepath.Join(r.dir, "repo"), slog.New(slog.DiscardHandler))
	r.must(err)
	if got := has(t, s, "upstream"); got != "tool0=1" {
		t.Errorf("after the kill the channel has %s", got)
	}
	first := u.Asked()
	close(let)
	r.start()
	m, err := r.mirrors.Get(t.Context(), "copy", 1)
	r.must(err)
	r.wantDone(r.await(m.Operation))
	if got := strings.Count(r.has("upstream"), "tool"); got != 12 {
		t.Errorf("the channel has %d packages", got)
	}
	if second := u.Asked(); first < 4 || second > 12-first+4 { // four are fetched at a time
		t.Errorf("%d were asked for before and %d behind, of 11", first, second)
	}
}
