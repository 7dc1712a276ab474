package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/space"
	checked "hostler/internal/archive"
)

// member is one entry of a test's archive.
type member struct {
	name string
	text string
	link string
	typ  byte // of tar; 0 is a file
	mode int64
}

func tarball(t testing.TB, members ...member) *os.File {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: m.typ, Linkname: m.link, Size: int64(len(m.text)), Mode: m.mode}
		if m.typ == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, m.text)
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return toFile(t, b.Bytes())
}

func zipball(t testing.TB, members ...member) *os.File {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		mode, text := fs.FileMode(m.mode), m.text
		switch m.typ {
		case tar.TypeSymlink:
			mode, text = mode|fs.ModeSymlink, m.link
		case tar.TypeDir:
			mode |= fs.ModeDir
		case tar.TypeChar:
			mode |= fs.ModeDevice | fs.ModeCharDevice
		}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return toFile(t, b.Bytes())
}

func toFile(t testing.TB, content []byte) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "archive")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	return f
}

func list(t testing.TB, dir string) string {
	t.Helper()
	var all []string
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			t.Fatal(err)
		}
		if name, _ := filepath.Rel(dir, path); name != "." {
			all = append(all, name)
		}
		return nil
	})
	return strings.Join(all, " ")
}

func TestUnpack(t *testing.T) {
	members := []member{
		{name: "./", typ: tar.TypeDir, mode: 0o700},
		{name: "./bin/", typ: tar.TypeDir, mode: 0o700},
		{name: "./bin/run", text: "#!/bin/sh\n", mode: 0o6777},
		{name: "etc/deep/conf", text: "x", mode: 0o600},
		{name: "lib/current", link: "../bin/run", typ: tar.TypeSymlink},
		{name: "here", link: ".", typ: tar.TypeSymlink},
	}
	for name, f := range map[string]*os.File{
		"tar.gz": tarball(t, append(members, member{name: "bin/same", link: "./bin/run", typ: tar.TypeLink})...),
		"zip":    zipball(t, append(members[1:], member{name: "bin/same", text: "#!/bin/sh\n", mode: 0o755})...),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := Unpack(t.Context(), f, dir); err != nil {
				t.Fatal(err)
			}
			if got := list(t, dir); got != "bin bin/run bin/same etc etc/deep etc/deep/conf here lib lib/current" {
				t.Errorf("unpacked %s", got)
			}
			for path, want := range map[string]fs.FileMode{"bin/run": 0o755, "etc/deep/conf": 0o600, "bin": fs.ModeDir | 0o755} {
				if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode() != want {
					t.Errorf("%s: mode %v, want %v, %v", path, info.Mode(), want, err)
				}
			}
			if text, err := os.ReadFile(filepath.Join(dir, "lib/current")); err != nil || string(text) != "#!/bin/sh\n" {
				t.Errorf("through the link: %q, %v", text, err)
			}
		})
	}
}

// hostile are archives that must be refused whatever their format is.
var hostile = map[string][]member{
	"a path that leads out":              {{name: "ok"}, {name: "../evil"}},
	"a path that leads out in the midst": {{name: "a/../../evil"}},
	"an absolute path":                   {{name: "/etc/evil"}},
	"a link that leads out":              {{name: "a/l", link: "../../evil", typ: tar.TypeSymlink}},
	"an absolute link":                   {{name: "l", link: "/etc", typ: tar.TypeSymlink}},
	"a link that leads out by another":   {{name: "a/b/up", link: "../..", typ: tar.TypeSymlink}, {name: "l", link: "a/b/up/../x", typ: tar.TypeSymlink}},
	"a file through a link":              {{name: "l", link: "d", typ: tar.TypeSymlink}, {name: "l/evil"}},
	"a file that becomes a directory":    {{name: "f"}, {name: "f/evil"}},
	"a directory that becomes a link":    {{name: "d/f"}, {name: "d", link: "e", typ: tar.TypeSymlink}},
	"a name twice":                       {{name: "f", text: "1"}, {name: "./f", text: "2"}},
	"a device":                           {{name: "dev", typ: tar.TypeChar}},
	"a control character":                {{name: "a\nb"}},
	"a backslash":                        {{name: `..\evil`}},
	"a long name":                        {{name: strings.Repeat("x/", 600) + "x"}},
	"a long element":                     {{name: strings.Repeat("x", 256)}},
	"an empty link":                      {{name: "l", link: "", typ: tar.TypeSymlink}},
}

