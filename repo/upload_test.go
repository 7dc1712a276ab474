package repo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestABrokenFileIsNamedAndTheRestGoOn(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "ours", Apt, "dev")
	good := sample{name: "good", version: "2.0", arch: "amd64"}.build(t, Apt)
	tail := bytes.Clone(good)
	tail[len(tail)-20] ^= 1
	result := upload(t, s, "ours", "", uploads{
		{"good.deb", good},
		{"cut.deb", good[:len(good)-100]},
		{"changed.deb", tail},
		{"empty.deb", nil},
		{"page\n\x1b[2J.deb", []byte("<!DOCTYPE html><title>Not found</title>")},
		{"other.rpm", sample{name: "other", version: "1", arch: "amd64"}.build(t, Yum)},
		{"good again.deb", good},
		{"changed good.deb", sample{name: "good", version: "2.0", arch: "amd64", content: "another"}.build(t, Apt)},
		{"older.deb", sample{name: "good", version: "1:1.0~rc1", arch: "amd64"}.build(t, Apt)},
		{"old.deb", sample{name: "good", version: "1.9", arch: "amd64"}.build(t, Apt)},
		{"strange.deb", sample{name: "strange", version: "1", arch: "s390x"}.build(t, Apt)},
	})
	for i, want := range []struct{ state, code, warning string }{
		{state: Added},
		{Refused, "unreadable", ""},
		{Refused, "unreadable", ""},
		{Refused, "empty", ""},
		{Refused, "wrong_kind", ""},
		{Refused, "wrong_kind", ""},
		{state: Present},
		{Refused, "conflict", ""},
		{state: Added}, // the epoch makes it newer than all without
		{state: Added, warning: "older"},
		{state: Added, warning: "architecture"},
	} {
		v := result.Files[i]
		warning := ""
		if len(v.Warnings) > 0 {
			warning = v.Warnings[0].Code
		}
		if v.State != want.state || v.Code != want.code || warning != want.warning || (v.State == Refused) != (v.Reason != "") {
			t.Errorf("file %d: %+v, want %+v", i, v, want)
		}
		if strings.ContainsAny(v.File, "\n\x1b") {
			t.Errorf("file %d is named %q", i, v.File)
		}
	}
	if got, want := namesOf(t, s, "ours", "dev"), "good=1:1.0~rc1 good=2.0 good=1.9 strange=1"; got != want {
		t.Errorf("the channel has %s, want %s", got, want)
	}
	if result.Snapshot != 2 || result.Added != 4 {
		t.Errorf("%d files made snapshot %d", result.Added, result.Snapshot)
	}
	if packages := get(t, s, "ours/dists/dev/main/binary-s390x/Packages").Body.String(); !strings.Contains(packages, "Package: strange\n") {
		t.Errorf("a package of another architecture is listed nowhere:\n%s", packages)
	}
	checkTidy(t, s.dir)
}

func TestRPMsAreSignedAnew(t *testing.T) {
	needTool(t, "rpmkeys")
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "ours", Yum)
	content := sample{name: "tool", version: "1.0", arch: "x86_64", depends: []string{"/bin/sh"}}.build(t, Yum)
	result := upload(t, s, "ours", "", uploads{{"tool.rpm", content}})
	v := result.Files[0]
	if v.State != Added || len(v.Warnings) != 1 || v.Warnings[0].Code != "unsigned" {
		t.Fatalf("%+v", v)
	}
	if out := checkSignature(t, s, v.Package); !strings.Contains(out, "Header V4 RSA/SHA256 Signature") || strings.Contains(out, "NOKEY") || strings.Contains(out, "BAD") {
		t.Errorf("rpmkeys says:\n%s", out)
	}
	if again := upload(t, s, "ours", "", uploads{{"tool.rpm", content}}).Files[0]; again.State != Present || again.Package.Digest != v.Package.Digest {
		t.Errorf("the same once more: %+v", again)
	}
	signed := get(t, s, "ours/"+v.Package.Path()).Body.Bytes()
	other := mustOpenOwn(t, t.TempDir())
	mustCreate(t, other, "theirs", Yum)
	if v := upload(t, other, "theirs", "", uploads{{"tool.rpm", signed}}).Files[0]; v.State != Added || len(v.Warnings) > 0 {
		t.Errorf("one that was signed elsewhere: %+v", v)
	}
}

