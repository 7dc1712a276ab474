package repo

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// importForever makes the test binary one that imports bundles until its parent kills it: first that of its standard input,
// then by turns those beside the store.
const importForever = "HOSTLER_TEST_IMPORT"

func imports(dir string) error {
	s, err := Open(filepath.Join(dir, "repo"), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	take := func(bundle io.Reader) error {
		_, err := s.Import(context.Background(), Import{Repository: "ours", Channel: "dev", By: "courier"}, bundle)
		return err
	}
	if err := take(os.Stdin); err != nil {
		return err
	}
	for i := 0; ; i++ {
		file, err := os.Open(filepath.Join(dir, []string{"less", "more"}[i%2]))
		if err != nil {
			return err
		}
		if err := errors.Join(take(file), file.Close()); err != nil {
			return err
		}
	}
}

// carried are two bundles of one repository, and what a channel has that took them.
type carried struct {
	less, more           []byte
	lessNames, moreNames string
}

const carriedPackages = 5

func mustCarry(t *testing.T) carried {
	t.Helper()
	from := mustOpen(t, t.TempDir())
	mustCreate(t, from, "ours", Apt, "dev")
	var c carried
	for i := range carriedPackages {
		mustAdd(t, from, "ours", "dev", sample{name: fmt.Sprintf("tool%d", i), version: "1.0", arch: "amd64", content: random(20 << 10)})
		if i == 1 {
			c.less, c.lessNames = exported(t, from, i+2, 0), namesOf(t, from, "ours", "dev")
		}
	}
	c.more, c.moreNames = exported(t, from, carriedPackages+1, 0), namesOf(t, from, "ours", "dev")
	return c
}

// wholePackages counts the packages that are whole in the beginning of a bundle.
func wholePackages(t *testing.T, beginning []byte) int {
	t.Helper()
	count, r := 0, tar.NewReader(bytes.NewReader(beginning))
	for {
		header, err := r.Next()
		if err != nil {
			return count
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return count
		}
		if strings.HasPrefix(header.Name, bundlePackages) {
			count++
		}
	}
}

func found(t *testing.T, pattern string) int {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// TestImportKilledAtAnyInstant kills a server that imports: while it reads, while it stores what it has read, and around
// publications. The next one serves what was complete, has nothing half, and takes the same bundle.
func TestImportKilledAtAnyInstant(t *testing.T) {
	bundles := mustCarry(t)
	whole := len(bundles.more)
	type instant struct {
		name    string
		sent    int // of the bundle
		reached func(t *testing.T, store string) bool
		want    []string // what the channel may have then
	}
	var instants []instant
	for part := range 5 {
		sent := whole * part / 5
		read := wholePackages(t, bundles.more[:sent])
		instants = append(instants, instant{fmt.Sprintf("%d of %d bytes read", sent, whole), sent, func(t *testing.T, store string) bool {
			return found(t, filepath.Join(store, incomingDir, "fill-*")) == 1 && found(t, filepath.Join(store, incomingDir, "fill-*", "*")) >= read
		}, []string{""}})
	}
	for stored := 1; stored <= carriedPackages; stored++ {
		instants = append(instants, instant{fmt.Sprintf("%d packages stored", stored), whole, func(t *testing.T, store string) bool {
			return found(t, filepath.Join(store, packagesDir, "*", "*")) >= stored
		}, []string{"", bundles.lessNames, bundles.moreNames}})
	}
	for publication := 2; publication < 6; publication++ {
		name := fmt.Sprintf("%08d", publication)
		instants = append(instants, instant{"publication " + name, whole, func(_ *testing.T, store string) bool {
			target, err := os.Readlink(filepath.Join(store, repositoriesDir, "ours", channelsDir, "dev", currentLink))
			return err == nil && filepath.Base(target) >= name
		}, []string{bundles.lessNames, bundles.moreNames}})
	}
	for _, at := range instants {
		t.Run(at.name, func(t *testing.T) {
			dir := t.TempDir()
			store := filepath.Join(dir, "repo")
			mustCreate(t, mustOpen(t, store), "ours", Apt, "dev", "production")
			mustWrite(t, filepath.Join(dir, "less"), string(bundles.less))
			mustWrite(t, filepath.Join(dir, "more"), string(bundles.more))
			killImport(t, dir, bundles.more[:at.sent], at.sent == whole, func() bool { return at.reached(t, store) })
			checkAfterImport(t, store, at.want, bundles)
		})
	}
}

// killImport runs the importing program, sends it this much of a bundle, and kills it some time after an instant is reached.
func killImport(t *testing.T, dir string, sent []byte, end bool, reached func() bool) {
	t.Helper()
	importer := exec.CommandContext(t.Context(), os.Args[0])
	importer.Env = append(os.Environ(), importForever+"="+dir)
	var said strings.Builder
	importer.Stderr = &said
	in, err := importer.StdinPipe()
	if err == nil {
		err = importer.Start()
	}
	if err == nil {
		_, err = in.Write(sent)
	}
	if err == nil && end {
		err = in.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, reached)
	<-time.After(time.Duration(rand.IntN(20)) * time.Millisecond) // an instant that no event announces
	if err := importer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := importer.Wait(); err == nil || strings.Contains(said.String(), "panic") {
		t.Fatalf("it ended by itself: %v\n%s", err, &said)
	}
}

// checkAfterImport opens a store whose server was killed: the channel has one of these, whole, and takes what was cut short.
func checkAfterImport(t *testing.T, dir string, want []string, bundles carried) {
	t.Helper()
	s := mustOpen(t, dir)
	checkTidy(t, dir)
	checkServed(t, s, 0)
	got, allowed := namesOf(t, s, "ours", "dev"), false
	for _, names := range want {
		allowed = allowed || got == names
	}
	if !allowed {
		t.Errorf("the channel has %q, want one of %q", got, want)
	}
	if _, err := s.Import(t.Context(), Import{Repository: "ours", Channel: "dev", By: "courier"}, bytes.NewReader(bundles.more)); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if got := namesOf(t, s, "ours", "dev"); got != bundles.moreNames {
		t.Errorf("then the channel has %q, want %q", got, bundles.moreNames)
	}
	checkTidy(t, dir)
	checkServed(t, s, 1)
}

func TestAFullDiskRefusesABundle(t *testing.T) {
	bundles := mustCarry(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot make a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := mustOpen(t, dir)
	mustCreate(t, s, "ours", Apt, "dev", "production")
	release := get(t, s, "ours/dists/dev/InRelease").Body.String()
	filled, failures := filepath.Join(dir, "filled"), 0
	for room := 0; ; room += 8 << 10 { // a little more room each time, until there is enough
		fill(t, filled, dir, room)
		_, err := s.Import(t.Context(), Import{Repository: "ours", Channel: "dev", By: "courier"}, bytes.NewReader(bundles.more))
		if err == nil {
			break
		}
		failures++
		if !errors.Is(err, ErrFull) {
			t.Errorf("with %d bytes left: %v", room, err)
		}
		if err := os.Remove(filled); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, dir)
		checkTidy(t, dir)
		if got := namesOf(t, s, "ours", "dev"); got != "" || get(t, s, "ours/dists/dev/InRelease").Body.String() != release {
			t.Fatalf("with %d bytes left the channel has %s", room, got)
		}
	}
	if failures < 5 {
		t.Errorf("the disk was full %d times only", failures)
	}
	if got := namesOf(t, s, "ours", "dev"); got != bundles.moreNames {
		t.Errorf("with enough room the channel has %s", got)
	}
	checkTidy(t, dir)
}
