package yum

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSplitEVR(t *testing.T) {
	for _, test := range []struct{ evr, epoch, version, release string }{
		{"1.2.0", "0", "1.2.0", ""},
		{"1.2.0-1", "0", "1.2.0", "1"},
		{"2:1.2.0~rc1-3.el9", "2", "1.2.0~rc1", "3.el9"},
	} {
		epoch, version, release := splitEVR(test.evr)
		if epoch != test.epoch || version != test.version || release != test.release {
			t.Errorf("splitEVR(%q) = %q, %q, %q", test.evr, epoch, version, release)
		}
	}
}

func TestPrimaryFilesAreChosenByPath(t *testing.T) {
	p := Package{Files: []File{{Path: "/usr/bin/a"}, {Path: "/usr/share/a"}, {Path: "/etc/a.conf"}, {Path: "/usr/lib/sendmail"}, {Path: "/usr/share/etc/a"}}}
	var paths []string
	for _, file := range p.PrimaryFiles() {
		paths = append(paths, file.Path)
	}
	if got := strings.Join(paths, " "); got != "/usr/bin/a /etc/a.conf /usr/lib/sendmail" {
		t.Errorf("primary lists %s", got)
	}
}

func TestReadRefusesWhatIsNoRPM(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "a script": "#!/bin/sh\n" + strings.Repeat("x", 200)} {
		file := filepath.Join(t.TempDir(), "x.rpm")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(file, "packages/x.rpm", time.Now()); err == nil || !strings.Contains(err.Error(), "x.rpm") {
			t.Errorf("%s: error = %v, want one that names x.rpm", name, err)
		}
	}
}

// What is made of a package's lists is bounded: a header of 32 MiB could name a long directory with each of many files.
func TestListsAreBounded(t *testing.T) {
	directories, indexes := []string{"/" + strings.Repeat("d", 1<<20)}, make([]uint64, 33)
	if _, err := joinPaths(directories, indexes, make([]string, 33)); err == nil || !strings.Contains(err.Error(), strconv.Itoa(maxNames)) {
		t.Errorf("names of 33 MB: %v", err)
	}
	if _, err := exec.LookPath("rpmbuild"); err != nil {
		t.Skip("rpmbuild is not installed: a list of too many relations goes untested")
	}
	dir := t.TempDir()
	var spec strings.Builder
	spec.WriteString("Name: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n")
	for i := range maxRelations {
		fmt.Fprintf(&spec, "Provides: p%d\n", i)
	}
	spec.WriteString("%description\nx\n%files\n")
	if err := os.WriteFile(filepath.Join(dir, "x.spec"), []byte(spec.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "rpmbuild", "-bb", "--define", "_topdir "+dir, filepath.Join(dir, "x.spec")).CombinedOutput(); err != nil {
		t.Fatalf("rpmbuild: %v\n%s", err, out)
	}
	file := filepath.Join(dir, "RPMS", "noarch", "x-1-1.noarch.rpm") // one relation more is to itself
	if _, err := Read(file, "packages/x.rpm", time.Now()); err == nil || !strings.Contains(err.Error(), strconv.Itoa(maxRelations)) {
		t.Errorf("too many relations: %v", err)
	}
}
