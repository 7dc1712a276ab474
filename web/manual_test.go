package web

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/ui/page"
)

// TestCommandsWithEitherTool runs what a person copies, with nothing but one of the tools that download; the setup
// script's own runs are left out.
func TestCommandsWithEitherTool(t *testing.T) {
	s := newServer(t)
	// Nothing is published in the test's repository, so that it would not give away its key either.
	files := http.NewServeMux()
	files.Handle("/", s.web.Handshake())
	files.HandleFunc(wire.PathRepo+"key.asc", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.web.Repo.PublicKeyArmored()) })
	handshake := listenTLS(files, s.handshake.TLS.Clone())
	t.Cleanup(handshake.Close)
	s.web.Options.HandshakePort = handshake.Listener.Addr().(*net.TCPAddr).Port
	handshakePort := strconv.Itoa(s.web.Options.HandshakePort)
	for _, tool := range []string{"curl", "wget"} {
		for _, g := range s.web.commands("token") {
			if g.Family == "any" || g.Family == "installer" {
				continue // they run install.sh, see TestInstallScriptWithEitherTool
			}
			t.Run(tool+" "+g.Family, func(t *testing.T) {
				out, left := paste(t, g, tool)
				if len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
				for _, want := range wantedCalls(g.Family, handshakePort) {
					if !strings.Contains(out, want) {
						t.Errorf("there is no call %q in:\n%s", want, out)
					}
				}
			})
		}
	}
}

func wantedCalls(family, handshakePort string) []string {
	if family == "other" {
		return []string{"repository --url", "install --server 127.0.0.1 --handshake " + handshakePort, "configure", "start"}
	}
	return []string{"repository --url", "install", "configure", "start"}
}

// paste runs a card's commands in one shell; it returns what they print and what is left in the directory of
// temporary files.
func paste(t *testing.T, g page.CommandGroup, tool string) (out string, left []os.DirEntry) {
	t.Helper()
	tools, temporary := t.TempDir(), t.TempDir()
	for _, name := range []string{tool, "base64", "cat", "cut", "grep", "hostname", "mktemp", "rm", "sha256sum"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("%s is not installed: the commands go untested with it", name)
		}
		if err := os.Symlink(path, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	var all strings.Builder
	for _, c := range g.Commands {
		all.WriteString(strings.ReplaceAll(c.Text, "sh setup-agent.sh", "called"))
		all.WriteByte('\n')
	}
	sh := exec.CommandContext(t.Context(), "/bin/sh", "-c", "called() { [ -s setup-agent.sh ] && echo \"$*\"; }\n"+all.String())
	sh.Env = []string{"PATH=" + tools, "TMPDIR=" + temporary}
	body, err := sh.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, body)
	}
	return string(body), must[[]os.DirEntry](t)(os.ReadDir(temporary))
}