// checkSignature is what rpm, which knows the repository's key only, says of an rpm in the repository "ours".
func checkSignature(t *testing.T, s *Store, p *Package) string {
	t.Helper()
	dir := t.TempDir()
	public, file := filepath.Join(dir, "key.asc"), filepath.Join(dir, p.File)
	mustWrite(t, public, string(s.PublicKeyArmored()))
	mustWrite(t, file, get(t, s, "ours/"+p.Path()).Body.String())
	rpmkeys := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "rpmkeys", append([]string{"--dbpath", filepath.Join(dir, "db")}, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("rpmkeys %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	rpmkeys("--import", public)
	return rpmkeys("--checksig", "--verbose", file)
}

// packed makes a tar.gz of entries.
func packed(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, h := range entries {
		h.Mode = 0o755
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, zeros{}, h.Size); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestArchivesAreLookedThrough(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "agents", Archive, "stable")
	good := packed(t, tar.Header{Name: "bin/", Typeflag: tar.TypeDir}, tar.Header{Name: "bin/basic", Size: 10}, tar.Header{Name: "basic", Typeflag: tar.TypeSymlink, Linkname: "bin/basic"})
	bomb := packed(t, tar.Header{Name: "zeros", Size: 64 << 20})
	result := upload(t, s, "agents", "", uploads{
		{"BasicAgent-1.5.6-linux-amd64.tar.gz", good},
		{"cut-1.tar.gz", good[:len(good)-6]},
		{"up-1.tar.gz", packed(t, tar.Header{Name: "../../etc/passwd", Size: 1})},
		{"root-1.tar.gz", packed(t, tar.Header{Name: "/etc/passwd", Size: 1})},
		{"link-1.tar.gz", packed(t, tar.Header{Name: "x", Typeflag: tar.TypeSymlink, Linkname: "../../etc"})},
		{"device-1.tar.gz", packed(t, tar.Header{Name: "null", Typeflag: tar.TypeChar})},
		{"bomb-1.tar.gz", bomb},
		{"text-1.tar.gz", []byte("text")},
		{"what.tar.xz", good},
		{"../../x-1.tar.gz", packed(t, tar.Header{Name: "y", Size: 2})},
		{"a\x00b-1.tar.gz", good},
	})
	for i, want := range []string{"", "unreadable", "unreadable", "unreadable", "unreadable", "unreadable", "unreadable", "unreadable", "bad_name", "", "bad_name"} {
		if v := result.Files[i]; v.Code != want {
			t.Errorf("%s: %+v, want %q", v.File, v, want)
		}
	}
	p := result.Files[0].Package
	if p.Name != "BasicAgent" || p.Version != "1.5.6" || p.Arch != "amd64" {
		t.Errorf("its name was understood as %+v", p)
	}
	if p := result.Files[9].Package; p.File != "x-1.tar.gz" {
		t.Errorf("a path as a name became %q", p.File)
	}
	for _, path := range []string{"agents/" + p.File, "agents/stable/" + p.File, "agents/" + p.Path()} {
		if got := get(t, s, path).Body.Bytes(); !bytes.Equal(got, good) {
			t.Errorf("%s serves %d bytes, not what was uploaded", path, len(got))
		}
	}
	if sums := get(t, s, "agents/SHA256SUMS").Body.String(); !strings.Contains(sums, p.Digest+"  "+p.File+"\n") {
		t.Errorf("SHA256SUMS:\n%s", sums)
	}
}

func TestOffersAreWhatChannelsServe(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "agents", Archive, "dev", "stable")
	mustCreate(t, s, "debs", Apt)
	version := func(name string, size int64) uploads {
		return uploads{{name + ".tar.gz", packed(t, tar.Header{Name: "run", Size: size})}}
	}
	offers := func(name string) (all []string) {
		for _, o := range s.Offers(name) {
			all = append(all, o.Name+" "+o.Version+" in "+strings.Join(o.Channels, ","))
			if code := get(t, s, o.Path()).Code; code != http.StatusOK {
				t.Errorf("%s answers %d", o.Path(), code)
			}
		}
		return all
	}
	upload(t, s, "agents", "dev", version("gauge-1.9", 9))
	if _, err := s.Promote(t.Context(), "agents", Promotion{Channel: "stable", Snapshot: 2}); err != nil {
		t.Fatal(err)
	}
	ten := upload(t, s, "agents", "dev", version("gauge-1.10", 10)).Files[0].Package
	upload(t, s, "agents", "dev", version("meter-3", 3))
	if got := offers(""); !slices.Equal(got, []string{"gauge 1.10 in dev", "gauge 1.9 in dev,stable", "meter 3 in dev"}) {
		t.Errorf("offered are %q", got)
	}
	mustPublish(t, s, "1.0.0") // the agent, which is none
	if got := offers("meter"); !slices.Equal(got, []string{"meter 3 in dev"}) {
		t.Errorf("of one name are offered %q", got)
	}
	if _, err := s.Drop("agents", "dev", []string{ten.Digest}, "tester"); err != nil {
		t.Fatal(err)
	}
	if got := offers("gauge"); !slices.Equal(got, []string{"gauge 1.9 in dev,stable"}) {
		t.Errorf("after one was dropped, offered are %q", got)
	}
	if got := offers("hostler-agent"); got != nil {
		t.Errorf("the agent is offered: %q", got)
	}
}

// An archive is what its name says; the same content under another one would silently become the former.
func TestContentHasOneName(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "agents", Archive)
	mustCreate(t, s, "others", Archive)
	content := packed(t, tar.Header{Name: "run", Size: 10})
	receive := func(name, version, arch string) *Received {
		t.Helper()
		got, err := s.Receive(t.Context(), "others", Upload{Name: name, Content: bytes.NewReader(content), Version: version, Arch: arch})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	early := receive("late-1.0.tar.gz", "", "") // both are looked through before one is stored
	upload(t, s, "agents", "", uploads{{"tool-1.0.tar.gz", content}})
	all := []*Received{early, receive("tool-1.0.tar.gz", "", ""), receive("tool-2.0.tar.gz", "", ""), receive("tool-1.0.tar.gz", "2.0", ""), receive("tool-1.0.tar.gz", "", "arm64")}
	result, err := s.Commit(t.Context(), "others", "", all, "tester")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"stored_otherwise", "", "stored_otherwise", "stored_otherwise", "stored_otherwise"} {
		if v := result.Files[i]; v.Code != want || want != "" && !strings.Contains(v.Reason, "tool-1.0.tar.gz") {
			t.Errorf("file %d: %+v, want %q", i, v, want)
		}
	}
	if got := namesOf(t, s, "others", Stable); got != "tool=1.0" {
		t.Errorf("there is %s", got)
	}
	checkTidy(t, s.dir)
}

