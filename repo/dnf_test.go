package repo

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dnfRoot is a private dnf with an empty system below it that knows the front's repository only.
func dnfRoot(t *testing.T, f *front) (dnf func(args ...string) (string, error), dir string) {
	t.Helper()
	dir = t.TempDir()
	mustWrite(t, filepath.Join(dir, "repos/hostler.repo"), fmt.Sprintf(
		"[hostler]\nname=Hostler\nbaseurl=%s/repo/yum\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://%s\nsslcacert=%s\nretries=1\n",
		f.URL, f.key, f.ca))
	mustWrite(t, filepath.Join(dir, "dnf.conf"), "[main]\n")
	mustWrite(t, filepath.Join(dir, "log/hawkey.log"), "") // dnf 4 does not make the directory
	return func(args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), "dnf", append([]string{
			"-y", "--config=" + dir + "/dnf.conf", "--installroot=" + dir + "/root", "--releasever=9", "--forcearch=x86_64",
			"--setopt=reposdir=" + dir + "/repos", "--setopt=cachedir=" + dir + "/cache", "--setopt=logdir=" + dir + "/log",
			"--setopt=persistdir=" + dir + "/persist", "--setopt=plugins=0", "--setopt=tsflags=noscripts", // the empty system has no shell
		}, args...)...)
		command.Dir = dir
		command.Env = append(os.Environ(), "LC_ALL=C", "HOME="+dir)
		out, err := command.CombinedOutput()
		return string(out), err
	}, dir
}

func TestDnfInstallsWhatWasPublished(t *testing.T) {
	needTool(t, "dnf", "rpm")
	r := mustOpen(t, t.TempDir())
	mustPublish(t, r, "1.0.0")
	dnf, dir := dnfRoot(t, newFront(t, r))
	if out, err := dnf("install", "hostler-agent"); err != nil {
		t.Fatalf("dnf install: %v\n%s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(dir, "root/usr/bin/hostler-agent"))
	if err != nil || !bytes.Equal(got, fakeAgent("1.0.0").Binaries["amd64"]) {
		t.Errorf("the installed executable is not the one that was published (error %v)", err)
	}
	mustPublish(t, r, "1.0.1")
	if out, err := dnf("--refresh", "upgrade"); err != nil || !strings.Contains(out, "1.0.1-1") {
		t.Errorf("dnf upgrade: error %v:\n%s", err, out)
	}
}

func TestDnfRefusesWhatWasTamperedWith(t *testing.T) {
	needTool(t, "dnf")
	for path, says := range map[string]string{
		"repomd.xml.asc": "GPG",
		"-primary":       "checksum",
		".rpm":           "checksum",
	} {
		t.Run(path, func(t *testing.T) {
			r := mustOpen(t, t.TempDir())
			mustPublish(t, r, "1.0.0")
			f := newFront(t, r)
			dnf, dir := dnfRoot(t, f)
			f.tamper(path)
			out, err := dnf("install", "hostler-agent")
			if err == nil || !strings.Contains(out, says) {
				t.Errorf("dnf install: error %v, want one about %q:\n%s", err, says, out)
			}
			if _, err := os.Stat(filepath.Join(dir, "root/usr/bin/hostler-agent")); err == nil {
				t.Error("dnf installed it all the same")
			}
		})
	}
}

func TestDnfRefusesAnotherRepositorysKey(t *testing.T) {
	needTool(t, "dnf")
	r := mustOpen(t, t.TempDir())
	mustPublish(t, r, "1.0.0")
	f := newFront(t, r)
	mustWrite(t, f.key, string(mustOpenOwn(t, t.TempDir()).PublicKeyArmored()))
	dnf, _ := dnfRoot(t, f)
	if out, err := dnf("install", "hostler-agent"); err == nil || !strings.Contains(out, "GPG") {
		t.Errorf("dnf install: error %v, want a refusal of the signature:\n%s", err, out)
	}
}

// The lists that hold neither times nor places come out as createrepo_c writes them, but for the order of packages.
func TestMetadataIsWhatCreaterepoWrites(t *testing.T) {
	needTool(t, "createrepo_c")
	r := mustOpen(t, t.TempDir())
	mustPublish(t, r, "1.0.0")
	ours, theirs := r.repositories[AgentYum].channels[Stable].current().dir, t.TempDir()
	for _, p := range r.packages {
		if p.Kind != Yum {
			continue
		}
		data, err := os.ReadFile(filepath.Join(r.packageDir(p.Digest), contentFile))
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, filepath.Join(theirs, p.Path()), string(data))
	}
	if out, err := exec.CommandContext(t.Context(), "createrepo_c", "--quiet", "--no-database", theirs).CombinedOutput(); err != nil {
		t.Fatalf("createrepo_c: %v\n%s", err, out)
	}
	for _, kind := range []string{"primary", "filelists", "other"} {
		got, want := unzipped(t, ours, kind), unzipped(t, theirs, kind)
		if kind == "primary" { // the files' own times differ in a copy
			got, want = withoutLines(got, "<time "), withoutLines(want, "<time ")
		}
		if got, want := sortedPackages(got), sortedPackages(want); got != want {
			t.Errorf("%s differs; ours:\n%s\ncreaterepo_c's:\n%s", kind, got, want)
		}
	}
}

// sortedPackages puts the packages of a document into one order.
func sortedPackages(document string) string {
	parts := strings.SplitAfter(document, "</package>\n")
	head, first, _ := strings.Cut(parts[0], "<package")
	packages, tail := append([]string{"<package" + first}, parts[1:len(parts)-1]...), parts[len(parts)-1]
	slices.Sort(packages)
	return head + strings.Join(packages, "") + tail
}

func unzipped(t *testing.T, root, kind string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "repodata", "*-"+kind+".xml.gz"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s lists in %s: %v (error %v)", kind, root, found, err)
	}
	out, err := exec.CommandContext(t.Context(), "gzip", "-dc", found[0]).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func withoutLines(text, part string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, part) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
