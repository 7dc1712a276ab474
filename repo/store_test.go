package repo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/repo/agentbin"
)

// publishForever makes the test binary a publisher that its parent kills.
const publishForever = "HOSTLER_TEST_PUBLISH"

func TestMain(m *testing.M) {
	if dir := os.Getenv(publishForever); dir != "" {
		r, err := Open(dir, slog.New(slog.DiscardHandler))
		for i := 0; err == nil; i++ {
			err = r.PublishAgent(context.Background(), fakeAgent("1.0."+strings.Repeat("1", i%7+1)))
		}
		panic(err)
	}
	if dir := os.Getenv(changeForever); dir != "" {
		panic(changes(dir))
	}
	if dir := os.Getenv(importForever); dir != "" {
		panic(imports(dir))
	}
	os.Exit(m.Run())
}

// fakeAgent is an agent that real package managers install like any other; it does not run.
func fakeAgent(version string) Agent {
	payload := func(arch string) []byte {
		data := make([]byte, 200<<10)
		random := rand.NewChaCha8([32]byte([]byte("hostler agent for tests, 32 byte")))
		_, _ = random.Read(data) // never fails
		return append([]byte("agent "+version+" "+arch+"\n"), data...)
	}
	return Agent{Version: version, Binaries: map[string][]byte{"amd64": payload("amd64"), "arm64": payload("arm64")}}
}

// sharedKey spares most tests the making of an RSA key.
var sharedKey = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "hostler-key-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if _, err := Open(dir, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "keys", "signing.asc"))
})

// mustOpen opens the repository in dir; a new one gets the key that the tests share.
func mustOpen(t *testing.T, dir string) *Store {
	t.Helper()
	file := filepath.Join(dir, "keys", "signing.asc")
	if _, err := os.Stat(file); err != nil {
		key, err := sharedKey()
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, file, string(key))
	}
	return mustOpenOwn(t, dir)
}

