package web

import (
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/bearer"
)

const scripts = "application/json"

func (b *browser) hostsForm(path, hosts, key string) url.Values {
	b.s.t.Helper()
	return url.Values{"version": {b.version(path + "/hosts")}, "hosts": {hosts}, "method": {"ssh"}, "user": {"root"}, "port": {"22"}, "key_file": {key}}
}

func TestWizard(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1-prod")
	r := b.upload(path+"/hosts", b.hostsForm(path, "node[1-4].lab.test", sshKey(t)), scripts)
	var next struct{ Location string }
	r.json(t, &next)
	if r.status != 200 || next.Location != path+"/confirm" {
		t.Fatalf("the hosts answered %d %s", r.status, r.body)
	}
	o := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 10))
	if len(o) != 1 || o[0].Cluster != "dc1-prod" || o[0].CreatedBy != testUser {
		t.Fatalf("the operations are %+v", o)
	}
	s.awaitOperation(o[0].ID, db.Done)
	if r := b.get(path + "/confirm"); r.status != 200 || !strings.Contains(r.body, "node4.lab.test") {
		t.Errorf("the confirm page answered %d: %s", r.status, r.body)
	}
	if r := b.get(path + "/summary"); r.status != 200 || !strings.Contains(r.body, "node4.lab.test") {
		t.Errorf("the summary answered %d: %s", r.status, r.body)
	}
	if r := b.post(path+"/finish", nil); r.location() != "/hosts" {
		t.Errorf("the end answered %d %s", r.status, r.location())
	}
	if r := b.get(path + "/summary"); r.status != http.StatusNotFound {
		t.Errorf("a finished draft answered %d", r.status)
	}
}

func TestWizardKeepsWhatWasTyped(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	key := sshKey(t)
	form := b.hostsForm(path, "node1.lab.test\nweb[9-3]", key)
	form.Set("password", "marker-password")
	r := b.upload(path+"/hosts", form, "text/html")
	if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "web[9-3]") || !strings.Contains(r.body, "node1.lab.test") {
		t.Errorf("the page answered %d: %s", r.status, r.body)
	}
	if strings.Contains(r.body, "PRIVATE KEY-----\nb3B") || strings.Contains(r.body, "marker-password") {
		t.Error("secrets were sent back")
	}
	for _, c := range []struct{ field, name, value string }{
		{"hosts", "hosts", ""},
		{"key", "key_file", strings.Repeat("k", 5<<20)},
		{"port", "port", "x"},
		{"port", "port", "70000"},
		{"hosts", "hosts", strings.Repeat("node\n", 1<<19)},
		{"key", "key_file", "ssh-rsa AAAA me"},
		{"password", "password", strings.Repeat("p", 1<<16)},
		{"user", "user", "a b"},
	} {
		form := b.hostsForm(path, "node1.lab.test", key)
		form.Set(c.name, c.value)
		r := b.upload(path+"/hosts", form, scripts)
		if r.status != http.StatusUnprocessableEntity || r.failure(t).Fields[c.field] == "" {
			t.Errorf("%s %.20q answered %d %.300s", c.name, c.value, r.status, r.body)
		}
	}
	if ops := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 10)); len(ops) != 0 {
		t.Errorf("%d operations were started", len(ops))
	}
}

func TestAKeyInTheWrongFieldIsNotKept(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	key := sshKey(t)
	marker := strings.Split(key, "\n")[1]
	version := b.version(path + "/hosts")
	check := func(r reply, field string) {
		t.Helper()
		if r.status != http.StatusUnprocessableEntity || r.failure(t).Fields[field] == "" || strings.Contains(r.body, marker) {
			t.Errorf("a key for the %s answered %d %s", field, r.status, r.body)
		}
	}
	for _, field := range []string{"cluster", "hosts", "user"} {
		check(b.save(path, toJSON(t, map[string]any{"version": 2, field: key})), field)
	}
	for _, field := range []string{"hosts", "user"} {
		for _, method := range []string{"ssh", "manual"} {
			form := b.hostsForm(path, "node1.lab.test", key)
			form.Set("method", method)
			form.Set(field, key)
			check(b.upload(path+"/hosts", form, scripts), field)
			if r := b.upload(path+"/hosts", form, "text/html"); r.status != http.StatusUnprocessableEntity || strings.Contains(r.body, marker) {
				t.Errorf("a key for the %s answered %d: %s", field, r.status, r.body)
			}
		}
	}
	if r := b.post(path+"/start", url.Values{"version": {version}, "cluster": {key}}); r.status != http.StatusUnprocessableEntity || strings.Contains(r.body, marker) {
		t.Errorf("a key for the cluster answered %d: %s", r.status, r.body)
	}
	for field, body := range map[string]map[string]any{
		"hosts":    {"hosts": key, "ssh": map[string]any{"private_key": key}},
		"cluster":  {"hosts": "node1", "cluster": key, "ssh": map[string]any{"private_key": key}},
		"ssh.user": {"hosts": "node1", "ssh": map[string]any{"user": key, "private_key": key}},
	} {
		check(s.api(post, api+"/bootstraps", toJSON(t, body)), field)
	}
	if d := must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))[0]; fmt.Sprint(d.Version) != version {
		t.Errorf("the draft was stored: %+v", d)
	}
}

