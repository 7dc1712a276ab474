package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/repo/upstream/upstreamtest"
)

// noPause tries again at once.
func noPause(ctx context.Context, _ int) error { return ctx.Err() }

func newClient(t *testing.T, allow []netip.Prefix) *Client {
	t.Helper()
	c, err := NewClient(Options{Allow: allow, Pause: noPause})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func keyring(t *testing.T, armored []byte) *Keyring {
	t.Helper()
	keys, err := ReadKeys(string(armored), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func reader(t *testing.T, u *upstreamtest.Upstream, kind string) *Reader {
	t.Helper()
	r := &Reader{
		Client: newClient(t, upstreamtest.Loopback), Keys: keyring(t, u.Key.PublicArmored()), Dir: t.TempDir(), Now: time.Now,
		Source: Source{Kind: kind, URL: u.URL, Trust: TrustIndex},
	}
	if kind == Apt {
		r.Source.Suite = "stable"
	}
	return r
}

func mustRead(t *testing.T, r *Reader) *Index {
	t.Helper()
	ix, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(r.Dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left over (%v)", left, err)
	}
	return ix
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) || p.Code != code {
		t.Errorf("got %v, want a problem %s", err, code)
	}
}

func namesOf(packages []*Package) string {
	var all []string
	for _, p := range packages {
		all = append(all, p.Name+"="+p.Version+"/"+p.Arch)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func choose(t *testing.T, ix *Index, f Filter) *Choice {
	t.Helper()
	c, err := ix.Choose(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func someDebs(u *upstreamtest.Upstream) {
	u.Add(
		upstreamtest.Package{Name: "web", Version: "1.0", Arch: "amd64", Depends: []string{"libweb (>= 1.0)", "mail-transport-agent", "gone | base"}, Weak: []string{"doc"}},
		upstreamtest.Package{Name: "web", Version: "2.0", Arch: "amd64", Depends: []string{"libweb (= 1.0)", "mail-transport-agent", "nowhere"}, Weak: []string{"doc"}},
		upstreamtest.Package{Name: "libweb", Version: "1.0", Arch: "amd64", Depends: []string{"base (>> 1)"}},
		upstreamtest.Package{Name: "libweb", Version: "1.5", Arch: "amd64"},
		upstreamtest.Package{Name: "postfix", Version: "3", Arch: "amd64", Provides: []string{"mail-transport-agent"}},
		upstreamtest.Package{Name: "exim", Version: "4", Arch: "amd64", Provides: []string{"mail-transport-agent"}},
		upstreamtest.Package{Name: "base", Version: "1", Arch: "all"},
		upstreamtest.Package{Name: "base", Version: "2", Arch: "all"},
		upstreamtest.Package{Name: "doc", Version: "1", Arch: "all"},
		upstreamtest.Package{Name: "other", Version: "1", Arch: "arm64"},
	)
	u.Index("amd64", "arm64")
}

func TestAptChoice(t *testing.T) {
	u := upstreamtest.New(t, Apt)
	someDebs(u)
	ix := mustRead(t, reader(t, u, Apt))
	if len(ix.Packages) != 10 || ix.Date.IsZero() {
		t.Fatalf("%d packages of %s: %s", len(ix.Packages), ix.Date, namesOf(ix.Packages))
	}
	for name, c := range map[string]struct {
		filter    Filter
		want      string
		missing   string
		unmatched string
	}{
		"all":            {Filter{Newest: 1}, "base=2/all doc=1/all exim=4/amd64 libweb=1.5/amd64 other=1/arm64 postfix=3/amd64 web=2.0/amd64", "", ""},
		"newest":         {Filter{Packages: []string{"web"}, Newest: 1}, "base=2/all exim=4/amd64 libweb=1.0/amd64 web=2.0/amd64", "web: nowhere", ""},
		"version":        {Filter{Packages: []string{"web = 1.0"}}, "base=2/all exim=4/amd64 libweb=1.5/amd64 web=1.0/amd64", "", ""},
		"chosen already": {Filter{Packages: []string{"postfix", "web < 2"}}, "base=2/all libweb=1.5/amd64 postfix=3/amd64 web=1.0/amd64", "", ""},
		"excluded":       {Filter{Packages: []string{"web<2"}, Exclude: []string{"exim", "base>1"}}, "base=1/all libweb=1.5/amd64 postfix=3/amd64 web=1.0/amd64", "", ""},
		"recommended":    {Filter{Packages: []string{"web<2"}, Recommended: true}, "base=2/all doc=1/all exim=4/amd64 libweb=1.5/amd64 web=1.0/amd64", "", ""},
		"alone":          {Filter{Packages: []string{"web"}, Alone: true, Newest: 1}, "web=2.0/amd64", "", ""},
		"unmatched":      {Filter{Packages: []string{"doc", "nothing*"}}, "doc=1/all", "", "nothing*"},
	} {
		t.Run(name, func(t *testing.T) {
			got := choose(t, ix, c.filter)
			if names := namesOf(got.Packages); names != c.want {
				t.Errorf("chose %s\nwant  %s", names, c.want)
			}
			if missing := strings.Join(got.Missing, ";"); missing != c.missing {
				t.Errorf("missing %q, want %q", missing, c.missing)
			}
			if unmatched := strings.Join(got.Unmatched, ";"); unmatched != c.unmatched {
				t.Errorf("unmatched %q, want %q", unmatched, c.unmatched)
			}
		})
	}
	r := reader(t, u, Apt)
	r.Source.Architectures = []string{"arm64"}
	if names := namesOf(mustRead(t, r).Packages); names != "base=1/all base=2/all doc=1/all other=1/arm64" {
		t.Errorf("for arm64 there are %s", names)
	}
}

func TestYumChoice(t *testing.T) {
	u := upstreamtest.New(t, Yum)
	u.Add(
		upstreamtest.Package{Name: "web", Version: "1.0", Arch: "amd64", Depends: []string{"libweb.so.1", "/opt/deep/tool", "(crypto-a or crypto-b)", "(lang if langpacks)"}},
		upstreamtest.Package{Name: "libweb", Version: "1", Arch: "amd64", Provides: []string{"libweb.so.1"}, Depends: []string{"/usr/bin/runner"}},
		upstreamtest.Package{Name: "tool", Version: "1", Arch: "all", Files: []string{"/opt/deep/tool"}},
		upstreamtest.Package{Name: "runner", Version: "1", Arch: "amd64", Files: []string{"/usr/bin/runner"}},
		upstreamtest.Package{Name: "crypto-b", Version: "1", Arch: "amd64"},
		upstreamtest.Package{Name: "lang", Version: "1", Arch: "amd64"},
		upstreamtest.Package{Name: "unneeded", Version: "1", Arch: "amd64", Depends: []string{"(a nor b)"}},
	)
	u.Index()
	ix := mustRead(t, reader(t, u, Yum))
	got := choose(t, ix, Filter{Packages: []string{"web"}})
	want := "crypto-b=1-1/x86_64 lang=1-1/x86_64 libweb=1-1/x86_64 runner=1-1/x86_64 tool=1-1/noarch web=1.0-1/x86_64"
	if names := namesOf(got.Packages); names != want || len(got.Missing) > 0 {
		t.Errorf("chose %s\nwant  %s\nmissing %v", names, want, got.Missing)
	}
	got = choose(t, ix, Filter{Packages: []string{"unneeded"}})
	if len(got.Missing) != 1 || !strings.Contains(got.Missing[0], `cannot understand the dependency "(a nor b)"`) {
		t.Errorf("missing is %q", got.Missing)
	}
}

// TestOtherMakersOfRepositories reads what reprepro makes.
func TestOtherMakersOfRepositories(t *testing.T) {
	if _, err := exec.LookPath("reprepro"); err != nil {
		t.Skip("reprepro is not installed: what it makes goes untested")
	}
	u := upstreamtest.New(t, Apt)
	u.Add(upstreamtest.Package{Name: "web", Version: "1:1.0~rc1", Arch: "amd64", Depends: []string{"base"}}, upstreamtest.Package{Name: "base", Version: "2", Arch: "all"})
	debs, err := filepath.Glob(filepath.Join(u.Dir, "pool", "*"))
	if err != nil || len(debs) != 2 {
		t.Fatal(debs, err)
	}
	u.Write("conf/distributions", []byte("Codename: stable\nComponents: main contrib\nArchitectures: amd64\n"))
	for _, deb := range debs {
		command := exec.CommandContext(t.Context(), "reprepro", "-b", u.Dir, "includedeb", "stable", deb)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	u.Release(u.Read("dists/stable/Release"))
	if names := namesOf(mustRead(t, reader(t, u, Apt)).Packages); names != "base=2/all web=1:1.0~rc1/amd64" {
		t.Errorf("there are %s", names)
	}
}

func TestHostileIndexes(t *testing.T) {
	page := func(w http.ResponseWriter, kind string) bool {
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>Please log in</body></html>")
		return true
	}
	for name, c := range map[string]struct {
		kind string
		do   func(u *upstreamtest.Upstream, r *Reader)
		code string
	}{
		"a page": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			u.Hook(func(w http.ResponseWriter, _ *http.Request) bool { return page(w, "text/html; charset=utf-8") })
		}, CodePage},
		"a page that says it is text": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			u.Hook(func(w http.ResponseWriter, _ *http.Request) bool { return page(w, "text/plain") })
		}, CodePage},
		"a page instead of repomd": {Yum, func(u *upstreamtest.Upstream, _ *Reader) {
			u.Hook(func(w http.ResponseWriter, _ *http.Request) bool { return page(w, "application/xml") })
		}, CodePage},
		"no signature": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			u.Hook(func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "/InRelease") || strings.HasSuffix(r.URL.Path, ".gpg") {
					http.NotFound(w, r)
					return true
				}
				return false
			})
		}, CodeUnsigned},
		"unsigned text as InRelease": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			u.Write("dists/stable/InRelease", u.Read("dists/stable/Release"))
		}, CodeUnsigned},
		"another key": {Apt, func(u *upstreamtest.Upstream, r *Reader) {
			r.Keys = keyring(t, upstreamtest.Stranger().PublicArmored())
		}, CodeSignature},
		"changed behind its signature": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			text := strings.Replace(string(u.Read("dists/stable/InRelease")), "Suite: stable", "Suite: Stable", 1)
			u.Write("dists/stable/InRelease", []byte(text))
		}, CodeSignature},
		"another key for repomd": {Yum, func(u *upstreamtest.Upstream, r *Reader) {
			r.Keys = keyring(t, upstreamtest.Stranger().PublicArmored())
		}, CodeSignature},
		"no signature of repomd": {Yum, func(u *upstreamtest.Upstream, _ *Reader) {
			u.Hook(func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, ".asc") {
					http.NotFound(w, r)
					return true
				}
				return false
			})
		}, CodeUnsigned},
		"a list that is not the signed one": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			data := u.Read("dists/stable/main/binary-amd64/Packages.xz")
			data[len(data)/2] ^= 1
			u.Write("dists/stable/main/binary-amd64/Packages.xz", data)
		}, CodeChanged},
		"a list that is longer": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			u.Write("dists/stable/main/binary-amd64/Packages.xz", append(u.Read("dists/stable/main/binary-amd64/Packages.xz"), 0))
		}, CodeChanged},
		"a list that breaks off": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			u.Write("dists/stable/main/binary-amd64/Packages.xz", u.Read("dists/stable/main/binary-amd64/Packages.xz")[:50])
		}, CodeRefused}, // a real server has no bytes behind the end: 416
		"out of date": {Apt, func(u *upstreamtest.Upstream, r *Reader) {
			u.Release(append(u.Read("dists/stable/Release"), "Valid-Until: Sat, 01 Jan 2022 00:00:00 UTC\n"...))
		}, CodeExpired},
		"no such architecture": {Apt, func(_ *upstreamtest.Upstream, r *Reader) { r.Source.Architectures = []string{"sparc"} }, CodeLacking},
		"no such suite":        {Apt, func(_ *upstreamtest.Upstream, r *Reader) { r.Source.Suite = "gone" }, CodeMissing},
		"a path that leads out": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			list := strings.Replace(string(u.Read("dists/stable/main/binary-amd64/Packages")), "Filename: pool/", "Filename: ../../", 1)
			relist(t, u, list)
		}, CodeUnreadable},
		"no checksum": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			list := strings.Replace(string(u.Read("dists/stable/main/binary-amd64/Packages")), "SHA256:", "X-SHA256:", 1)
			relist(t, u, strings.Replace(list, "SHA512:", "X-SHA512:", 1))
		}, CodeUnreadable},
		"a server that fails": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			u.Hook(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
		}, CodeUnreachable},
		"a server that refuses": {Apt, func(u *upstreamtest.Upstream, _ *Reader) {
			u.Hook(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusForbidden); return true })
		}, CodeRefused},
	} {
		t.Run(name, func(t *testing.T) {
			u := upstreamtest.New(t, c.kind)
			u.Add(upstreamtest.Package{Name: "web", Version: "1.0", Arch: "amd64"})
			u.Index()
			r := reader(t, u, c.kind)
			mustRead(t, r) // it is good before
			c.do(u, r)
			_, err := r.Read(t.Context())
			wantCode(t, err, c.code)
		})
	}
}

