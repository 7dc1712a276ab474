package repo

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// front serves a repository over TLS and can damage what matches on its way out.
type front struct {
	*httptest.Server
	damage atomic.Pointer[string] // a part of the paths to damage
	ca     string                 // file with the server's certificate
	key    string                 // file with the repository's public key, armored
}

func newFront(t *testing.T, r *Store) *front {
	t.Helper()
	f := &front{}
	f.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		part := f.damage.Load()
		if part == nil || !strings.Contains(req.URL.Path, *part) {
			r.Handler().ServeHTTP(w, req)
			return
		}
		answer := httptest.NewRecorder()
		plain := req.Clone(req.Context())
		plain.Header.Del("Range")
		r.Handler().ServeHTTP(answer, plain)
		body := answer.Body.Bytes()
		body[len(body)/2] ^= 1
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body) // a client that hangs up shows in its own result
	}))
	t.Cleanup(f.Close)
	dir := t.TempDir()
	f.ca, f.key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.asc")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	mustWrite(t, f.ca, string(certificate))
	mustWrite(t, f.key, string(r.PublicKeyArmored()))
	return f
}

func (f *front) tamper(part string) { f.damage.Store(&part) }

func mustWrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func needTool(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed: its view of the repository goes untested", name)
		}
	}
}

// aptRoot is a private apt that knows the front's repository only.
func aptRoot(t *testing.T, f *front) (apt func(args ...string) (string, error), dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, sub := range []string{"etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mustWrite(t, filepath.Join(dir, "var/lib/dpkg/status"), "")
	mustWrite(t, filepath.Join(dir, "etc/apt/sources.list.d/hostler.sources"), fmt.Sprintf(
		"Types: deb\nURIs: %s/repo/apt\nSuites: stable\nComponents: main\nSigned-By: %s\n", f.URL, f.key))
	config := filepath.Join(dir, "apt.conf")
	mustWrite(t, config, fmt.Sprintf(`Dir %q; Dir::State::status "%s/var/lib/dpkg/status"; APT::Sandbox::User "root";
APT::Architecture "amd64"; APT::Architectures "amd64"; Acquire::https::CaInfo %q; Acquire::Retries "0"; APT::Update::Error-Mode "any";
`, dir, dir, f.ca))
	return func(args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), "apt-get", args...)
		command.Dir = dir
		command.Env = append(os.Environ(), "APT_CONFIG="+config, "LC_ALL=C")
		out, err := command.CombinedOutput()
		return string(out), err
	}, dir
}

func TestAptDownloadsWhatWasPublished(t *testing.T) {
	needTool(t, "apt-get", "dpkg-deb")
	r := mustOpen(t, t.TempDir())
	mustPublish(t, r, "1.0.0")
	apt, dir := aptRoot(t, newFront(t, r))
	if out, err := apt("update"); err != nil || strings.Contains(out, "W:") {
		t.Fatalf("apt-get update: %v\n%s", err, out)
	}
	if out, err := apt("install", "-y", "--download-only", "hostler-agent"); err != nil {
		t.Fatalf("apt-get install: %v\n%s", err, out)
	}
	deb := filepath.Join(dir, "var/cache/apt/archives/hostler-agent_1.0.0_amd64.deb")
	unpacked := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "dpkg-deb", "-x", deb, unpacked).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(unpacked, "usr/bin/hostler-agent"))
	if err != nil || !bytes.Equal(got, fakeAgent("1.0.0").Binaries["amd64"]) {
		t.Errorf("the installed executable is not the one that was published (error %v)", err)
	}
}

func TestAptFollowsNewVersions(t *testing.T) {
	needTool(t, "apt-get")
	r := mustOpen(t, t.TempDir())
	apt, _ := aptRoot(t, newFront(t, r))
	for _, step := range []struct{ publish, offered string }{{"1.1.0-rc.1", "1.1.0~rc.1"}, {"1.1.0", "1.1.0"}, {"1.1.0-4-gabc123", "1.1.0+4.gabc123"}} {
		mustPublish(t, r, step.publish)
		if out, err := apt("update"); err != nil {
			t.Fatalf("apt-get update: %v\n%s", err, out)
		}
		out, err := apt("install", "--simulate", "hostler-agent")
		if want := "Inst hostler-agent (" + step.offered + " "; err != nil || !strings.Contains(out, want) {
			t.Errorf("after %s apt offers (error %v), want %q:\n%s", step.publish, err, want, out)
		}
	}
}

func TestAptRefusesWhatWasTamperedWith(t *testing.T) {
	needTool(t, "apt-get")
	for _, test := range []struct{ path, step, says string }{
		{"InRelease", "update", "NOSPLIT|signature|hash"},
		{"by-hash", "update", "Hash Sum mismatch"},
		{".deb", "install", "Hash Sum mismatch"},
	} {
		t.Run(test.path, func(t *testing.T) {
			r := mustOpen(t, t.TempDir())
			mustPublish(t, r, "1.0.0")
			f := newFront(t, r)
			apt, dir := aptRoot(t, f)
			f.tamper(test.path)
			out, err := apt("update")
			if test.step == "install" {
				if err != nil {
					t.Fatalf("apt-get update: %v\n%s", err, out)
				}
				out, err = apt("install", "-y", "--download-only", "hostler-agent")
			}
			if err == nil || !containsAny(out, strings.Split(test.says, "|")) {
				t.Errorf("apt-get %s: error %v, output:\n%s", test.step, err, out)
			}
			if debs, _ := filepath.Glob(filepath.Join(dir, "var/cache/apt/archives/*.deb")); len(debs) > 0 {
				t.Errorf("apt kept %v", debs)
			}
		})
	}
}

func TestAptRefusesAnotherRepositorysKey(t *testing.T) {
	needTool(t, "apt-get")
	r := mustOpen(t, t.TempDir())
	mustPublish(t, r, "1.0.0")
	f := newFront(t, r)
	mustWrite(t, f.key, string(mustOpenOwn(t, t.TempDir()).PublicKeyArmored()))
	apt, _ := aptRoot(t, f)
	if out, err := apt("update"); err == nil || !strings.Contains(out, "NO_PUBKEY") {
		t.Errorf("apt-get update: error %v, want NO_PUBKEY:\n%s", err, out)
	}
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