func TestHostileArchivesAreRefusedAndLeaveNothing(t *testing.T) {
	for name, members := range hostile {
		for format, f := range map[string]*os.File{"tar.gz": tarball(t, members...), "zip": zipball(t, members...)} {
			refused(t, name+" "+format, f, checked.DefaultBounds)
		}
	}
	refused(t, "a hard link out", tarball(t, member{name: "l", link: "../../etc/passwd", typ: tar.TypeLink}), checked.DefaultBounds)
	refused(t, "a hard link to a link", tarball(t, member{name: "s", link: "x", typ: tar.TypeSymlink}, member{name: "l", link: "s", typ: tar.TypeLink}), checked.DefaultBounds)
	refused(t, "a pipe", tarball(t, member{name: "p", typ: tar.TypeFifo}), checked.DefaultBounds)
	refused(t, "no archive", toFile(t, []byte("hello")), checked.DefaultBounds)
	refused(t, "nothing", toFile(t, nil), checked.DefaultBounds)
	refused(t, "gzip of no tar", toFile(t, gzipped([]byte(strings.Repeat("hello", 1000)))), checked.DefaultBounds)
	whole := tarball(t, member{name: "f", text: strings.Repeat("x", 100_000)})
	content, _ := os.ReadFile(whole.Name())
	refused(t, "half an archive", toFile(t, content[:len(content)/2]), checked.DefaultBounds)
}

func gzipped(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(content)
	w.Close()
	return b.Bytes()
}

func refused(t *testing.T, name string, f *os.File, bounds checked.Bounds) {
	t.Helper()
	parent := t.TempDir()
	dir := filepath.Join(parent, "dir")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	err := unpack(t.Context(), f, dir, bounds)
	if !errors.Is(err, checked.ErrRefused) {
		t.Errorf("%s: got %v", name, err)
	}
	if got := list(t, parent); got != "dir" {
		t.Errorf("%s: left %s", name, got)
	}
}

func TestBombs(t *testing.T) {
	zeros := strings.Repeat("\x00", 30<<20)
	for format, f := range map[string]*os.File{"tar.gz": tarball(t, member{name: "zeros", text: zeros}), "zip": zipball(t, member{name: "zeros", text: zeros})} {
		refused(t, format+" by its ratio", f, checked.Bounds{Bytes: 1 << 30, Count: 10, Names: 1 << 20, Ratio: 200})
		refused(t, format+" by its size", f, checked.Bounds{Bytes: 20 << 20, Count: 10, Names: 1 << 20, Ratio: 1 << 20})
	}
	many := make([]member, 200)
	for i := range many {
		many[i].name = strings.Repeat("d/", i) + "f"
	}
	refused(t, "by its count", tarball(t, many...), checked.Bounds{Bytes: 1 << 20, Count: 199, Names: 1 << 20, Ratio: 200})
}

func TestAFullDiskIsSeenBeforeAnythingIsWritten(t *testing.T) {
	dir := agenttest.SmallDisk(t, "8m")
	random := make([]byte, 9<<20)
	for i := range random {
		random[i] = byte(i * i >> 3)
	}
	err := Unpack(t.Context(), tarball(t, member{name: "f", text: string(random)}), dir)
	if !space.IsFull(err) || list(t, dir) != "" {
		t.Errorf("got %v, left %q", err, list(t, dir))
	}
}

func TestUnpackEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	if err := Unpack(ctx, tarball(t, member{name: "f", text: "x"}), t.TempDir()); !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
}

func TestPackAndUnpack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	for path, text := range map[string]string{"a/b/f": "one", "g": strings.Repeat("two", 1000)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a/b/f", filepath.Join(dir, "l")); err != nil {
		t.Fatal(err)
	}
	if err := agenttest.Pipe(filepath.Join(dir, "pipe")); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	left, err := Pack(t.Context(), dir, &packed)
	if err != nil || left != 1 {
		t.Fatalf("%d left out, %v", left, err)
	}
	to := t.TempDir()
	if err := Unpack(t.Context(), toFile(t, packed.Bytes()), to); err != nil {
		t.Fatal(err)
	}
	if got := list(t, to); got != "tree tree/a tree/a/b tree/a/b/f tree/g tree/l" {
		t.Errorf("unpacked %s", got)
	}
	if text, _ := os.ReadFile(filepath.Join(to, "tree/l")); string(text) != "one" {
		t.Errorf("through the link: %q", text)
	}
}

func TestAFileThatGrowsOrShrinksIsToldOf(t *testing.T) {
	for name, size := range map[string]int64{"grows": 20, "shrinks": 5} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, _ := f.Stat()
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if err := CopyWhole(io.Discard, f, info); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	for _, members := range hostile {
		for _, file := range []*os.File{tarball(f, members...), zipball(f, members...)} {
			content, _ := os.ReadFile(file.Name())
			f.Add(content)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "dir")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = unpack(t.Context(), toFile(t, content), dir, checked.Bounds{Bytes: 1 << 20, Count: 100, Names: 1 << 20, Ratio: 100})
		entries, _ := os.ReadDir(parent)
		if len(entries) != 1 {
			t.Errorf("it wrote outside: %v", entries)
		}
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type()&fs.ModeSymlink != 0 {
				if target, err := filepath.EvalSymlinks(path); err == nil && target != dir && !strings.HasPrefix(target, dir+"/") {
					t.Errorf("%s leads to %s", path, target)
				}
			}
			return nil
		})
	})
}