func TestDetailsOfPackages(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "debs", Apt)
	mustCreate(t, s, "rpms", Yum)
	for _, repository := range []string{"debs", "rpms"} {
		p := mustAdd(t, s, repository, "", sample{name: "tool", version: "1.0", arch: "all", depends: []string{"bash"}})
		d, err := s.Detail(p.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Files) != 1 || d.Files[0] != "/usr/share/tool/content" || len(d.Requires) != 1 || d.Requires[0] != "bash" ||
			d.Description != "A package for tests\nthat has two lines." || p.Summary != "A package for tests" {
			t.Errorf("%s: %+v, %+v", repository, p, d)
		}
	}
}

func TestAnInterruptedUploadLeavesNothing(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "ours", Apt)
	broken := errors.New("the connection is gone")
	content := io.MultiReader(strings.NewReader("!<arch>\n"), readerFunc(func([]byte) (int, error) { return 0, broken }))
	if _, err := s.Receive(t.Context(), "ours", Upload{Name: "x.deb", Content: content}); !errors.Is(err, broken) {
		t.Errorf("the upload ended with %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	deb := sample{name: "x", version: "1", arch: "amd64"}.build(t, Apt)
	if _, err := tryUpload(ctx, s, "ours", "", uploads{{"x.deb", deb}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled upload ended with %v", err)
	}
	checkTidy(t, s.dir)
	if _, err := s.Receive(t.Context(), "nowhere", Upload{Name: "x.deb"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown repository: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Join(s.dir, packagesDir)); err != nil || len(entries) > 0 {
		t.Errorf("stored: %v, %v", entries, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
