package repo

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// exported is a snapshot as a bundle.
func exported(t *testing.T, s *Store, number, since int) []byte {
	t.Helper()
	b, err := s.Export("ours", number, since)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var out bytes.Buffer
	if err := b.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != b.Size {
		t.Errorf("the bundle has %d bytes and says %d", out.Len(), b.Size)
	}
	return out.Bytes()
}

// otherServer has a key of its own; those that mustOpen opens share one.
func otherServer(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryImport(t *testing.T, s *Store, key string, bundle []byte) (*Imported, error) {
	t.Helper()
	got, err := s.Import(t.Context(), Import{Repository: "theirs", Channel: "carried", Key: key, By: "courier"}, bytes.NewReader(bundle))
	if left, readErr := os.ReadDir(filepath.Join(s.dir, incomingDir)); readErr != nil || len(left) > 0 {
		t.Errorf("%v is left over (%v)", left, readErr)
	}
	return got, err
}

func wantBundleError(t *testing.T, err error, code string) {
	t.Helper()
	var refused *BundleError
	if !errors.As(err, &refused) || refused.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestASnapshotIsCarriedToAnotherServer(t *testing.T) {
	for _, kind := range Kinds {
		t.Run(string(kind), func(t *testing.T) {
			from, to := mustOpen(t, t.TempDir()), otherServer(t)
			mustCreate(t, from, "ours", kind, "dev")
			mustCreate(t, to, "theirs", kind, "stable", "carried")
			add := func(name, version string) {
				t.Helper()
				if kind == Archive {
					upload(t, from, "ours", "dev", uploads{{name + "-" + version + ".tar.gz", packed(t, tar.Header{Name: "bin/" + name, Size: 10})}})
				} else {
					mustAdd(t, from, "ours", "dev", sample{name: name, version: version, arch: "amd64"})
				}
			}
			add("first", "1.0")
			add("second", "1.0")
			whole := exported(t, from, 3, 0)
			add("third", "1.0")
			rest := exported(t, from, 4, 3)
			if len(rest) >= len(exported(t, from, 4, 0)) {
				t.Error("the difference is no smaller than all")
			}
			_, err := tryImport(t, to, from.KeyFingerprint(), rest)
			wantBundleError(t, err, "bundle_missing")
			if got := namesOf(t, to, "theirs", "carried"); got != "" {
				t.Errorf("after what was refused there is %s", got)
			}
			_, err = tryImport(t, to, "", whole)
			wantBundleError(t, err, "bundle_signature")

			spaced := strings.ToUpper(from.KeyFingerprint()[:20] + " " + from.KeyFingerprint()[20:])
			got, err := tryImport(t, to, spaced, whole)
			if err != nil || got.Packages != 2 || got.Brought != 2 || got.From != 3 || got.Snapshot != 2 {
				t.Fatalf("imported %+v, %v", got, err)
			}
			got, err = tryImport(t, to, from.KeyFingerprint(), rest)
			if err != nil || got.Packages != 3 || got.Brought != 1 {
				t.Fatalf("imported %+v, %v", got, err)
			}
			if there, here := namesOf(t, to, "theirs", "carried"), namesOf(t, from, "ours", "dev"); there != here {
				t.Errorf("it has %s, want %s", there, here)
			}
			if got, err = tryImport(t, to, from.KeyFingerprint(), rest); err != nil || got.Snapshot != 3 {
				t.Errorf("the same again: %+v, %v", got, err)
			}
			if namesOf(t, to, "theirs", "stable") != "" {
				t.Error("another channel was changed")
			}
		})
	}
}

func TestBundlesThatAreNotTaken(t *testing.T) {
	from, to := mustOpen(t, t.TempDir()), otherServer(t)
	mustCreate(t, from, "ours", Apt, "dev")
	mustCreate(t, to, "theirs", Apt, "stable", "carried")
	p := mustAdd(t, from, "ours", "dev", sample{name: "tool", version: "1.0", arch: "amd64"})
	whole := exported(t, from, 2, 0)
	stranger := to // it has another key than whoever exports
	mustCreate(t, stranger, "ours", Apt, "dev")
	otherKind := mustOpen(t, t.TempDir())
	mustCreate(t, otherKind, "ours", Yum, "dev")
	for name, c := range map[string]struct {
		bundle []byte
		key    string
		code   string
	}{
		"no bundle":          {[]byte("<html>"), from.KeyFingerprint(), "bundle_unreadable"},
		"empty":              {nil, from.KeyFingerprint(), "bundle_unreadable"},
		"another tar":        {retar(t, whole, func(h *tar.Header, data []byte) (*tar.Header, []byte) { h.Name = "x" + h.Name; return h, data }), from.KeyFingerprint(), "bundle_unreadable"},
		"a stranger's":       {exported(t, stranger, 1, 0), from.KeyFingerprint(), "bundle_signature"},
		"another kind":       {exported(t, otherKind, 1, 0), otherKind.KeyFingerprint(), "bundle_kind"},
		"a changed manifest": {retar(t, whole, changeOf(bundleManifest, func(d []byte) []byte { return bytes.Replace(d, []byte("tool"), []byte("evil"), 1) })), from.KeyFingerprint(), "bundle_signature"},
		"another key with its signature": {retar(t, whole, func(h *tar.Header, data []byte) (*tar.Header, []byte) {
			if h.Name == bundleKey {
				data = stranger.PublicKeyArmored()
			}
			return h, data
		}), from.KeyFingerprint(), "bundle_signature"},
		"a changed package": {retar(t, whole, changeOf(bundlePackages+p.Digest, func(d []byte) []byte { d[len(d)/2] ^= 1; return d })), from.KeyFingerprint(), "bundle_changed"},
		"a shorter package": {retar(t, whole, changeOf(bundlePackages+p.Digest, func(d []byte) []byte { return d[1:] })), from.KeyFingerprint(), "bundle_changed"},
		"a package more": {retar(t, whole, func(h *tar.Header, data []byte) (*tar.Header, []byte) {
			if h.Name == bundlePackages+p.Digest {
				h.Name = bundlePackages + "../../../etc/passwd"
			}
			return h, data
		}), from.KeyFingerprint(), "bundle_changed"},
		"a package less": {retar(t, whole, func(h *tar.Header, data []byte) (*tar.Header, []byte) {
			if h.Name == bundlePackages+p.Digest {
				return nil, nil
			}
			return h, data
		}), from.KeyFingerprint(), "bundle_incomplete"},
		"cut off": {whole[:len(whole)-3000], from.KeyFingerprint(), "bundle_unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryImport(t, to, c.key, c.bundle)
			wantBundleError(t, err, c.code)
			if len(to.packages) > 0 || namesOf(t, to, "theirs", "carried") != "" {
				t.Errorf("something was taken: %d packages", len(to.packages))
			}
		})
	}
	var wrong *FieldError
	for _, numbers := range [][2]int{{9, 0}, {2, 9}} {
		if _, err := from.Export("ours", numbers[0], numbers[1]); !errors.As(err, &wrong) || wrong.Code != "no_snapshot" {
			t.Errorf("export of %v: %v", numbers, err)
		}
	}
}

// changeOf changes one file of a bundle.
func changeOf(name string, change func([]byte) []byte) func(*tar.Header, []byte) (*tar.Header, []byte) {
	return func(h *tar.Header, data []byte) (*tar.Header, []byte) {
		if h.Name == name {
			data = change(data)
		}
		return h, data
	}
}

// retar writes a tar again, each file as change has it; without those that it leaves out.
func retar(t *testing.T, data []byte, change func(*tar.Header, []byte) (*tar.Header, []byte)) []byte {
	t.Helper()
	var out bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(data)), tar.NewWriter(&out)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		content, readErr := io.ReadAll(r)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		if h, content = change(h, content); h == nil {
			continue
		}
		h.Size = int64(len(content))
		err = w.WriteHeader(h)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestWhatIsNeededIsNotSwept holds packages that are in no snapshot yet, or no longer.
func TestWhatIsNeededIsNotSwept(t *testing.T) {
	now := time.Now()
	s, err := open(t.TempDir(), slog.New(slog.DiscardHandler), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s, "ours", Apt, "dev")
	f, err := s.Fill("ours", "dev")
	if err != nil {
		t.Fatal(err)
	}
	deb := sample{name: "tool", version: "1.0", arch: "amd64"}.build(t, Apt)
	if err := f.Take(t.Context(), Upload{Name: "tool.deb", Content: bytes.NewReader(deb)}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.packages) != want {
			t.Errorf("%d packages are there, want %d", len(s.packages), want)
		}
		f.Close()
	}
}
