package repo

import (
	"context"
	"errors"
	"fmt"
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

// changeForever makes the test binary one that changes a store until its parent kills it.
const changeForever = "HOSTLER_TEST_CHANGE"

// changes goes on for ever: it uploads, promotes, rolls back, drops and sweeps. The packages are files in dir.
func changes(dir string) error {
	s, err := Open(filepath.Join(dir, "repo"), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	ctx := context.Background()
	for i := 0; ; i++ {
		file, err := os.Open(files[i%len(files)])
		if err != nil {
			return err
		}
		got, err := s.Receive(ctx, "ours", Upload{Name: file.Name(), Content: file})
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
		result, err := s.Commit(ctx, "ours", "dev", []*Received{got}, "tester")
		if err != nil {
			return err
		}
		if err := tryPromote(ctx, s, "ours", "production", result.Snapshot); err != nil {
			return err
		}
		if i%3 == 2 {
			if _, err := s.Rollback(ctx, "ours", "production", 0, "tester"); err != nil {
				return err
			}
		}
		if _, err := s.Drop("ours", "dev", []string{result.Files[0].Package.Digest}, "tester"); err != nil {
			return err
		}
		if err := s.Sweep(ctx); err != nil {
			return err
		}
	}
}

func TestKilledAtAnyInstant(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, filepath.Join(dir, "repo"))
	mustCreate(t, s, "ours", Apt, "dev", "production")
	for i := range 4 {
		p := sample{name: "tool", version: fmt.Sprintf("1.%d", i), arch: "amd64"}
		mustWrite(t, filepath.Join(dir, p.version+".deb"), string(p.build(t, Apt)))
	}
	link := filepath.Join(s.dir, repositoriesDir, "ours", channelsDir, "production", currentLink)
	for round := range 12 {
		changer := exec.CommandContext(t.Context(), os.Args[0])
		changer.Env = append(os.Environ(), changeForever+"="+dir)
		var said strings.Builder
		changer.Stderr = &said
		before, _ := os.Readlink(link)
		if err := changer.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { now, err := os.Readlink(link); return err == nil && now != before })
		<-time.After(time.Duration(rand.IntN(120)) * time.Millisecond) // an instant that no event announces
		if err := changer.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := changer.Wait(); err == nil || strings.Contains(said.String(), "panic") {
			t.Fatalf("it ended by itself: %v\n%s", err, &said)
		}
		s := mustOpen(t, filepath.Join(dir, "repo"))
		checkTidy(t, s.dir)
		checkServed(t, s, round)
	}
}

// checkServed follows every checksum from the indexes of all channels to the packages.
func checkServed(t *testing.T, s *Store, round int) {
	t.Helper()
	for _, channel := range []string{"dev", "production"} {
		packages := get(t, s, "ours/dists/"+channel+"/main/binary-amd64/Packages").Body.String()
		release := get(t, s, "ours/dists/"+channel+"/Release").Body.String()
		if !strings.Contains(release, sha256Hex([]byte(packages))) {
			t.Errorf("round %d: Release of %s does not know the package list", round, channel)
		}
		listed := 0
		for stanza := range strings.SplitSeq(packages, "\n\n") {
			if stanza == "" {
				continue
			}
			listed++
			if got, want := sha256Hex(get(t, s, "ours/"+fieldOf(stanza, "Filename")).Body.Bytes()), fieldOf(stanza, "SHA256"); got != want {
				t.Errorf("round %d: in %s the package's digest is %s, the list says %s", round, channel, got, want)
			}
		}
		if got := len(strings.Fields(namesOf(t, s, "ours", channel))); got != listed {
			t.Errorf("round %d: %s lists %d packages, its snapshot has %d", round, channel, listed, got)
		}
	}
}

func TestAFullDiskLeavesTheChannelAsItWas(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot make a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := mustOpen(t, dir)
	mustCreate(t, s, "ours", Apt)
	mustAdd(t, s, "ours", "", sample{name: "tool", version: "1.0", arch: "amd64"})
	release := get(t, s, "ours/dists/stable/InRelease").Body.String()

	large := sample{name: "tool", version: "1.1", arch: "amd64", content: random(2 << 20)}.build(t, Apt)
	if _, err := tryUpload(t.Context(), s, "ours", "", uploads{{"tool.deb", large}}); !errors.Is(err, ErrFull) {
		t.Errorf("an upload that has no room: %v", err)
	}
	checkTidy(t, dir)
	// Now at every later step: there is a little more room each time, until there is enough.
	filled, failures := filepath.Join(dir, "filled"), 0
	small := sample{name: "tool", version: "1.2", arch: "amd64"}.build(t, Apt)
	for room := 0; ; room += 4 << 10 {
		fill(t, filled, dir, room)
		_, err := tryUpload(t.Context(), s, "ours", "", uploads{{"tool.deb", small}})
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
		if got := namesOf(t, s, "ours", Stable); got != "tool=1.0" || get(t, s, "ours/dists/stable/InRelease").Body.String() != release {
			t.Fatalf("with %d bytes left the channel has %s", room, got)
		}
	}
	if failures < 5 {
		t.Errorf("the disk was full %d times only", failures)
	}
	if got := namesOf(t, s, "ours", Stable); got != "tool=1.2 tool=1.0" {
		t.Errorf("with enough room the channel has %s", got)
	}
	checkTidy(t, dir)
}

// random is text that does not compress.
func random(size int) string {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	return string(data)
}

// fill leaves about room bytes free on the disk of dir.
func fill(t *testing.T, file, dir string, room int) {
	t.Helper()
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	free := int(stat.Bavail) * int(stat.Bsize)
	if err := os.WriteFile(file, make([]byte, max(0, free-room)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is left over of superseded publications takes room; it must neither undo a publication nor stop a start.
func TestWhatCannotBeRemovedStopsNoPublication(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "ours", Apt)
	stuck := filepath.Join(dir, repositoriesDir, "ours", channelsDir, Stable, publicationsDir, "stuck")
	mustWrite(t, filepath.Join(stuck, "file"), "")
	if err := syscall.Mount("tmpfs", stuck, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot make a directory that cannot be removed: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(stuck, syscall.MNT_DETACH) })
	mustAdd(t, s, "ours", "", sample{name: "tool", version: "1.0", arch: "amd64"})
	s = mustOpen(t, dir)
	if got := namesOf(t, s, "ours", Stable); got != "tool=1.0" {
		t.Errorf("after a start the channel has %q", got)
	}
}

// The instant between the making of a link and its renaming is too short to be met by chance.
func TestALinkThatWasToBeIsRemoved(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "ours", Apt)
	mustAdd(t, s, "ours", "", sample{name: "tool", version: "1.0", arch: "amd64"})
	channel := filepath.Join(dir, repositoriesDir, "ours", channelsDir, Stable)
	if err := os.Symlink(filepath.Join(publicationsDir, "00000009"), filepath.Join(channel, unfinished+currentLink)); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir)
	checkTidy(t, dir)
	if got := namesOf(t, s, "ours", Stable); got != "tool=1.0" {
		t.Errorf("the channel has %s", got)
	}
}
