// Package indexes compares the indexes of the package repository with those that Debian's and rpm's own tools write
// for the same packages: real ones from the distribution's archive, and rpms of nfpm and rpmbuild.
package indexes

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"

	"hostler/repo"
)

func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed: what it writes cannot be compared", name)
		}
	}
}

func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, &said)
	}
	return out
}

// publish puts files into a new repository, and returns what reads below it.
func publish(t *testing.T, kind repo.Kind, names []string) (*repo.Result, func(path string) []byte) {
	t.Helper()
	s, err := repo.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(repo.Definition{Name: "ours", Kind: kind}, nil); err != nil {
		t.Fatal(err)
	}
	var received []*repo.Received
	for _, name := range names {
		received = append(received, receive(t.Context(), t, s, name))
	}
	result, err := s.Commit(t.Context(), "ours", "", received, "tester")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range result.Files {
		if v.State != repo.Added {
			t.Errorf("%s: %s %s", v.File, v.State, v.Reason)
		}
	}
	return result, func(path string) []byte {
		t.Helper()
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/repo/ours/"+path, nil))
		if answer.Code != http.StatusOK {
			t.Fatalf("%s answers %d", path, answer.Code)
		}
		return answer.Body.Bytes()
	}
}

func receive(ctx context.Context, t *testing.T, s *repo.Store, name string) *repo.Received {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := s.Receive(ctx, "ours", repo.Upload{Name: filepath.Base(name), Content: f, By: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

const (
	archived   = 500      // debs of the distribution's archive
	debLargest = 24 << 10 // bytes of one
)

// archiveDebs downloads small packages from the distribution's archive, evenly from all that it has.
func archiveDebs(t *testing.T) (names []string, dir string) {
	t.Helper()
	var small []string
	for paragraph := range strings.SplitSeq(string(run(t, "", "apt-cache", "dumpavail")), "\n\n") {
		f := fields(paragraph)
		if size, err := strconv.Atoi(f["Size"]); err == nil && size <= debLargest && f["Filename"] != "" {
			small = append(small, f["Package"]+"="+f["Version"])
		}
	}
	if len(small) < archived {
		t.Skipf("apt knows %d small packages only: run apt-get update", len(small))
	}
	slices.Sort(small)
	var chosen []string
	for i := range archived {
		chosen = append(chosen, small[i*len(small)/archived])
	}
	dir = t.TempDir()
	run(t, dir, "apt-get", append([]string{"download", "-qq", "-o", "APT::Sandbox::User=root"}, slices.Compact(chosen)...)...)
	names, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(names) < archived*9/10 {
		t.Fatalf("%d packages came, %v", len(names), err)
	}
	return names, dir
}

// fields are those of a paragraph, continued lines with them.
func fields(paragraph string) map[string]string {
	found := map[string]string{}
	last := ""
	for line := range strings.Lines(paragraph) {
		line = strings.TrimRight(line, " \t\n")
		if name, value, ok := strings.Cut(line, ":"); ok && line[0] != ' ' && line[0] != '\t' {
			last = name
			found[last] = strings.TrimSpace(value)
		} else if line != "" {
			found[last] += "\n" + line
		}
	}
	return found
}

// debDifferences are what apt-ftparchive's list has otherwise than ours, on purpose.
var debDifferences = map[string]string{
	"Filename": "each has packages where it keeps them",
}

func TestDebIndexesAreThoseOfAptFtparchive(t *testing.T) {
	t.Parallel()
	needTools(t, "apt-get", "apt-cache", "apt-ftparchive")
	names, dir := archiveDebs(t)
	_, get := publish(t, repo.Apt, names)
	release := fields(string(get("dists/stable/Release")))
	ours := map[string]map[string]string{}
	for arch := range strings.FieldsSeq(release["Architectures"]) {
		collect(ours, string(get("dists/stable/main/binary-"+arch+"/Packages")))
	}
	theirs := map[string]map[string]string{}
	collect(theirs, string(run(t, dir, "apt-ftparchive", "--no-md5", "--no-sha1", "--no-sha512", "packages", ".")))
	if len(ours) != len(names) || len(theirs) != len(names) {
		t.Errorf("of %d packages we list %d and apt-ftparchive %d", len(names), len(ours), len(theirs))
	}
	for digest, their := range theirs {
		our := ours[digest]
		for name := range union(our, their) {
			if our[name] != their[name] && debDifferences[name] == "" {
				t.Errorf("%s: %s is %q, of apt-ftparchive %q", their["Package"], name, our[name], their[name])
			}
		}
	}
}

// collect reads a list of packages by their digests.
func collect(all map[string]map[string]string, list string) {
	for paragraph := range strings.SplitSeq(list, "\n\n") {
		if f := fields(paragraph); f["SHA256"] != "" {
			all[f["SHA256"]] = f
		}
	}
}

func union(a, b map[string]string) map[string]bool {
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	return names
}

// rpms makes packages with nfpm, and with rpmbuild what nfpm cannot say.
func rpms(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	content := filepath.Join(dir, "content")
	if err := os.WriteFile(content, []byte("<content> & \"more\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var all []string
	for i := range 60 {
		info := nfpm.WithDefaults(&nfpm.Info{
			Name: fmt.Sprintf("made-%d", i), Epoch: []string{"", "0", "3"}[i%3], Version: fmt.Sprintf("1.%d~rc%d", i, i%4), Release: "2.el9", Arch: []string{"amd64", "arm64", "all"}[i%3], Platform: "linux",
			Maintainer: "Tester <root@localhost>", Vendor: "Vendor & Sons", License: "MIT", Homepage: "https://example.org/?a=1&b=2", Section: "misc",
			Description: "A <package> that's \"quoted\" & more\n\nwith paragraphs\n\tand a tab, and 中文", DisableGlobbing: true,
		})
		info.Depends, info.Recommends, info.Suggests = []string{"bash >= 4.0", "/bin/sh", fmt.Sprintf("made-%d", i/2)}, []string{"other"}, []string{"another"}
		info.Provides, info.Conflicts, info.Replaces = []string{fmt.Sprintf("virtual = 2:1.%d-1", i)}, []string{"rival < 2"}, []string{"former"}
		for n := range i % 7 {
			info.Contents = append(info.Contents, &files.Content{Source: content, Destination: fmt.Sprintf([]string{"/usr/bin/made-%d-%d", "/etc/made-%d-%d.conf", "/usr/share/made-%d & co/%d"}[n%3], i, n), FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: 0o644}})
		}
		file := filepath.Join(dir, fmt.Sprintf("made-%d.rpm", i))
		out, err := os.Create(file)
		if err == nil {
			err = errors.Join(rpm.DefaultRPM.Package(info, out), out.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, file)
	}
	if err := os.WriteFile(filepath.Join(dir, "built.spec"), []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "rpmbuild", "-ba", "--define", "_topdir "+dir, "--define", "_sourcedir "+dir, "built.spec")
	for _, pattern := range []string{"RPMS/*/*.rpm", "SRPMS/*.rpm"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("rpmbuild made %v, %v", found, err)
		}
		all = append(all, found...)
	}
	return all
}

const spec = `Name: built
Epoch: 1
Version: 2.0^git1
Release: 3
Summary: Built <by> rpmbuild
License: MIT
URL: https://example.org/
Vendor: Vendor
Packager: Tester <root@localhost>
Requires: bash
Requires: bash
Requires: /usr/bin/built
Requires: virtual(x) = 1.0-1
Requires(post): coreutils >= 1:8
Requires: (this or that)
Recommends: rec
Suggests: sug
Supplements: sup
Enhances: enh
Obsoletes: old < 1
Conflicts: rival
Provides: virtual(x) = 1.0-1
%description
Text with
two lines.
%package sub
Summary: Sub
BuildArch: noarch
%description sub
Sub.
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/etc/built %{buildroot}/usr/share/built/deep %{buildroot}/usr/lib
echo x >%{buildroot}/usr/bin/built
echo x >%{buildroot}/etc/built/conf
echo x >%{buildroot}/usr/share/built/deep/data
ln -s ../bin/built %{buildroot}/usr/lib/sendmail
cp /bin/true %{buildroot}/usr/bin/compiled
%post
true
%files
/usr/bin/built
/usr/bin/compiled
%dir /etc/built
%config /etc/built/conf
%ghost /var/log/built.log
/usr/lib/sendmail
%files sub
/usr/share/built
%changelog
* Mon Jan 05 2026 Tester <root@localhost> - 2.0-3
- Third <change>
* Sun Jan 04 2026 Tester <root@localhost> - 2.0-2
- Second
* Sat Jan 03 2026 Tester <root@localhost> - 2.0-1
- First
`

// rpmDifferences are attributes that createrepo_c has otherwise than we, on purpose.
var rpmDifferences = map[string]string{
	"location href": "each has packages where it keeps them",
	"time file":     "we tell when a package came, createrepo_c the file's date",
}

// onlyOurs are entries that createrepo_c leaves out: of the versions of the C library's symbols it lists the highest one,
// we all that the package names. A host that has the one has the others.
var onlyOurs = regexp.MustCompile(`requires/.* entry name="libc\.so\.6\(.*\)\(64bit\)" ""$`)

func TestRPMIndexesAreThoseOfCreaterepo(t *testing.T) {
	t.Parallel()
	needTools(t, "rpmbuild", "createrepo_c")
	result, get := publish(t, repo.Yum, rpms(t))
	dir := t.TempDir()
	for _, v := range result.Files { // as they are served: signed
		if err := os.WriteFile(filepath.Join(dir, v.Package.File), get(v.Package.Path()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "createrepo_c", "--quiet", "--no-database", "--compress-type", "gz", "--general-compress-type", "gz", ".")
	for _, kind := range []string{"primary", "filelists", "other"} {
		ours := list(t, get("repodata/repomd.xml"), kind, get)
		theirs := list(t, read(t, dir, "repodata/repomd.xml"), kind, func(path string) []byte { return read(t, dir, path) })
		if len(ours) != len(result.Files) || len(theirs) != len(result.Files) {
			t.Errorf("%s: of %d packages we list %d and createrepo_c %d", kind, len(result.Files), len(ours), len(theirs))
		}
		for id, their := range theirs {
			our := ours[id]
			for _, line := range difference(our, their) {
				t.Errorf("%s, %s: %s", kind, id[:8], line)
			}
		}
	}
}

func read(t *testing.T, dir, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var listPath = regexp.MustCompile(`href="(repodata/[0-9a-f]+-([a-z]+)\.xml\.gz)"`)

// list reads one of the lists that repomd.xml names: the lines of each package's elements by its digest.
func list(t *testing.T, repomd []byte, kind string, get func(string) []byte) map[string][]string {
	t.Helper()
	for _, found := range listPath.FindAllSubmatch(repomd, -1) {
		if string(found[2]) != kind {
			continue
		}
		zipped, err := gzip.NewReader(bytes.NewReader(get(string(found[1]))))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(zipped)
		if err != nil {
			t.Fatal(err)
		}
		var root node
		if err := xml.Unmarshal(text, &root); err != nil {
			t.Fatal(err)
		}
		packages := map[string][]string{}
		for _, p := range root.Nodes {
			id := p.attr("pkgid")
			for _, n := range p.Nodes {
				if n.XMLName.Local == "checksum" {
					id = strings.TrimSpace(n.Text)
				}
			}
			packages[id] = slices.Sorted(p.lines(""))
		}
		return packages
	}
	t.Fatalf("repomd.xml names no %s", kind)
	return nil
}

// node is any element.
type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Nodes   []node     `xml:",any"`
}

func (n *node) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// lines write an element and those in it, each with where it is, without what differs on purpose.
func (n *node) lines(above string) iter.Seq[string] {
	return func(yield func(string) bool) {
		where := above + "/" + n.XMLName.Space + " " + n.XMLName.Local
		var attributes []string
		for _, a := range n.Attrs {
			if rpmDifferences[n.XMLName.Local+" "+a.Name.Local] == "" && a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
				attributes = append(attributes, fmt.Sprintf("%s=%q", a.Name.Local, a.Value))
			}
		}
		slices.Sort(attributes)
		text := n.Text
		if len(n.Nodes) > 0 {
			text = strings.TrimSpace(text)
		}
		if !yield(fmt.Sprintf("%s %s %q", where, strings.Join(attributes, " "), text)) {
			return
		}
		for i := range n.Nodes {
			for line := range n.Nodes[i].lines(where) {
				if !yield(line) {
					return
				}
			}
		}
	}
}

// difference tells the lines that only one of two sorted lists has.
func difference(ours, theirs []string) []string {
	var told []string
	for _, line := range ours {
		if !slices.Contains(theirs, line) && !onlyOurs.MatchString(line) {
			told = append(told, "only we have "+line)
		}
	}
	for _, line := range theirs {
		if !slices.Contains(ours, line) {
			told = append(told, "only createrepo_c has "+line)
		}
	}
	return told
}
