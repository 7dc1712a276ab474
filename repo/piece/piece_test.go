package piece

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz"
)

func digestOf(i int) string { return fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, i))) }

// list joins the pieces of digests, and counts those that had to be made.
func list(t *testing.T, c *Cache, digests []string) (plain, gz, packed []byte, made int) {
	t.Helper()
	var outs [3]bytes.Buffer
	pieces := func(yield func(Piece, error) bool) {
		for _, run := range Cut(digests) {
			p, err := c.Get(Key("test", run), true, func() ([]byte, error) {
				made++
				return []byte(strings.Join(run, "\n") + "\n"), nil
			})
			if !yield(p, err) {
				return
			}
		}
	}
	if err := Join(pieces, &outs[0], &outs[1], &outs[2]); err != nil {
		t.Fatal(err)
	}
	return outs[0].Bytes(), outs[1].Bytes(), outs[2].Bytes(), made
}

func TestJoinedPiecesAreOneFile(t *testing.T) {
	c := NewCache(t.TempDir(), t.TempDir(), time.Now)
	var digests []string
	for i := range 1000 {
		digests = append(digests, digestOf(i))
	}
	plain, gz, packed, made := list(t, c, digests)
	if made < 200 || bytes.Count(plain, []byte("\n")) != 1000 {
		t.Errorf("%d pieces, %d lines", made, bytes.Count(plain, []byte("\n")))
	}
	r, err := xz.ReaderConfig{SingleStream: true}.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || !bytes.Equal(text, plain) {
		t.Errorf("unpacked %d bytes of %d, %v", len(text), len(plain), err)
	}
	for tool, data := range map[string][]byte{"gzip": gz, "xz": packed} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("%s is not installed: its view goes untested", tool)
			continue
		}
		command := exec.CommandContext(t.Context(), tool, "-dc")
		command.Stdin = bytes.NewReader(data)
		if text, err := command.Output(); err != nil || !bytes.Equal(text, plain) {
			t.Errorf("%s unpacks %d bytes of %d, %v", tool, len(text), len(plain), err)
		}
	}
	if _, _, _, made := list(t, c, append(digests, digestOf(1000))); made != 1 {
		t.Errorf("one more makes %d pieces, want 1", made)
	}
	if _, _, _, made := list(t, c, digests[1:]); made != 1 {
		t.Errorf("one less makes %d pieces, want 1", made)
	}
}

func TestAnEmptyListIsOneFile(t *testing.T) {
	var plain, gz, packed bytes.Buffer
	err := Join(func(yield func(Piece, error) bool) { yield(Make(nil, true)) }, &plain, &gz, &packed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := xz.NewReader(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || len(text) > 0 || plain.Len() > 0 {
		t.Errorf("unpacked %q, %v", text, err)
	}
}

func TestADamagedPieceIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	clock := time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC) // not the disk's
	unfinished := t.TempDir()
	c := NewCache(dir, unfinished, func() time.Time { return clock })
	digests := []string{digestOf(1)}
	want, _, _, _ := list(t, c, digests)
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(whole)
	changed[len(changed)/2] ^= 1
	for name, data := range map[string][]byte{"empty": {}, "cut": whole[:len(whole)-1], "changed": changed, "head only": whole[:headSize]} {
		if err := os.WriteFile(files[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _, _, made := list(t, c, digests); made != 1 || !bytes.Equal(got, want) {
			t.Errorf("%s: %d made, %q", name, made, got)
		}
	}
	if left, err := os.ReadDir(unfinished); err != nil || len(left) > 0 {
		t.Errorf("unfinished are %v, %v", left, err)
	}
	sweep := func(since time.Duration, want int) {
		t.Helper()
		if err := c.Sweep(clock.Add(-since)); err != nil {
			t.Fatal(err)
		}
		if _, _, _, made := list(t, c, digests); made != want {
			t.Errorf("swept to %s before, %d were made, want %d", since, made, want)
		}
	}
	sweep(time.Hour, 0)
	clock = clock.Add(2 * time.Hour)
	list(t, c, digests) // it is used
	sweep(time.Hour, 0)
	clock = clock.Add(2 * time.Hour)
	sweep(time.Hour, 1)
	if err := NewCache(filepath.Join(dir, "never"), unfinished, time.Now).Sweep(time.Now()); err != nil {
		t.Error(err)
	}
}

func TestJoinTellsWhatIsNoXZ(t *testing.T) {
	good, err := Make([]byte("text"), true)
	if err != nil {
		t.Fatal(err)
	}
	for name, stream := range map[string][]byte{
		"nothing": nil, "short": []byte("YZ"), "no footer": bytes.Repeat([]byte{7}, 100), "no index": append(bytes.Repeat([]byte{0xff}, 60), good.XZ[len(good.XZ)-12:]...),
	} {
		var j xzJoin
		if err := j.add(io.Discard, stream); !errors.Is(err, errNoStream) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
