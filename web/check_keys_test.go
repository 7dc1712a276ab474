package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/db"
	"hostler/server/bootstrap"
)

// anotherKey is a key that no host shows.
const anotherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK1hIIn3JhukokE7HWW3J8MVL/JsJ52H4hq+j0nATDeF"

func TestKeysOfACheckAreHeldAgainstAFile(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	id := b.check(path, "node1.lab.test, node2.lab.test, node3.lab.test", db.Done)
	file := "node1.lab.test " + shownKey + "\nnode2.lab.test " + anotherKey + "\n"

	var got keysReply
	keys := fmt.Sprintf("%s/checks/%d/keys", api, id)
	s.api(post, keys, "").json(t, &got)
	if len(got.Keys) != 3 || got.Keys[0].Comparison != "" || got.Keys[0].Target != "node1.lab.test:22" {
		t.Errorf("without a file: %+v", got)
	}
	s.api(post, keys, toJSON(t, keysRequest{KnownHosts: &file})).json(t, &got)
	want := []bootstrap.Comparison{bootstrap.KeySame, bootstrap.KeyDiffers, bootstrap.KeyAbsent}
	for i, k := range got.Keys {
		if k.Comparison != want[i] {
			t.Errorf("%s is %q, want %q", k.Host, k.Comparison, want[i])
		}
	}
	bad := "node1.lab.test nonsense"
	if r := s.api(post, keys, toJSON(t, keysRequest{KnownHosts: &bad})); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.failure(t).Fields["known_hosts"], "line 1") {
		t.Errorf("a bad file answered %d %s", r.status, r.body)
	}
	if r := s.api(post, api+"/checks/999/keys", ""); r.status != http.StatusNotFound {
		t.Errorf("no check answered %d", r.status)
	}

	r := b.upload(path+"/connections/compare", url.Values{"known_hosts": {file}}, "text/html")
	if r.status != http.StatusOK || !strings.Contains(r.body, "another key is in the file") || !strings.Contains(r.body, "1 host shows a key") {
		t.Errorf("the page answered %d %s", r.status, r.body)
	}
	// The page knows it when it is loaded again, and starts nothing before somebody says that it is meant.
	if r := b.get(path + "/connections"); !strings.Contains(r.body, "another key is in the file") || !strings.Contains(r.body, `name="despite"`) {
		t.Errorf("the page forgot the file: %d", r.status)
	}
	start := url.Values{"version": {b.version(path + "/hosts")}}
	if r := b.post(path+"/connections", start); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "speaks against a key. Take the host out") {
		t.Errorf("the start answered %d %s", r.status, r.location())
	}
	for _, text := range []string{"", "node1.lab.test nonsense"} {
		if r := b.upload(path+"/connections/compare", url.Values{"known_hosts": {text}}, "text/html"); r.status != http.StatusUnprocessableEntity {
			t.Errorf("the file %q answered %d", text, r.status)
		}
	}
	if keys := must[[]db.SSHHostKey](t)(s.db.SSHHostKeys(t.Context(), "node1.lab.test:22")); len(keys) != 0 {
		t.Errorf("comparing trusts %+v", keys)
	}
	start.Set("despite", "yes")
	if r := b.post(path+"/connections", start); r.location() != path+"/confirm" {
		t.Errorf("the start all the same answered %d %s", r.status, r.body)
	}
}

// The key of the jump host is shown beside those of the hosts, held against the file, and trusted with them.
func TestTheKeyOfTheJumpHostIsShownAndTrusted(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	id := b.check(path, "node1.lab.test", db.Done)
	task := must[[]db.Task](t)(s.db.Tasks(t.Context(), id))[0]
	found := bootstrap.FoundOf(&task)
	found.Jump = &db.SSHHostKey{Target: "bastion.lab.test:2222", Algorithm: "ssh-ed25519", Key: anotherKey, Fingerprint: "SHA256:of-the-bastion", CreatedAt: db.Now()}
	task.Memory = []byte(toJSON(t, found))
	if err := s.db.SaveTask(t.Context(), &task); err != nil {
		t.Fatal(err)
	}
	file := "[bastion.lab.test]:2222 " + anotherKey + "\n"
	var got keysReply
	s.api(post, fmt.Sprintf("%s/checks/%d/keys", api, id), toJSON(t, keysRequest{KnownHosts: &file})).json(t, &got)
	if len(got.Keys) != 2 || !got.Keys[0].Jump || got.Keys[0].Host != "bastion.lab.test" || got.Keys[0].Comparison != bootstrap.KeySame || got.Keys[1].Jump {
		t.Errorf("the keys are %+v", got.Keys)
	}
	if r := b.get(path + "/connections"); !strings.Contains(r.body, "SHA256:of-the-bastion") || !strings.Contains(r.body, "Jump host") {
		t.Errorf("the page lacks the jump host's key: %d", r.status)
	}
	if r := b.post(path+"/connections", url.Values{"version": {b.version(path + "/hosts")}}); r.location() != path+"/confirm" {
		t.Fatalf("the start answered %d %s", r.status, r.body)
	}
	if keys := must[[]db.SSHHostKey](t)(s.db.SSHHostKeys(t.Context(), "bastion.lab.test:2222")); len(keys) != 1 {
		t.Errorf("the trusted keys are %+v", keys)
	}
}

// A host that is taken out is in nobody's way any more, and a file that speaks against nothing neither.
func TestAHostWithAnotherKeyCanBeTakenOut(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	id := b.check(path, "node1.lab.test, bad.lab.test", db.Failed)
	file := "bad.lab.test " + anotherKey + "\n"
	if r := b.upload(path+"/connections/compare", url.Values{"known_hosts": {file}}, "text/html"); r.status != http.StatusOK {
		t.Fatalf("comparing answered %d %s", r.status, r.body)
	}
	start := url.Values{"version": {b.version(path + "/hosts")}}
	if r := b.post(path+"/connections", start); r.status != http.StatusUnprocessableEntity {
		t.Errorf("the start answered %d %s", r.status, r.location())
	}
	tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), id))
	s.api(post, fmt.Sprintf("%s/operations/%d/skip", api, id), toJSON(t, map[string]any{"tasks": []int64{tasks[1].ID}}))
	if r := b.post(path+"/connections", start); r.location() != path+"/confirm" {
		t.Errorf("without the host the start answered %d %s", r.status, r.body)
	}
}
