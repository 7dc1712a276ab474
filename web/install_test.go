package web

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"hostler/agent/wire"
	"hostler/internal/bearer"
	"hostler/server/trust"
	setupscripts "hostler/setup-scripts"
)

// pathOf is where the install.sh of a token is.
func pathOf(token string) string { return wire.PathInstall + bearer.Hash(token)[:handleLength] }

// reachable makes the commands name the port where the test's server is.
func (s *server) reachable(l *httptest.Server) {
	s.web.Options.HandshakePort = l.Listener.Addr().(*net.TCPAddr).Port
}

// sh runs a script with nothing but some programs; left is what it leaves in the directory of temporary files.
func sh(t *testing.T, script string, programs ...string) (out string, left []os.DirEntry, err error) {
	t.Helper()
	tools, temporary := t.TempDir(), t.TempDir()
	for _, name := range append(programs, "base64", "cat", "cut", "grep", "hostname", "mkdir", "mktemp", "rm", "sed", "sh", "sha256sum") {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("%s is not installed: the commands go untested with it", name)
		}
		if err := os.Symlink(path, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	command.Env = []string{"PATH=" + tools, "TMPDIR=" + temporary}
	body, err := command.CombinedOutput()
	return string(body), must[[]os.DirEntry](t)(os.ReadDir(temporary)), err
}

func TestInstallScriptIsForOpenTokens(t *testing.T) {
	s := newServer(t)
	made := s.enrolToken(trust.TokenRequest{Uses: 2})
	fetch := func(path string) reply { return send(t, s.hostClient(nil), get, s.handshake.URL+path, nil, nil) }
	r := fetch(pathOf(made.Token))
	if r.status != http.StatusOK || !strings.Contains(r.body, s.web.CA.Pin()) || strings.Contains(r.body, made.Token) || strings.Contains(r.body, "@PIN@") {
		t.Errorf("it answered %d", r.status)
	}
	for _, handle := range []string{"", "x", strings.Repeat("0", handleLength), strings.Repeat("%25", 11), bearer.Hash(made.Token)[:8], made.Token} {
		if r := fetch(wire.PathInstall + handle); r.status != http.StatusNotFound {
			t.Errorf("%q answered %d", handle, r.status)
		}
	}
	s.api(post, fmt.Sprintf("%s/enrol-tokens/%d/end", api, made.ID), "{}")
	if r := fetch(pathOf(made.Token)); r.status != http.StatusGone || r.failure(t).Code != "token_over" {
		t.Errorf("that of an ended token answered %d %s", r.status, r.body)
	}
}

// TestInstallScriptWithEitherTool runs what a person copies, up to the server's setup script, which is the test's.
func TestInstallScriptWithEitherTool(t *testing.T) {
	s := newServer(t)
	s.reachable(s.handshake)
	made := s.enrolToken(trust.TokenRequest{})
	for _, c := range s.web.commands(made.Token)[0].Commands {
		t.Run(c.Code, func(t *testing.T) {
			out, left, err := sh(t, c.Text, c.Code)
			if err != nil || !strings.Contains(out, "it has the pin "+s.web.CA.Pin()) || !strings.Contains(out, "a script of one's own") {
				t.Errorf("%v\n%s", err, out)
			}
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestInstallScriptTellsWhatItWouldDo(t *testing.T) {
	s := newServer(t)
	s.reachable(s.handshake)
	script := filepath.Join(t.TempDir(), "install.sh")
	if err := os.WriteFile(script, s.web.installText(), 0o600); err != nil {
		t.Fatal(err)
	}
	for options, want := range map[string]string{
		"--dry-run": "it would run", "--help": "--no-start", "--dance": "there is no option --dance",
	} {
		if out, _, _ := sh(t, "sh "+script+" "+options, "curl"); !strings.Contains(out, want) {
			t.Errorf("%s printed\n%s", options, out)
		}
	}
}

// attacker serves the handshake port's paths over TLS of its own, changed, and notes what was asked of it.
func (s *server) attacker(answers map[string]string) (*httptest.Server, *[]string) {
	s.t.Helper()
	asked := &[]string{}
	l := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.Path)
		for prefix, answer := range answers {
			if strings.HasPrefix(r.URL.Path, prefix) {
				_, _ = w.Write([]byte(answer))
				return
			}
		}
		http.NotFound(w, r)
	}))
	s.t.Cleanup(l.Close)
	return l, asked
}

// TestAttackTamperedInstallScript puts a machine between host and server that changes what is downloaded: nothing of it runs.
func TestAttackTamperedInstallScript(t *testing.T) {
	s := newServer(t)
	made := s.enrolToken(trust.TokenRequest{})
	ran := filepath.Join(t.TempDir(), "ran")
	evil := "#!/bin/sh\necho >" + ran + "\n"
	l, _ := s.attacker(map[string]string{wire.PathInstall: evil, wire.PathCA: string(s.web.CA.PEM()), wire.PathScript: evil})
	s.reachable(l)
	for _, g := range s.web.commands(made.Token)[:2] {
		for _, c := range g.Commands {
			if c.Code != "curl" && c.Code != "wget" {
				continue
			}
			out, left, err := sh(t, c.Text, c.Code)
			if err == nil || !strings.Contains(out, "FAILED") || len(left) > 0 {
				t.Errorf("%s: %v, left behind are %v\n%s", c.Code, err, left, out)
			}
		}
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the attacker's script ran")
	}
}

// TestAttackImpostorOfTheServer answers with a CA of its own, or with the server's and no key for it: the script stops before
// it runs anything, and before the token has left the host.
func TestAttackImpostorOfTheServer(t *testing.T) {
	s := newServer(t)
	ran := filepath.Join(t.TempDir(), "ran")
	evil := "#!/bin/sh\necho >" + ran + "\n"
	for name, c := range map[string]struct{ ca, says string }{
		"another CA":                         {string(newServer(t).web.CA.PEM()), "has the pin"},
		"no certificate":                     {"garbage", "has the pin"},
		"the server's CA, and no key for it": {string(s.web.CA.PEM()), "cannot download /setup-agent.sh"},
	} {
		t.Run(name, func(t *testing.T) {
			l, asked := s.attacker(map[string]string{wire.PathCA: c.ca, wire.PathScript: evil})
			script := filepath.Join(t.TempDir(), "install.sh")
			text := setupscripts.Install(setupscripts.Target{
				Server: "127.0.0.1", Handshake: l.Listener.Addr().(*net.TCPAddr).Port, Secured: 8441, Pin: s.web.CA.Pin(),
			})
			if err := os.WriteFile(script, text, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, tool := range []string{"curl", "wget"} {
				out, left, err := sh(t, `printf "%s\n" secret | sh `+script, tool)
				if err == nil || !strings.Contains(out, "verification-failed") || !strings.Contains(out, c.says) || len(left) > 0 {
					t.Errorf("%s: %v, left behind are %v\n%s", tool, err, left, out)
				}
			}
			if _, err := os.Stat(ran); err == nil {
				t.Error("the attacker's script ran")
			}
			for _, path := range *asked {
				if path != wire.PathCA {
					t.Errorf("it was asked for %s", path)
				}
			}
		})
	}
}

func TestInstallersRunTheInstallScript(t *testing.T) {
	s := newServer(t)
	for _, c := range s.web.commands("token")[1].Commands {
		text := c.Text
		switch c.Code {
		case "cloud_init":
			var config struct{ Runcmd []string }
			if err := yaml.Unmarshal([]byte(text), &config); err != nil || len(config.Runcmd) != 1 || !strings.HasPrefix(text, "#cloud-config\n") {
				t.Fatalf("it is no cloud-config with one command: %v\n%s", err, text)
			}
			text = config.Runcmd[0]
		case "kickstart":
			text = strings.TrimSuffix(strings.TrimPrefix(text, "%post --log=/root/hostler-install.log\n"), "%end")
		case "preseed":
			if strings.Contains(text, "\n") {
				t.Errorf("a preseed has one line: %s", text)
			}
			if tool, err := exec.LookPath("debconf-set-selections"); err == nil { // it is part of Debian
				check := exec.CommandContext(t.Context(), tool, "--checkonly")
				check.Stdin = strings.NewReader(text)
				if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
					t.Errorf("debconf does not take it: %v %s", err, out)
				}
			}
			text = strings.TrimSuffix(strings.Replace(text, "d-i preseed/late_command string in-target sh -c '", "", 1), "'")
		}
		check := exec.CommandContext(t.Context(), "sh", "-n")
		check.Stdin = strings.NewReader(text)
		if out, err := check.CombinedOutput(); err != nil || !strings.Contains(text, "sha256sum -c") {
			t.Errorf("%s: %v %s\n%s", c.Code, err, out, text)
		}
	}
}

// TestInstallScriptDryRun runs it with the real setup script, which looks at this machine and changes nothing.
func TestInstallScriptDryRun(t *testing.T) {
	s := newServer(t)
	s.reachable(s.handshake)
	s.web.Options.Script, s.web.Options.SecuredPort = setupscripts.Script(), s.secured.Listener.Addr().(*net.TCPAddr).Port
	script := filepath.Join(t.TempDir(), "install.sh")
	if err := os.WriteFile(script, s.web.installText(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "sh", script, "--dry-run").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "hostler: would configure the package repository, install hostler-agent, write") {
		t.Errorf("%v\n%s", err, out)
	}
}
