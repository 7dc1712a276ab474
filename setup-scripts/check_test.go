package setupscripts

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// server answers /ping as a Hostler server does whose clock differs from this machine's.
func server(t *testing.T, offset time.Duration) (host, port string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/ping" {
			http.NotFound(w, req)
			return
		}
		_, _ = fmt.Fprintf(w, `{"product":"hostler","version":"1","time":%d}`, time.Now().Add(offset).Unix())
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // the checks hang up in mid-handshake
	s.StartTLS()
	t.Cleanup(s.Close)
	host, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// only is a PATH with the plain tools every host has and those named.
func only(t *testing.T, tools ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range append(tools, "cat", "chmod", "date", "df", "grep", "head", "id", "mkdir", "mktemp", "mv", "rm", "sed", "tail", "timeout", "tr", "uname") {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("%s is not installed: the check by it goes untested", tool)
		}
		if err := os.Symlink(path, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runOnly runs the script with no other tools than those in dir: the script itself adds the system's directories.
func (h *host) runOnly(t *testing.T, dir string, args ...string) result {
	t.Helper()
	narrow := bytes.Replace(Script(), []byte("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"), []byte("PATH="+dir), 1)
	if bytes.Equal(narrow, Script()) {
		t.Fatal("the script no longer sets PATH as this test expects")
	}
	file := filepath.Join(t.TempDir(), "setup-agent.sh")
	if err := os.WriteFile(file, narrow, 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), h.shell[0], append(append(slices.Clone(h.shell[1:]), file), args...)...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr, command.Env = &stdout, &stderr, append(os.Environ(), "TMPDIR="+h.temp)
	if err := command.Run(); err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return result{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func TestCheckWithWhateverToolThereIs(t *testing.T) {
	name, port := server(t, 0)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, shut, err := net.SplitHostPort(closed.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	late, latePort := server(t, 10*time.Minute)
	for _, tool := range []string{"curl", "wget", "openssl", "bash"} {
		t.Run(tool, func(t *testing.T) {
			path := only(t, tool)
			h := newHost(t, []string{"dash"})
			h.runOnly(t, path, "check", "--server", name, "--handshake", port, "--secured", port).mustSucceed(t)
			h.runOnly(t, path, "check", "--server", name, "--handshake", shut, "--secured", port).mustFail(t, 13, shut)
			if tool != "wget" { // wget alone cannot tell a port that speaks another protocol from a closed one
				h.runOnly(t, path, "check", "--server", name, "--handshake", port, "--secured", shut).mustFail(t, 13, shut)
			}
			if tool != "bash" { // a bare connection knows no time
				h.runOnly(t, path, "check", "--server", late, "--handshake", latePort, "--secured", port).mustFail(t, 14, "behind")
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		got := newHost(t, []string{"dash"}).runOnly(t, only(t), "check", "--server", name, "--handshake", shut, "--secured", shut)
		got.mustSucceed(t)
		if !strings.Contains(got.stderr, "hostler: warning: cannot check") {
			t.Errorf("no warning that nothing was checked:\n%s", got.stderr)
		}
	})
}

func TestCheckInEveryShell(t *testing.T) {
	name, port := server(t, 0)
	fast, fastPort := server(t, -10*time.Minute)
	eachShell(t, func(t *testing.T, shell []string) {
		h := newHost(t, shell)
		h.run(t, "check", "--server", name, "--handshake", port, "--secured", port).mustSucceed(t)
		h.run(t, "check", "--server", fast, "--handshake", fastPort, "--secured", port).mustFail(t, 14, "ahead")
		h.run(t, "check", "--server", "no-such-host.invalid").mustFail(t, 13, "no-such-host.invalid")
	})
}