// mustOpenOwn opens the repository in dir; a new one makes its own key.
func mustOpenOwn(t *testing.T, dir string) *Store {
	t.Helper()
	r, err := Open(dir, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustPublish(t *testing.T, r *Store, version string) {
	t.Helper()
	if err := r.PublishAgent(t.Context(), fakeAgent(version)); err != nil {
		t.Fatal(err)
	}
}

// currentPublication is where the link of one of the agent's channels points to.
func currentPublication(t *testing.T, r *Store) string {
	t.Helper()
	target, err := os.Readlink(filepath.Join(r.dir, repositoriesDir, AgentApt, channelsDir, Stable, currentLink))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(target)
}

// get answers what the handler serves below /repo/.
func get(t *testing.T, r *Store, path string) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	r.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/repo/"+path, nil))
	return answer
}

func TestPublishingTheSameAgainChangesNothing(t *testing.T) {
	dir := t.TempDir()
	r := mustOpen(t, dir)
	mustPublish(t, r, "1.0.0")
	first := currentPublication(t, r)
	release := get(t, r, "apt/dists/stable/InRelease").Body.String()

	again := mustOpen(t, dir)
	if !bytes.Equal(again.PublicKeyArmored(), r.PublicKeyArmored()) {
		t.Error("the signing key changed when the repository was opened again")
	}
	if got := get(t, again, "apt/dists/stable/InRelease").Body.String(); got != release {
		t.Error("a repository that was opened again does not serve what was published before")
	}
	mustPublish(t, again, "1.0.0")
	if got := currentPublication(t, again); got != first {
		t.Errorf("publication = %s after publishing the same again, want %s", got, first)
	}
	mustPublish(t, again, "1.0.1")
	if got := currentPublication(t, again); got == first {
		t.Error("a new version made no new publication")
	}
}

func TestEveryPartOfWhatIsPublishedMatters(t *testing.T) {
	r := mustOpen(t, t.TempDir())
	base := fakeAgent("1.0.0")
	want, err := r.inputs(base)
	if err != nil {
		t.Fatal(err)
	}
	other := fakeAgent("1.0.0")
	other.Binaries["arm64"] = append(other.Binaries["arm64"], 0)
	fewer := fakeAgent("1.0.0")
	delete(fewer.Binaries, "arm64")
	for name, agent := range map[string]Agent{"version": fakeAgent("1.0.1"), "binary": other, "architectures": fewer} {
		if got, err := r.inputs(agent); err != nil || got == want {
			t.Errorf("another %s gives the same digest (error %v)", name, err)
		}
	}
	elsewhere := mustOpenOwn(t, t.TempDir())
	if got, err := elsewhere.inputs(base); err != nil || got == want {
		t.Errorf("another key gives the same digest (error %v)", err)
	}
}

func TestSupersededPublicationsAreKeptForAWhile(t *testing.T) {
	clock := time.Now()
	dir := t.TempDir()
	mustOpen(t, dir) // makes the key
	r, err := open(dir, slog.New(slog.DiscardHandler), func() time.Time { return clock })
	if err != nil {
		t.Fatal(err)
	}
	publications := func() []string {
		t.Helper()
		names, err := r.repositories[AgentApt].channels[Stable].publications()
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	for _, version := range []string{"1.0.0", "1.0.1", "1.0.2", "1.0.3"} {
		mustPublish(t, r, version)
		clock = clock.Add(supersededKeep / 4)
	}
	if names, want := publications(), []string{"00000001", "00000002", "00000003", "00000004"}; !slices.Equal(names, want) {
		t.Errorf("within the hour there are %v, want %v", names, want)
	}
	clock = clock.Add(supersededKeep / 4) // an hour after the second one took the first one's place
	mustPublish(t, r, "1.0.4")
	if names, want := publications(), []string{"00000002", "00000003", "00000004", "00000005"}; !slices.Equal(names, want) {
		t.Errorf("an hour later there are %v, want %v", names, want)
	}
	clock = clock.Add(supersededKeep)
	mustPublish(t, r, "1.0.5")
	if names, want := publications(), []string{"00000005", "00000006"}; !slices.Equal(names, want) {
		t.Errorf("hours later there are %v, want %v", names, want)
	}
}

func TestPublicationDatesOnlyGoForward(t *testing.T) {
	clock := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	r, err := open(t.TempDir(), slog.New(slog.DiscardHandler), func() time.Time { return clock })
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, r, "1.0.0")
	before := r.repositories[AgentApt].channels[Stable].current().Published
	if !before.Before(clock) {
		t.Errorf("published %s, at the clock's %s or after: a host whose clock is behind refuses it", before, clock)
	}
	clock = clock.Add(-24 * time.Hour)
	mustPublish(t, r, "1.0.1")
	if after := r.repositories[AgentApt].channels[Stable].current().Published; !after.After(before) {
		t.Errorf("published %s after %s: clients ignore an index that is older than theirs", after, before)
	}
}

func TestCanceledPublishLeavesTheLastOneServed(t *testing.T) {
	dir := t.TempDir()
	r := mustOpen(t, dir)
	mustPublish(t, r, "1.0.0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.PublishAgent(ctx, fakeAgent("2.0.0")); !errors.Is(err, context.Canceled) {
		t.Fatalf("error = %v, want context.Canceled", err)
	}
	if packages := get(t, r, "apt/dists/stable/main/binary-amd64/Packages").Body.String(); !strings.Contains(packages, "Version: 1.0.0\n") {
		t.Errorf("served after a canceled publication:\n%s", packages)
	}
	checkTidy(t, dir)
}

func TestPublisherKilledAtAnyInstant(t *testing.T) {
	dir := t.TempDir()
	r := mustOpen(t, dir)
	mustPublish(t, r, "1.0.0")
	for round := range 5 {
		publisher := exec.CommandContext(t.Context(), os.Args[0])
		publisher.Env = append(os.Environ(), publishForever+"="+dir)
		if err := publisher.Start(); err != nil {
			t.Fatal(err)
		}
		started := currentPublication(t, r)
		waitFor(t, func() bool { return currentPublication(t, r) != started })
		<-time.After(time.Duration(rand.IntN(40)) * time.Millisecond) // an instant that no event announces
		if err := publisher.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = publisher.Wait() // it was killed
		checkConsistent(t, mustOpen(t, dir), round)
	}
	mustPublish(t, mustOpen(t, dir), "3.0.0")
	checkTidy(t, dir)
}

// checkTidy finds what is neither whole nor gone.
func checkTidy(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && (strings.HasPrefix(entry.Name(), unfinished) || filepath.Base(filepath.Dir(path)) == incomingDir) {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// checkConsistent follows every checksum from the indexes to the files.
func checkConsistent(t *testing.T, r *Store, round int) {
	t.Helper()
	packages := get(t, r, "apt/dists/stable/main/binary-amd64/Packages").Body.String()
	release := get(t, r, "apt/dists/stable/Release").Body.String()
	if sum := sha256Hex([]byte(packages)); !strings.Contains(release, sum) {
		t.Errorf("round %d: Release does not know the package list", round)
	}
	deb := get(t, r, "apt/"+fieldOf(packages, "Filename"))
	if got, want := sha256Hex(deb.Body.Bytes()), fieldOf(packages, "SHA256"); got != want {
		t.Errorf("round %d: the package's digest is %s, the list says %s", round, got, want)
	}
	sums := get(t, r, "static/SHA256SUMS").Body.String()
	archive := get(t, r, "static/hostler-agent-linux-amd64.tar.gz").Body.Bytes()
	if !strings.Contains(sums, sha256Hex(archive)) {
		t.Errorf("round %d: SHA256SUMS does not know the archive", round)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("waited in vain")
		}
	}
}

func TestOpenTellsWhatIsWrongWithTheKey(t *testing.T) {
	dir := t.TempDir()
	mustOpenOwn(t, dir)
	key := filepath.Join(dir, "keys", "signing.asc")
	if stat, err := os.Stat(key); err != nil || stat.Mode() != 0o600 {
		t.Errorf("key file: mode %v, error %v, want 0600", stat.Mode(), err)
	}
	if err := os.WriteFile(key, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), key) {
		t.Errorf("error = %v, want one that names %s", err, key)
	}
}

func TestPublishWithoutAgents(t *testing.T) {
	if len(agentbin.Archs()) > 0 {
		t.Skip("this test binary was built with agents")
	}
	err := mustOpen(t, t.TempDir()).PublishAgent(t.Context(), Agent{Version: "1.0.0"})
	if !errors.Is(err, agentbin.ErrNoAgents) {
		t.Errorf("error = %v, want ErrNoAgents", err)
	}
}

// BenchmarkFirstPublish takes the built-in agents where there are any, else this test's own executable twice.
func BenchmarkFirstPublish(b *testing.B) {
	agent := Agent{Version: "1.0.0"}
	if len(agentbin.Archs()) == 0 {
		own, err := os.ReadFile(os.Args[0])
		if err != nil {
			b.Fatal(err)
		}
		agent.Binaries = map[string][]byte{"amd64": own, "arm64": append(slices.Clone(own), 0)}
	}
	for b.Loop() {
		r, err := Open(b.TempDir(), slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err != nil {
			b.Fatal(err)
		}
		if err := r.PublishAgent(b.Context(), agent); err != nil {
			b.Fatal(err)
		}
	}
}
