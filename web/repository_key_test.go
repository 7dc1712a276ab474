package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/agent/wire"
)

// keyFile is how an agent tells that it has a file of keys.
func keyFile(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:wire.KeyDigest]
}

// beatWithKeys sends a heartbeat that tells of key files, and returns what the server says of keys.
func (s *server) beatWithKeys(client *http.Client, hostname string, files ...string) *wire.RepositoryKeys {
	s.t.Helper()
	r := s.agentPost(client, wire.PathStatus, wire.StatusRequest{Hostname: hostname, Version: "2", Step: 10, RepoKeys: files})
	var answer wire.StatusReply
	r.json(s.t, &answer)
	return answer.RepoKeys
}

// TestTheSigningKeyIsChangedByPages leads hosts from one key to another, back once, and to the end.
func TestTheSigningKeyIsChangedByPages(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	s.addPackage("tools", "tool-1.0.tar.gz")
	const path = "/trust/repository-key"
	first := s.web.Repo.KeyFingerprint()
	node, _ := s.register("node1.lab.test")
	bare, _ := s.register("node2.lab.test")
	s.register("node3.lab.test") // an agent that knows no keys
	has := keyFile(s.web.Repo.PublicKeyArmored())
	if keys := s.beatWithKeys(node, "node1.lab.test", has); keys != nil {
		t.Errorf("a host that is right is told of %v", keys)
	}
	s.beatWithKeys(bare, "node2.lab.test", wire.NoKeyFile)
	shows(t, "the page", b.get(path), http.StatusOK, first, "Make a new key")
	move := func(on bool, stage string, more ...string) reply {
		t.Helper()
		form := url.Values{"stage": {stage}}
		for _, name := range more {
			form.Set(name, "yes")
		}
		if on {
			return b.post(path+"/advance", form)
		}
		return b.post(path+"/back", form)
	}
	moved := func(on bool, stage string, more ...string) {
		t.Helper()
		if r := move(on, stage, more...); r.location() != path {
			t.Fatalf("from %s it answered %d %s", stage, r.status, r.body)
		}
	}
	moved(true, "none")
	if keys := s.beatWithKeys(node, "node1.lab.test", has); keys != nil {
		t.Errorf("on standby a host is told of %v", keys)
	}
	shows(t, "on standby", b.get(path), http.StatusOK, "Let hosts have it", "Discard the new one")
	moved(true, "standby")
	shows(t, "while both are trusted", b.get(path), http.StatusOK, "1 of 3 hosts have the new key", "2 hosts do not have the new key", "node1.lab.test", "Has the old one", "Its agent has not said")
	if r := move(true, "trusted"); r.status != http.StatusConflict {
		t.Errorf("it goes on without hosts: %d", r.status)
	}
	keys := s.beatWithKeys(node, "node1.lab.test", has)
	if keys == nil || len(keys.Fingerprints) != 2 || keys.Fingerprints[0] != first {
		t.Fatalf("the host is told of %+v", keys)
	}
	has = keyFile([]byte(keys.Armored))
	if again := s.beatWithKeys(node, "node1.lab.test", has); again != nil {
		t.Errorf("it is told again: %+v", again)
	}
	if page := b.get(path); strings.Contains(page.body, "node1.lab.test") || !strings.Contains(page.body, "2 of 3 hosts") {
		t.Error("the host that has both is still behind")
	}
	if r := s.api(get, api+"/repository-key/hosts", ""); !strings.Contains(r.body, `{"host":"node3.lab.test","state":"healthy","keys":"unsaid"}`) {
		t.Errorf("behind are %s", r.body)
	}
	if metrics := b.get("/metrics"); !strings.Contains(metrics.body, "\nhostler_repository_key_hosts_behind 1\n") || !strings.Contains(metrics.body, "\nhostler_repository_channels_stale 0\n") {
		t.Error("the metrics tell otherwise")
	}
	moved(true, "trusted", "force")
	if s.web.Repo.KeyFingerprint() == first {
		t.Error("the old key signs")
	}
	shows(t, "when the new one signs", b.get(path), http.StatusOK, "Drop the old key", "signed with the new key")
	moved(false, "signing")
	moved(true, "trusted", "force")
	moved(true, "signing", "force")
	shows(t, "at the end", b.get(path), http.StatusOK, s.web.Repo.KeyFingerprint(), "Make a new key")
	if keys = s.beatWithKeys(node, "node1.lab.test", has); keys == nil || len(keys.Fingerprints) != 1 || keys.Fingerprints[0] == first {
		t.Errorf("at the end the host is told of %+v", keys)
	}
	shows(t, "the events", b.get("/events"), http.StatusOK, "The change of signing keys went from signing to none, without waiting for all hosts")
	if r := s.api(post, api+"/repository-key/back", `{"stage":"signing"}`); r.status != http.StatusConflict || !strings.Contains(r.body, "key_stage_changed") {
		t.Errorf("back from the end: %d %s", r.status, r.body)
	}
	if r := s.api(post, api+"/repository-key/advance", `{"stage":"resting"}`); r.status != http.StatusUnprocessableEntity {
		t.Errorf("a stage that there is not: %d %s", r.status, r.body)
	}
}
