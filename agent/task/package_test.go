package task

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hostler/agent/wire"
)

// packager makes packages of one kind, for a root of its own.
type packager struct {
	prepare func(t *testing.T, root string)
	make    func(t *testing.T, version, definition string) []byte
	version func(t *testing.T, root string) string // that is installed; "" is none
	needs   []string
	rpms    string // the program that installs rpms
}

var rpm = packager{
	needs:   []string{"rpm", "rpmbuild"},
	prepare: func(t *testing.T, root string) { output(t, "rpm", "--root", root, "--initdb") },
	make:    buildRPM,
	version: func(t *testing.T, root string) string {
		text, err := exec.Command("rpm", "--root", root, "--query", "--queryformat", "%{VERSION}", "basic-agent").Output()
		if err != nil {
			return ""
		}
		return string(text)
	},
}

func buildRPM(t *testing.T, version, definition string) []byte {
	top := t.TempDir()
	write(t, filepath.Join(top, "basic.ini"), definition)
	write(t, filepath.Join(top, "basic.spec"), fmt.Sprintf("Name: basic-agent\nVersion: %s\nRelease: 1\nSummary: a test\nLicense: none\nBuildArch: noarch\n"+
		"%%description\na test\n%%install\ninstall -D -m 644 %s/basic.ini %%{buildroot}/%s\n%%files\n/%s\n", version, top, definitionPath, definitionPath))
	output(t, "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+top, filepath.Join(top, "basic.spec"))
	files, _ := filepath.Glob(filepath.Join(top, "RPMS/noarch/*.rpm"))
	if len(files) != 1 {
		t.Fatalf("built %v", files)
	}
	return read(t, files[0])
}

// zypper is on a site without internet: one of its repositories cannot be read, which it tells by its exit status.
func zypper() packager {
	p := rpm
	p.needs, p.rpms = append([]string{"zypper"}, rpm.needs...), "zypper"
	p.prepare = func(t *testing.T, root string) {
		rpm.prepare(t, root)
		write(t, filepath.Join(root, "etc/zypp/repos.d/away.repo"), "[away]\nname=away\nenabled=1\nautorefresh=1\nbaseurl=http://127.0.0.1:9/\n")
	}
	return p
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	text, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, text)
	}
	return string(text)
}

const definitionPath = "etc/hostler-agent/agents.d/BasicAgent.ini"

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var packagers = map[string]packager{
	"dpkg": {
		needs: []string{"dpkg", "dpkg-deb"},
		prepare: func(t *testing.T, root string) {
			for _, dir := range []string{"info", "updates", "triggers"} {
				if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write(t, filepath.Join(root, "var/lib/dpkg/status"), "")
		},
		make: func(t *testing.T, version, definition string) []byte {
			tree := filepath.Join(t.TempDir(), "tree")
			write(t, filepath.Join(tree, "DEBIAN/control"), "Package: basic-agent\nVersion: "+version+"\nArchitecture: all\nMaintainer: Test <test@example.com>\nDescription: a test\n")
			write(t, filepath.Join(tree, definitionPath), definition)
			file := filepath.Join(t.TempDir(), "package.deb")
			output(t, "dpkg-deb", "--root-owner-group", "--build", tree, file)
			return read(t, file)
		},
		version: func(t *testing.T, root string) string {
			text, err := exec.Command("dpkg-query", "--admindir="+root+"/var/lib/dpkg", "--show", "--showformat=${Version}", "basic-agent").Output()
			if err != nil {
				return ""
			}
			return string(text)
		},
	},
	"rpm":    rpm,
	"zypper": zypper(),
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestPackages(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may install packages")
	}
	for name, p := range packagers {
		t.Run(name, func(t *testing.T) {
			for _, program := range p.needs {
				if _, err := exec.LookPath(program); err != nil {
					t.Skipf("there is no %s here", program)
				}
			}
			installPackages(t, p)
		})
	}
}

func installPackages(t *testing.T, p packager) {
	r := newInstallRigWith(t, p.rpms)
	p.prepare(t, r.root)
	definition := func(command string) string { return "[agent]\nname = BasicAgent\ncommand = " + command + "\n" }
	first := p.make(t, "1.0", definition("/bin/sleep 100001"))
	job := r.job(wire.ActionInstall, "BasicAgent", "1.0", first)
	job.ID = "first"
	r.submit(job)
	got, text := r.resultAndOutput("first")
	if got.ErrCode != 0 || !strings.Contains(got.Message, "basic-agent 1.0") || p.version(t, r.root) != "1.0" {
		t.Fatalf("install: %+v, %s is installed", got, p.version(t, r.root))
	}
	if got.ExitCode == nil || int64(len(text[wire.Stdout])) != got.Stdout || int64(len(text[wire.Stderr])) != got.Stderr {
		t.Errorf("the package manager's output: %+v, %q", got, text)
	}
	if now := r.one("BasicAgent"); now.Status != wire.ChildRunning {
		t.Errorf("installed %+v", now)
	}
	second := p.make(t, "2.0", definition("/bin/sleep 100002"))
	if got := r.do(r.job(wire.ActionUpgrade, "BasicAgent", "2.0", second)); got.ErrCode != 0 || p.version(t, r.root) != "2.0" {
		t.Fatalf("upgrade: %+v, %s is installed", got, p.version(t, r.root))
	}

	bad := p.make(t, "3.0", definition("/bin/false"))
	got = r.do(r.job(wire.ActionUpgrade, "BasicAgent", "3.0", bad))
	now := r.one("BasicAgent")
	if got.ErrCode != wire.ErrCodeRolledBack || p.version(t, r.root) != "2.0" || now.Status != wire.ChildRunning {
		t.Errorf("one that does not work: %+v, %s is installed, %+v", got, p.version(t, r.root), now)
	}
	if text := string(read(t, filepath.Join(r.root, definitionPath))); text != definition("/bin/sleep 100002") {
		t.Errorf("in force is %s", text)
	}

	broken := append(append([]byte{}, bad[:len(bad)*2/3]...), make([]byte, len(bad)/3)...)
	if got := r.do(r.job(wire.ActionUpgrade, "BasicAgent", "3.0", broken)); got.ErrCode == 0 || p.version(t, r.root) != "2.0" {
		t.Errorf("a damaged one: %+v, %s is installed", got, p.version(t, r.root))
	}
	if now := r.one("BasicAgent"); now.Status != wire.ChildRunning {
		t.Errorf("after a damaged one: %+v", now)
	}

	if got := r.do(wire.Job{Action: wire.ActionUninstall, Name: "BasicAgent"}); got.ErrCode != 0 || p.version(t, r.root) != "" {
		t.Errorf("uninstall: %+v, %s is installed", got, p.version(t, r.root))
	}
	if _, err := os.Stat(filepath.Join(r.root, definitionPath)); err == nil || len(r.children.Children()) != 0 {
		t.Errorf("left behind: %+v, its definition: %v", r.children.Children(), err)
	}
}