func TestDoubleClickStartsOnce(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	form := b.hostsForm(path, "slow.lab.test", sshKey(t))
	var clicks sync.WaitGroup
	for range 4 {
		clicks.Go(func() {
			if r := b.upload(path+"/hosts", form, scripts); r.status != 200 || !strings.Contains(r.body, path+"/confirm") {
				t.Errorf("a click answered %d %s", r.status, r.body)
			}
		})
	}
	clicks.Wait()
	if ops := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 10)); len(ops) != 1 {
		t.Errorf("%d operations were started", len(ops))
	}
	close(s.release)
}

// TestAHostIsSetUpOnce holds what a server killed between starting an operation and noting it in the draft leaves.
func TestAHostIsSetUpOnce(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	id := s.startBootstrap("slow.lab.test, node1.lab.test")
	path := b.newDraft("dc1")
	busy := fmt.Sprintf("slow.lab.test is being set up by operation %d", id)
	r := b.upload(path+"/hosts", b.hostsForm(path, "node2.lab.test, slow.lab.test", sshKey(t)), scripts)
	if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.failure(t).Fields["hosts"], busy) ||
		!strings.Contains(r.body, operationPath(id)) {
		t.Errorf("the wizard answered %d %s", r.status, r.body)
	}
	body := toJSON(t, map[string]any{"hosts": "slow.lab.test", "ssh": map[string]any{"private_key": sshKey(t)}})
	if r := s.api(post, api+"/bootstraps", body); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.failure(t).Fields["hosts"], busy) {
		t.Errorf("the API answered %d %s", r.status, r.body)
	}
	close(s.release)
	s.awaitOperation(id, db.Done)
	if r := b.upload(path+"/hosts", b.hostsForm(path, "slow.lab.test", sshKey(t)), scripts); r.status != 200 {
		t.Errorf("after the operation's end the wizard answered %d %s", r.status, r.body)
	}
}

func TestStaleDraft(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	old := b.hostsForm(path, "mine.lab.test", sshKey(t))
	draft := fmt.Sprintf(`{"version":%s,"hosts":"theirs.lab.test","method":"ssh","user":"root","port":null}`, old.Get("version"))
	r := b.save(path, draft)
	var saved savedReply
	if r.json(t, &saved); r.status != 200 || fmt.Sprint(saved.Version) == old.Get("version") {
		t.Fatalf("saving answered %d %s", r.status, r.body)
	}
	for _, r := range []reply{b.save(path, draft), b.upload(path+"/hosts", old, scripts)} {
		if r.status != http.StatusConflict || r.failure(t).Code != "stale" {
			t.Errorf("a stale version answered %d %s", r.status, r.body)
		}
	}
	if r := b.save(path, `{"version":3,"key":"secret"}`); r.status != http.StatusBadRequest || r.failure(t).Fields["key"] == "" {
		t.Errorf("a draft with a key answered %d %s", r.status, r.body)
	}
	r = b.upload(path+"/hosts", old, "text/html")
	if r.status != http.StatusConflict || !strings.Contains(r.body, "mine.lab.test") {
		t.Errorf("the page answered %d, and what was typed is lost: %s", r.status, r.body)
	}
	if r := b.get(path + "/hosts"); !strings.Contains(r.body, "theirs.lab.test") {
		t.Errorf("the other's draft was overwritten: %s", r.body)
	}
	if r := b.post(path+"/start", url.Values{"cluster": {"dc2"}, "version": {"1"}}); r.status != http.StatusConflict || !strings.Contains(r.body, "dc2") {
		t.Errorf("the first step answered %d", r.status)
	}
}

