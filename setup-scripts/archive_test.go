package setupscripts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// archiveServer serves the static archive as /repo/static does; its certificate is its own authority.
func archiveServer(t *testing.T, archive []byte) (host, port string, ca []byte) {
	t.Helper()
	name := "hostler-agent-linux-" + runtime.GOARCH + ".tar.gz"
	files := map[string][]byte{
		"/repo/static/" + name:    archive,
		"/repo/static/SHA256SUMS": fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(archive), name),
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, ok := files[req.URL.Path]
		if !ok {
			http.NotFound(w, req)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	host, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return host, port, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// agentArchive is an archive whose agent can do nothing but tell its version.
func agentArchive(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for name, body := range map[string]string{
		"hostler-agent":         "#!/bin/sh\necho hostler-agent 1.2.3\n",
		"hostler-agent.service": string(Unit()),
		"hostler-agent.sysv":    string(SysV()),
		"hostler-agent.openrc":  string(OpenRC()),
	} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	for _, close := range []func() error{w.Close, zip.Close} {
		if err := close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// carry makes a directory with the archive as somebody would carry it to a host.
func carry(t *testing.T, dir string, archive []byte) {
	t.Helper()
	name := "hostler-agent-linux-" + runtime.GOARCH + ".tar.gz"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{name: archive, "SHA256SUMS": fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(archive), name)} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// bareHost is the root directory of a host that has the named tools and no package manager.
func bareHost(t *testing.T, ca []byte, tools ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"usr/bin", "usr/lib", "usr/lib64", "dev", "tmp", "etc/init.d", "etc/hostler-agent"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"bin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+dir, filepath.Join(root, dir)); err != nil {
			t.Fatal(err)
		}
	}
	plain := []string{"cat", "chmod", "date", "grep", "gzip", "id", "mkdir", "mktemp", "mv", "rm", "sed", "sha256sum", "tail", "tar", "timeout", "uname"}
	copyTool(t, "dash", filepath.Join(root, "usr/bin/sh"))
	for _, tool := range append(plain, tools...) {
		copyTool(t, tool, filepath.Join(root, "usr/bin", tool))
	}
	for name, body := range map[string][]byte{"etc/hostler-agent/ca.pem": ca, "tmp/setup-agent.sh": Script()} {
		if err := os.WriteFile(filepath.Join(root, name), body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func copyTool(t *testing.T, tool, to string) {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Skipf("%s is not installed: the installation by it goes untested", tool)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, body, 0o755); err != nil {
		t.Fatal(err)
	}
}

// inRoot runs the script on the host below root, with this machine's libraries and network.
func inRoot(t *testing.T, root string, args ...string) result {
	t.Helper()
	const inside = `for d in /usr/lib /usr/lib64 /dev; do mount --rbind $d "$0$d" || exit 99; done; ` +
		`exec chroot "$0" sh /tmp/setup-agent.sh "$@"`
	command := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "sh", "-c", inside, root}, args...)...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr, command.Env = &stdout, &stderr, []string{"PATH=/usr/bin:/usr/sbin"}
	if err := command.Run(); err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return result{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// The root of a bare host has no /proc.
func TestDetectWithoutProc(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to make a host without /proc")
	}
	got := inRoot(t, bareHost(t, nil, "df", "tr", "hostname"), "detect")
	got.mustSucceed(t)
	if !strings.Contains(got.stdout, "mem_kb=0\n") || !strings.Contains(got.stdout, "pkg=none\n") || got.stderr != "" {
		t.Errorf("output:\n%s%s", got.stdout, got.stderr)
	}
}

func TestInstallWithoutPackageManager(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to make a host without a package manager")
	}
	host, port, ca := archiveServer(t, agentArchive(t))
	for _, tool := range []string{"curl", "wget", "openssl"} {
		t.Run(tool, func(t *testing.T) {
			root := bareHost(t, ca, tool)
			got := inRoot(t, root, "install", "--server", host, "--handshake", port, "--version", "1.2.3", "--wait", "1")
			got.mustSucceed(t)
			if !strings.Contains(got.stdout, "hostler-agent 1.2.3 is installed") {
				t.Errorf("output:\n%s%s", got.stdout, got.stderr)
			}
			for _, file := range []string{"usr/bin/hostler-agent", "usr/share/hostler-agent/hostler-agent.sysv"} {
				if stat, err := os.Stat(filepath.Join(root, file)); err != nil || stat.Mode() != 0o755 {
					t.Errorf("%s: %v, error %v", file, stat, err)
				}
			}
		})
	}
	t.Run("carried", func(t *testing.T) {
		root := bareHost(t, ca)
		carry(t, filepath.Join(root, "carried"), agentArchive(t))
		got := inRoot(t, root, "install", "--from", "/carried")
		got.mustSucceed(t)
		if !strings.Contains(got.stdout, "hostler-agent 1.2.3 is installed") {
			t.Errorf("output:\n%s%s", got.stdout, got.stderr)
		}
	})
	t.Run("carried and damaged", func(t *testing.T) {
		root := bareHost(t, ca)
		carry(t, filepath.Join(root, "carried"), agentArchive(t))
		file := filepath.Join(root, "carried/hostler-agent-linux-"+runtime.GOARCH+".tar.gz")
		if err := os.WriteFile(file, []byte("something else"), 0o600); err != nil {
			t.Fatal(err)
		}
		inRoot(t, root, "install", "--from", "/carried").mustFail(t, 17, "checksum")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		inRoot(t, root, "install", "--from", "/carried").mustFail(t, 11, "is missing in /carried")
		inRoot(t, root, "install", "--from", "/tmp").mustFail(t, 19, "SHA256SUMS")
	})
	t.Run("no server given", func(t *testing.T) {
		inRoot(t, bareHost(t, ca, "curl"), "install").mustFail(t, 19, "--server")
	})
	t.Run("another server", func(t *testing.T) {
		other, _ := certificate(t)
		stranger, err := os.ReadFile(other)
		if err != nil {
			t.Fatal(err)
		}
		stranger = bytes.Replace(stranger, []byte("MII"), []byte("MIX"), 1) // no certificate at all
		inRoot(t, bareHost(t, stranger, "curl"), "install", "--server", host, "--handshake", port).mustFail(t, 17, port)
	})
}
