package repo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Real clients of a repository that people fill: they install, follow a channel up and down again, and refuse what
// was tampered with.

func TestAptFollowsAChannel(t *testing.T) {
	needTool(t, "apt-get")
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "ours", Apt, "dev", "production")
	f := newFront(t, s)
	apt, dir := aptRoot(t, f)
	mustWrite(t, filepath.Join(dir, "etc/apt/sources.list.d/hostler.sources"), fmt.Sprintf(
		"Types: deb\nURIs: %s/repo/ours\nSuites: production\nComponents: main\nSigned-By: %s\n", f.URL, f.key))
	offers := func(want string) {
		t.Helper()
		if out, err := apt("update"); err != nil || strings.Contains(out, "W:") {
			t.Fatalf("apt-get update: %v\n%s", err, out)
		}
		out, err := apt("install", "--simulate", "tool")
		if err != nil || !strings.Contains(out, "Inst tool ("+want+" ") || !strings.Contains(out, "Inst library (") {
			t.Errorf("apt offers (error %v), want %s and its library:\n%s", err, want, out)
		}
	}
	mustAdd(t, s, "ours", "dev", sample{name: "library", version: "1:0.9~rc1", arch: "all"})
	mustAdd(t, s, "ours", "dev", sample{name: "tool", version: "1.9", arch: "amd64", depends: []string{"library (>= 1:0.9~)"}})
	mustAdd(t, s, "ours", "dev", sample{name: "tool", version: "1.10", arch: "amd64", depends: []string{"library"}})
	if err := tryPromote(t.Context(), s, "ours", "production", 3); err != nil {
		t.Fatal(err)
	}
	offers("1.9")
	if err := tryPromote(t.Context(), s, "ours", "production", 4); err != nil {
		t.Fatal(err)
	}
	offers("1.10")
	if out, err := apt("install", "--simulate", "tool=1.9"); err != nil || !strings.Contains(out, "Inst tool (1.9 ") {
		t.Errorf("pinned to an older version (error %v):\n%s", err, out)
	}
	if _, err := s.Rollback(t.Context(), "ours", "production", 0, "tester"); err != nil {
		t.Fatal(err)
	}
	offers("1.9")
	if out, err := apt("install", "-y", "--download-only", "tool"); err != nil {
		t.Errorf("apt-get install: %v\n%s", err, out)
	}
	f.tamper("/pool/")
	if out, err := apt("clean"); err != nil {
		t.Fatal(out)
	}
	if out, err := apt("install", "-y", "--download-only", "tool"); err == nil || !strings.Contains(out, "Hash Sum mismatch") {
		t.Errorf("a package that was tampered with: %v\n%s", err, out)
	}
}

func TestDnfFollowsAChannel(t *testing.T) {
	needTool(t, "dnf", "rpm")
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "ours", Yum, "dev", "production")
	f := newFront(t, s)
	dnf, dir := dnfRoot(t, f)
	mustWrite(t, filepath.Join(dir, "repos/hostler.repo"), fmt.Sprintf(
		"[ours]\nname=Ours\nbaseurl=%s/repo/ours/production\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://%s\nsslcacert=%s\nretries=1\n",
		f.URL, f.key, f.ca))
	mustAdd(t, s, "ours", "dev", sample{name: "library", version: "0.9~rc1", arch: "noarch"})
	mustAdd(t, s, "ours", "dev", sample{name: "tool", version: "1.9", arch: "x86_64", depends: []string{"library"}})
	mustAdd(t, s, "ours", "dev", sample{name: "tool", version: "1.10", arch: "x86_64", depends: []string{"library"}})
	run := func(installed string, args ...string) {
		t.Helper()
		out, err := dnf(append([]string{"--refresh"}, args...)...)
		content, _ := os.ReadFile(filepath.Join(dir, "root/usr/share/tool/content"))
		if err != nil || string(content) != installed {
			t.Errorf("dnf %v: error %v, installed is %q, want %q:\n%s", args, err, content, installed, out)
		}
	}
	promote := func(snapshot int) {
		t.Helper()
		if err := tryPromote(t.Context(), s, "ours", "production", snapshot); err != nil {
			t.Fatal(err)
		}
	}
	promote(3)
	run("tool 1.9 ", "install", "tool")
	promote(4)
	run("tool 1.10 ", "upgrade")
	run("tool 1.9 ", "downgrade", "tool-1.9-1")
	run("", "remove", "tool")
	f.tamper("/packages/")
	if out, err := dnf("--refresh", "install", "tool"); err == nil || !strings.Contains(out, "checksum") {
		t.Errorf("a package that was tampered with: %v\n%s", err, out)
	}
}