func TestDraftsSurviveARestart(t *testing.T) {
	s := newServer(t)
	path := s.setUp().newDraft("dc1")
	s.restart()
	b := s.session()
	if r := b.get(path); r.location() != path+"/hosts" {
		t.Errorf("the draft goes on at %d %s", r.status, r.location())
	}
	if r := b.get("/wizards"); !strings.Contains(r.body, path+"/hosts") {
		t.Errorf("the draft is not listed: %s", r.body)
	}
	if r := b.post(path+"/discard", nil); r.location() != "/wizards" {
		t.Errorf("discarding answered %d", r.status)
	}
	if r := b.get(path + "/hosts"); r.status != http.StatusNotFound {
		t.Errorf("a discarded draft answered %d", r.status)
	}
}

func TestManualRegistration(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	form := url.Values{"version": {b.version(path + "/hosts")}, "hosts": {""}, "method": {"manual"}}
	if r := b.upload(path+"/hosts", form, scripts); !strings.Contains(r.body, path+"/manual") {
		t.Fatalf("the hosts answered %d %s", r.status, r.body)
	}
	page := b.get(path + "/manual")
	draft := must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))[0]
	token, ok := s.web.tokens.get(draft.ID, db.Now())
	if !ok || !strings.Contains(page.body, token.secret) || !strings.Contains(page.body, s.web.CA.Pin()) {
		t.Fatalf("the page has no commands: %s", page.body)
	}
	if again := b.get(path + "/manual"); !strings.Contains(again.body, token.secret) {
		t.Error("loading the page again changed the token")
	}
	if !strings.Contains(page.body, `action="`+path+`/token"`) {
		t.Error("the page has no button for a new token")
	}
	if r := b.post(path+"/token", nil); r.location() != path+"/manual" {
		t.Errorf("the renewal answered %d %s", r.status, r.location())
	}
	renewed, _ := s.web.tokens.get(draft.ID, db.Now())
	if fresh := b.get(path + "/manual").body; !strings.Contains(fresh, renewed.secret) || strings.Contains(fresh, token.secret) {
		t.Error("the page does not have the new token alone")
	}

	request, _ := newCSR(t, "byhand.lab.test")
	enrol := func(secret string) reply {
		return send(t, s.hostClient(nil), post, s.handshake.URL+wire.PathEnroll, strings.NewReader(
			toJSON(t, wire.EnrollRequest{Hostname: "byhand.lab.test", Token: secret, CSR: request})), nil)
	}
	if r := enrol(token.secret); r.failure(t).Code != "token_ended" {
		t.Errorf("the token before the renewal answered %d %s", r.status, r.body)
	}
	if r := enrol(renewed.secret); r.status != 200 {
		t.Fatalf("the token is not good: %s", r.body)
	}
	row := must[*db.EnrolToken](t)(s.db.EnrolToken(t.Context(), bearer.Hash(renewed.secret)))
	if row.UsesLeft != manualUses-1 || *row.DraftID != draft.ID || row.Cluster != "dc1" {
		t.Errorf("the token is %+v", row)
	}
}

// A page that stays open asks anew all the time, and the commands on it must not be those of a token that somebody else was
// given meanwhile, nor may a page that nobody looks at make tokens for ever.
func TestAPageOfCommandsMakesNoFurtherToken(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	form := url.Values{"version": {b.version(path + "/hosts")}, "hosts": {""}, "method": {"manual"}}
	b.upload(path+"/hosts", form, scripts)
	first := b.get(path + "/manual").body
	draft := must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))[0]
	token, _ := s.web.tokens.get(draft.ID, db.Now())
	over := func(body string) bool {
		return !strings.Contains(body, token.secret) && strings.Contains(body, `<div data-value-none="uses">`) &&
			strings.Contains(body, `<div data-value-show="uses" hidden>`) && strings.Contains(body, `<span data-value="uses">0</span>`)
	}
	if over(first) || !strings.Contains(first, `data-refetch-in="`) {
		t.Fatalf("the first page has no commands:\n%s", first)
	}
	var ahead atomic.Int64
	now := s.web.Options.Now
	s.web.Options.Now = func() time.Time { return now().Add(time.Duration(ahead.Load())) }
	for _, end := range []struct {
		what string
		do   func()
	}{
		{"it has expired", func() { ahead.Store(int64(manualLifetime)) }},
		{"the server does not know it", func() { ahead.Store(0); s.web.tokens.forget(draft.ID) }},
	} {
		end.do()
		for range 2 {
			if body := b.get(path + "/manual").body; !over(body) {
				t.Errorf("when %s, the page is\n%s", end.what, body)
			}
		}
		if tokens, _, err := s.db.EnrolTokens(t.Context(), db.EnrolTokenQuery{}); err != nil || len(tokens) != 1 {
			t.Errorf("when %s, there are %d tokens (%v)", end.what, len(tokens), err)
		}
	}
	b.post(path+"/token", nil)
	if renewed, _ := s.web.tokens.get(draft.ID, db.Now()); over(b.get(path+"/manual").body) || renewed.secret == token.secret {
		t.Error("the new token makes no commands")
	}
}

