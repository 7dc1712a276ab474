// Package upstreamtest makes real repositories, with the tools of others, for tests of what reads them.
package upstreamtest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"

	reporpm "hostler/repo/rpm"
	"hostler/repo/sign"
)

// Package is one that an upstream has.
type Package struct {
	Name, Version, Arch     string // Arch in Go's words, or all
	Depends, Provides, Weak []string
	Files                   []string // paths that it owns beside its own
	Signed                  bool     // of an rpm: by the upstream's key
	Content                 string
}

// Upstream is a repository that a server on loopback serves.
type Upstream struct {
	*httptest.Server
	Dir string
	Key *sign.Key

	t     testing.TB
	kind  string
	mu    sync.Mutex
	hook  func(w http.ResponseWriter, r *http.Request) bool
	asked map[string]int
}

// Loopback is what a client must be allowed to ask an Upstream.
var Loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// New makes an empty upstream of a kind, apt or yum. Without the tools for that the test is skipped.
func New(t testing.TB, kind string) *Upstream {
	t.Helper()
	tool := map[string]string{"apt": "apt-ftparchive", "yum": "createrepo_c"}[kind]
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed: no upstream can be made", tool)
	}
	u := &Upstream{Dir: t.TempDir(), Key: keys()[0], t: t, kind: kind, asked: map[string]int{}}
	u.Server = httptest.NewServer(http.HandlerFunc(u.serve))
	t.Cleanup(u.Close)
	return u
}

// keys are that of all upstreams of a test and that of somebody else, made once: making one takes long.
var keys = sync.OnceValue(func() [2]*sign.Key {
	var made [2]*sign.Key
	for i := range made {
		dir, err := os.MkdirTemp("", "hostler-upstream-")
		if err == nil {
			made[i], err = sign.Open(filepath.Join(dir, "key.asc"), "Upstream", time.Now)
		}
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			panic(err)
		}
	}
	return made
})

// Stranger is the key of somebody else.
func Stranger() *sign.Key { return keys()[1] }

func (u *Upstream) serve(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	u.asked[r.URL.Path]++
	hook := u.hook
	u.mu.Unlock()
	if hook != nil && hook(w, r) {
		return
	}
	http.FileServer(http.Dir(u.Dir)).ServeHTTP(w, r)
}

// Hook lets do answer first; true when it has.
func (u *Upstream) Hook(do func(w http.ResponseWriter, r *http.Request) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hook = do
}

// Asked is how often packages were asked for since the last call.
func (u *Upstream) Asked() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for path, times := range u.asked {
		if strings.HasSuffix(path, ".deb") || strings.HasSuffix(path, ".rpm") {
			n += times
		}
	}
	u.asked = map[string]int{}
	return n
}

func (u *Upstream) must(err error) {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
}

// Add builds packages into the upstream; Index tells clients of them.
func (u *Upstream) Add(packages ...Package) {
	u.t.Helper()
	for _, p := range packages {
		data := p.build(u.t, u.kind)
		if p.Signed && u.kind == "yum" {
			var out bytes.Buffer
			u.must(reporpm.Sign(&out, bytes.NewReader(data), u.Key.Detached))
			data = out.Bytes()
		}
		ending := map[string]string{"apt": "deb", "yum": "rpm"}[u.kind]
		u.Write(fmt.Sprintf("pool/%s_%s_%s.%s", p.Name, p.Version, p.Arch, ending), data)
	}
}

// Write puts a file into the upstream.
func (u *Upstream) Write(name string, data []byte) {
	u.t.Helper()
	file := filepath.Join(u.Dir, filepath.FromSlash(name))
	u.must(os.MkdirAll(filepath.Dir(file), 0o750))
	u.must(os.WriteFile(file, data, 0o600))
}

// Read reads one.
func (u *Upstream) Read(name string) []byte {
	u.t.Helper()
	data, err := os.ReadFile(filepath.Join(u.Dir, filepath.FromSlash(name)))
	u.must(err)
	return data
}

func (p Package) build(t testing.TB, kind string) []byte {
	t.Helper()
	content := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(content, []byte(p.Name+" "+p.Version+" "+p.Content), 0o600); err != nil {
		t.Fatal(err)
	}
	owned := files.Contents{}
	for _, path := range append([]string{"/usr/share/" + p.Name + "/content"}, p.Files...) {
		owned = append(owned, &files.Content{Source: content, Destination: path, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: 0o644}})
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: p.Name, Version: p.Version, VersionSchema: "none", Arch: p.Arch, Platform: "linux", Section: "misc", Priority: "optional",
		Maintainer: "Tester <root@localhost>", Description: "A package for tests", License: "MIT", DisableGlobbing: true,
		Overridables: nfpm.Overridables{Depends: p.Depends, Provides: p.Provides, Recommends: p.Weak, Contents: owned},
	})
	var out bytes.Buffer
	err := deb.Default.Package(info, &out)
	if kind == "yum" {
		out.Reset()
		info.Release = "1"
		err = rpm.DefaultRPM.Package(info, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Index tells clients what is there and signs that: an apt suite "stable" with the component main, or a yum repository.
func (u *Upstream) Index(archs ...string) {
	u.t.Helper()
	if u.kind == "yum" {
		u.run("createrepo_c", "--update", ".")
		u.sign("repodata/repomd.xml", "repodata/repomd.xml.asc", "")
		return
	}
	if len(archs) == 0 {
		archs = []string{"amd64"}
	}
	for _, arch := range archs {
		list := u.run("apt-ftparchive", "--arch", arch, "packages", "pool")
		dir := "dists/stable/main/binary-" + arch + "/"
		u.Write(dir+"Packages", list)
		u.Write(dir+"Packages.gz", u.pipe(list, "gzip", "-9n"))
		u.Write(dir+"Packages.xz", u.pipe(list, "xz", "-6"))
	}
	u.must(os.RemoveAll(filepath.Join(u.Dir, "dists/stable/Release")))
	u.must(os.RemoveAll(filepath.Join(u.Dir, "dists/stable/InRelease")))
	u.must(os.RemoveAll(filepath.Join(u.Dir, "dists/stable/Release.gpg")))
	release := u.run("apt-ftparchive", "-o", "APT::FTPArchive::Release::Suite=stable", "-o", "APT::FTPArchive::Release::Components=main",
		"-o", "APT::FTPArchive::Release::Architectures="+strings.Join(archs, " "), "release", "dists/stable")
	u.Release(release)
}

// Release signs a Release file and puts it there.
func (u *Upstream) Release(release []byte) {
	u.t.Helper()
	u.Write("dists/stable/Release", release)
	u.sign("dists/stable/Release", "dists/stable/Release.gpg", "dists/stable/InRelease")
}

func (u *Upstream) sign(name, detached, inline string) {
	u.t.Helper()
	text := u.Read(name)
	signature, err := u.Key.DetachedArmored(text)
	u.must(err)
	u.Write(detached, signature)
	if inline == "" {
		return
	}
	signed, err := u.Key.ClearSigned(text)
	u.must(err)
	u.Write(inline, signed)
}

func (u *Upstream) run(name string, args ...string) []byte {
	u.t.Helper()
	command := exec.CommandContext(u.t.Context(), name, args...)
	command.Dir = u.Dir
	out, err := command.Output()
	u.must(err)
	return out
}

func (u *Upstream) pipe(input []byte, name string, args ...string) []byte {
	u.t.Helper()
	command := exec.CommandContext(u.t.Context(), name, args...)
	command.Stdin = bytes.NewReader(input)
	out, err := command.Output()
	u.must(err)
	return out
}
