package pack

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/repo/sign"
)

func needTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed: its view of the packages goes untested", name)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func mustBuild(t *testing.T) (Files, *sign.Key) {
	t.Helper()
	key, err := sign.Open(filepath.Join(t.TempDir(), "signing.asc"), "Hostler repository test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	made, err := Build(t.Context(), t.TempDir(), Agent{
		Version: "1.2.0~rc.1", Arch: "arm64", Binary: []byte("an agent"), Date: time.Now(), Sign: key.Detached,
	})
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

func TestDebIsWhatDpkgExpects(t *testing.T) {
	needTool(t, "dpkg-deb")
	made, _ := mustBuild(t)
	info := run(t, "dpkg-deb", "--info", made.Deb)
	for _, want := range []string{"Package: hostler-agent\n", "Version: 1.2.0~rc.1\n", "Architecture: arm64\n", "postinst", "prerm", "postrm"} {
		if !strings.Contains(info, want) {
			t.Errorf("dpkg-deb --info lacks %q:\n%s", want, info)
		}
	}
	if strings.Contains(info, "Depends:") {
		t.Errorf("the package depends on something:\n%s", info)
	}
	list := run(t, "dpkg-deb", "--contents", made.Deb)
	for _, want := range []string{
		`-rwxr-xr-x root/root .* \./usr/bin/hostler-agent`,
		`-rw-r--r-- root/root .* \./usr/lib/systemd/system/hostler-agent\.service`,
		`-rwxr-xr-x root/root .* \./usr/share/hostler-agent/hostler-agent\.sysv`,
	} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(list) {
			t.Errorf("dpkg-deb --contents lacks %q:\n%s", want, list)
		}
	}
}

func TestRPMIsWhatRPMExpects(t *testing.T) {
	needTool(t, "rpm")
	made, key := mustBuild(t)
	if got := run(t, "rpm", "-qp", "--nosignature", "--qf", "%{NEVRA} %{LICENSE}", made.RPM); got != "hostler-agent-1.2.0~rc.1-1.aarch64 Apache-2.0" {
		t.Errorf("rpm reads %q", got)
	}
	scripts := run(t, "rpm", "-qp", "--nosignature", "--scripts", made.RPM)
	for _, want := range []string{"postinstall scriptlet (using /bin/sh)", "preuninstall scriptlet", "postuninstall scriptlet"} {
		if !strings.Contains(scripts, want) {
			t.Errorf("rpm --scripts lacks %q:\n%s", want, scripts)
		}
	}
	db, public := t.TempDir(), filepath.Join(t.TempDir(), "key.asc")
	if err := os.WriteFile(public, key.PublicArmored(), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "rpmkeys", "--dbpath", db, "--import", public)
	checked := run(t, "rpmkeys", "--dbpath", db, "--checksig", "--verbose", made.RPM)
	if !strings.Contains(checked, "RSA/SHA256 Signature") || strings.Contains(checked, "NOKEY") || strings.Contains(checked, "BAD") {
		t.Errorf("rpmkeys --checksig:\n%s", checked)
	}
}

func TestArchiveHoldsAllServiceFiles(t *testing.T) {
	made, _ := mustBuild(t)
	file, err := os.Open(made.Archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // only read
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for members := tar.NewReader(unzipped); ; {
		member, err := members.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, member.Name)
	}
	if want := []string{"hostler-agent", "hostler-agent.openrc", "hostler-agent.service", "hostler-agent.sysv"}; !slices.Equal(names, want) {
		t.Errorf("archive holds %v, want %v", names, want)
	}
}

func TestScriptsAreShell(t *testing.T) {
	for _, shell := range [][]string{{"dash", "-n"}, {"bash", "--posix", "-n"}, {"busybox", "sh", "-n"}} {
		needTool(t, shell[0])
		names, err := filepath.Glob("scripts/*")
		if err != nil || len(names) == 0 {
			t.Fatalf("no scripts (error %v)", err)
		}
		for _, name := range names {
			run(t, shell[0], append(slices.Clone(shell[1:]), name)...)
		}
	}
	needTool(t, "shellcheck")
	names, err := filepath.Glob("scripts/*")
	if err != nil {
		t.Fatal(err)
	}
	run(t, "shellcheck", append([]string{"--shell=sh"}, names...)...)
}

func TestInputsNameEveryScript(t *testing.T) {
	sum := sha256.New()
	var text strings.Builder
	if err := WriteInputs(io.MultiWriter(sum, &text)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"deb.postinst", "deb.prerm", "deb.postrm", "rpm.post", "rpm.preun", "rpm.postun"} {
		if !strings.Contains(text.String(), "scripts/"+name+"\n") {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, test := range []struct{ build, want string }{
		{"1.2.0", "1.2.0"},
		{"v1.2.0", "1.2.0"},
		{"1.2.0-rc.1", "1.2.0~rc.1"},
		{"v1.2.0-beta-2", "1.2.0~beta.2"},
		{"v1.2.0-3-gabc1234", "1.2.0+3.gabc1234"},
		{"v1.2.0-rc.1-3-gabc1234-dirty", "1.2.0~rc.1+3.gabc1234+dirty"},
		{"dev", "0~dev"},
		{"abc1234-dirty", "0~abc1234+dirty"},
	} {
		if got, err := Version(test.build); err != nil || got != test.want {
			t.Errorf("Version(%q) = %q, %v, want %q", test.build, got, err, test.want)
		}
	}
	for _, bad := range []string{"", "1 2", "1.0;rm", "1.0\nDepends: x", "1_0", "v"} {
		if got, err := Version(bad); err == nil {
			t.Errorf("Version(%q) = %q, want an error", bad, got)
		}
	}
}

func TestVersionsSortAsBuildsDo(t *testing.T) {
	needTool(t, "dpkg")
	builds := []string{"dev", "v1.2.0-rc.1", "v1.2.0-rc.1-3-gabc1234", "v1.2.0-rc.2", "v1.2.0", "v1.2.0-3-gabc1234", "v1.2.1"}
	for i := range builds[1:] {
		older, err := Version(builds[i])
		if err != nil {
			t.Fatal(err)
		}
		newer, err := Version(builds[i+1])
		if err != nil {
			t.Fatal(err)
		}
		run(t, "dpkg", "--compare-versions", older, "lt", newer)
	}
}