func TestTokensEndWithTheirDraft(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	ended := func(secret string) bool {
		t.Helper()
		return must[*db.EnrolToken](t)(s.db.EnrolToken(t.Context(), bearer.Hash(secret))).State(db.Now()) == db.EnrolTokenEnded
	}
	for _, end := range []string{"/discard", "/finish"} {
		path := b.newDraft("dc1")
		form := url.Values{"version": {b.version(path + "/hosts")}, "hosts": {""}, "method": {"manual"}}
		b.upload(path+"/hosts", form, scripts)
		b.get(path + "/manual")
		draft := must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))[0]
		first, _ := s.web.tokens.get(draft.ID, db.Now())
		s.restart()
		b = s.session()
		b.post(path+"/token", nil)
		second, _ := s.web.tokens.get(draft.ID, db.Now())
		if first.secret == second.secret || !ended(first.secret) || ended(second.secret) {
			t.Errorf("after a restart the first token ended: %t, the second: %t", ended(first.secret), ended(second.secret))
		}
		b.post(path+end, nil)
		if !ended(second.secret) {
			t.Errorf("a token outlived its draft's %s", end)
		}
	}
}

// TestCommandsAreShell holds that what people are to copy is a script that a shell understands.
func TestCommandsAreShell(t *testing.T) {
	s := newServer(t)
	for _, g := range s.web.commands("token") {
		if g.Family == "installer" {
			continue // those are files, see TestInstallersRunTheInstallScript
		}
		for _, c := range g.Commands {
			check := exec.CommandContext(t.Context(), "sh", "-n")
			check.Stdin = strings.NewReader(c.Text)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s %s: %v %s\n%s", g.Family, c.Code, err, out, c.Text)
			}
		}
	}
}

func TestOperationPageButtons(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	id := s.startBootstrap("bad1.lab.test, bad2.lab.test")
	s.awaitOperation(id, db.Failed)
	tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), id))
	path := operationPath(id)
	if r := b.get(path); r.status != 200 || !strings.Contains(r.body, "bad2.lab.test") {
		t.Errorf("the page answered %d", r.status)
	}
	if r := b.get(fmt.Sprintf("%s/tasks/%d", path, tasks[0].ID)); r.status != 200 || !strings.Contains(r.body, "hello bad1.lab.test") {
		t.Errorf("the task's page answered %d: %s", r.status, r.body)
	}
	if r := b.post(path+"/skip", url.Values{"only": {fmt.Sprint(tasks[0].ID)}}); r.location() != path {
		t.Errorf("removing answered %d %s", r.status, r.location())
	}
	if r := b.post(path+"/retry", url.Values{"all": {"failed"}, "next": {"//evil.example"}}); r.location() != path {
		t.Errorf("the retry answered %d %s", r.status, r.location())
	}
	s.awaitOperation(id, db.Done)
	done := must[map[db.State]int](t)(s.db.CountTasks(t.Context(), id))
	if done[db.Done] != 1 || done[db.Skipped] != 1 {
		t.Errorf("the tasks are %v", done)
	}
	if r := b.post(path+"/cancel", nil); r.location() != path {
		t.Errorf("cancelling what has ended answered %d", r.status)
	}
}

func TestUnlockPage(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	id := s.startBootstrap("bad.lab.test")
	s.awaitOperation(id, db.Failed)
	s.restart()
	path := operationPath(id)
	if r := b.upload(path+"/unlock", url.Values{"key": {"nonsense"}}, scripts); r.failure(t).Fields["key"] == "" {
		t.Errorf("nonsense answered %d %s", r.status, r.body)
	}
	if r := b.upload(path+"/unlock", url.Values{"key": {"nonsense"}}, "text/html"); r.status != 422 || strings.Contains(r.body, "nonsense") {
		t.Errorf("nonsense answered %d %s", r.status, r.body)
	}
	if r := b.upload(path+"/unlock", url.Values{"key": {sshKey(t)}, "next": {path}}, "text/html"); r.location() != path {
		t.Errorf("the key answered %d %s", r.status, r.body)
	}
	s.awaitOperation(id, db.Done)
}
