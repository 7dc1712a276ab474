package web

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hostler/repo"
	"hostler/server/trust"
	setupscripts "hostler/setup-scripts"
)

// publishAgent has the repository serve packages of an agent that does nothing.
func (s *server) publishAgent() {
	s.t.Helper()
	agents := map[string][]byte{"amd64": []byte("#!/bin/sh\n"), "arm64": []byte("#!/bin/sh\n:\n")}
	if err := s.web.Repo.PublishAgent(s.t.Context(), repo.Agent{Version: "1.0.0", Binaries: agents}); err != nil {
		s.t.Fatal(err)
	}
}

// unpack unpacks an archive for a token as a person does, and returns the directory.
func unpack(t *testing.T, archive string, id int64) string {
	t.Helper()
	dir := t.TempDir()
	tar := exec.CommandContext(t.Context(), "tar", "-x", "-C", dir)
	tar.Stdin = strings.NewReader(archive)
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, fmt.Sprintf("hostler-agent-%d", id))
}

func TestArchivesToCarryOver(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	s.reachable(s.handshake)
	s.web.Options.Script, s.web.Options.SecuredPort = setupscripts.Script(), s.secured.Listener.Addr().(*net.TCPAddr).Port
	made := s.enrolToken(trust.TokenRequest{})
	call, link := fmt.Sprintf("%s/enrol-tokens/%d/archive", api, made.ID), fmt.Sprintf("/trust/tokens/%d/archive", made.ID)
	if r := s.api(get, call, ""); r.status != http.StatusServiceUnavailable || r.failure(t).Code != "no_packages" {
		t.Errorf("before the packages are there it answered %d %.200s", r.status, r.body)
	}
	s.publishAgent()
	if r := b.get(fmt.Sprintf("/trust/tokens/%d", made.ID)); !strings.Contains(r.body, link) {
		t.Error("the token's page has no archive")
	}
	shown, called := b.get(link), s.api(get, call, "")
	if shown.status != http.StatusOK || called.status != http.StatusOK || len(shown.body) != len(called.body) {
		t.Fatalf("the page answered %d, the API %d", shown.status, called.status)
	}
	dir := unpack(t, called.body, made.ID)
	var names []string
	for _, f := range must[[]os.DirEntry](t)(os.ReadDir(dir)) {
		names = append(names, f.Name())
	}
	want := []string{
		"SHA256SUMS", "ca.pem", "hostler-agent-1.0.0-1.aarch64.rpm", "hostler-agent-1.0.0-1.x86_64.rpm", "hostler-agent-linux-amd64.tar.gz",
		"hostler-agent-linux-arm64.tar.gz", "hostler-agent_1.0.0_amd64.deb", "hostler-agent_1.0.0_arm64.deb", "install.sh", "key.asc", "setup-agent.sh", "token",
	}
	if !slices.Equal(names, want) {
		t.Errorf("it has %q", names)
	}
	if stat := must[os.FileInfo](t)(os.Stat(filepath.Join(dir, "token"))); stat.Mode().Perm() != 0o600 {
		t.Errorf("everybody on the host may read the token: %v", stat.Mode())
	}
	if token := must[[]byte](t)(os.ReadFile(filepath.Join(dir, "token"))); string(token) != made.Token+"\n" {
		t.Errorf("the token in it is another one")
	}
	install := filepath.Join(dir, "install.sh")
	for option, want := range map[string]string{
		"--dry-run": "hostler: would configure the package repository, install hostler-agent, write", "--help": "--no-start", "--dance": "there is no option --dance",
	} {
		out, err := exec.CommandContext(t.Context(), "sh", install, option).CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", option, err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "hostler-agent_1.0.0_amd64.deb"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "sh", install, "--dry-run").CombinedOutput(); err == nil || !strings.Contains(string(out), "verification-failed") {
		t.Errorf("a damaged archive: %v\n%s", err, out)
	}
	told := s.api(get, api+"/audit?action=enrol_token.archive", "")
	if strings.Count(told.body, `"enrol_token.archive"`) < 2 || strings.Contains(told.body, made.Token) {
		t.Errorf("recorded is %s", told.body)
	}
	s.api(post, fmt.Sprintf("%s/enrol-tokens/%d/end", api, made.ID), "{}")
	if r := s.api(get, call, ""); r.status != http.StatusGone || r.failure(t).Code != "token_over" {
		t.Errorf("that of an ended token answered %d %.200s", r.status, r.body)
	}
}

func TestArchiveOfTheWizardsToken(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	s.publishAgent()
	path := b.newDraft("dc1")
	if r := b.post(path+"/hosts", url.Values{"method": {"manual"}, "hosts": {""}, "version": {b.version(path + "/hosts")}}); r.location() != path+"/manual" {
		t.Fatalf("it answered %d %s", r.status, r.location())
	}
	link := func() string { return archiveLink.FindString(b.get(path + "/manual").body) }
	first := link()
	if r := b.get(first); r.status != http.StatusOK || !strings.HasPrefix(r.body, "hostler-agent-") {
		t.Fatalf("%s answered %d", first, r.status)
	}
	b.post(path+"/token", nil)
	if r := b.get(first); r.status != http.StatusGone {
		t.Errorf("that of the former token answered %d", r.status)
	}
	if second := link(); second == first || b.get(second).status != http.StatusOK {
		t.Errorf("the new token has %q, the former one had %q", second, first)
	}
}

var archiveLink = regexp.MustCompile(`/trust/tokens/\d+/archive`)
