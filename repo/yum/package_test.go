package yum

import (
	"os"
	"path/filepath"
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