// relist signs another list of packages.
func relist(t *testing.T, u *upstreamtest.Upstream, list string) {
	t.Helper()
	for _, name := range []string{"Packages.xz", "Packages.gz"} {
		if err := os.Remove(filepath.Join(u.Dir, "dists/stable/main/binary-amd64", name)); err != nil {
			t.Fatal(err)
		}
	}
	u.Write("dists/stable/main/binary-amd64/Packages", []byte(list))
	sum := Sum{Kind: "sha256"}.hash()
	_, _ = io.WriteString(sum, list)
	u.Release(fmt.Appendf(nil, "Suite: stable\nComponents: main\nArchitectures: amd64\nSHA256:\n %x %d main/binary-amd64/Packages\n", sum.Sum(nil), len(list)))
}

func TestAnExpiredIndexCanBeAllowed(t *testing.T) {
	u := upstreamtest.New(t, Apt)
	someDebs(u)
	u.Release(append(u.Read("dists/stable/Release"), "Valid-Until: Sat, 01 Jan 2022 00:00:00 UTC\n"...))
	r := reader(t, u, Apt)
	r.Source.Expired = true
	if ix := mustRead(t, r); len(ix.Packages) != 10 {
		t.Errorf("%d packages", len(ix.Packages))
	}
}

// TestAnIndexThatChangesWhileItIsRead is read anew: the list that the first Release names is gone when it is asked for.
func TestAnIndexThatChangesWhileItIsRead(t *testing.T) {
	u := upstreamtest.New(t, Apt)
	someDebs(u)
	changed := false
	u.Hook(func(_ http.ResponseWriter, r *http.Request) bool {
		if !changed && strings.HasSuffix(r.URL.Path, "Packages.xz") {
			changed = true
			u.Hook(nil)
			u.Add(upstreamtest.Package{Name: "new", Version: "1", Arch: "amd64"})
			u.Index("amd64", "arm64")
		}
		return false
	})
	if ix := mustRead(t, reader(t, u, Apt)); len(ix.Packages) != 11 || !changed {
		t.Errorf("there are %s, changed is %t", namesOf(ix.Packages), changed)
	}
}
