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

// check starts the check of a draft's hosts and waits for it.
func (b *browser) check(path, hosts string, want db.State) (id int64) {
	b.s.t.Helper()
	form := b.hostsForm(path, hosts, sshKey(b.s.t))
	form.Set("next", "connections")
	r := b.upload(path+"/hosts", form, scripts)
	if r.status != 200 || !strings.Contains(r.body, path+"/connections") {
		b.s.t.Fatalf("the hosts answered %d %s", r.status, r.body)
	}
	o := must[[]db.Operation](b.s.t)(b.s.db.Operations(b.s.t.Context(), 0, 1))[0]
	if o.Kind != "check" {
		b.s.t.Fatalf("it started %+v", o)
	}
	b.s.awaitOperation(o.ID, want)
	return o.ID
}

func TestWizardChecksConnectionsFirst(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	if r := b.get(path + "/connections"); r.location() != path+"/hosts" {
		t.Errorf("without a check it answered %d %s", r.status, r.location())
	}
	id := b.check(path, "node1.lab.test rack=/r7\nbad.lab.test", db.Failed)
	r := b.get(path + "/connections")
	for _, want := range []string{"node1.lab.test", "SHA256:of-node1.lab.test", "bad.lab.test", "The disk is full", "/connections/mend"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("the page lacks %q: %d", want, r.status)
		}
	}
	tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), id))

	// Nobody is mended by nothing.
	if r := b.upload(path+"/connections/mend", url.Values{"user": {"a b"}, "port": {"x"}}, scripts); r.status != http.StatusUnprocessableEntity || len(r.failure(t).Fields) != 3 {
		t.Errorf("bad fields answered %d %s", r.status, r.body)
	}
	mend := url.Values{"task": {fmt.Sprint(tasks[0].ID), fmt.Sprint(tasks[1].ID)}, "user": {"admin"}, "port": {"2222"}, "sudo_password": {"marker"}}
	if r := b.upload(path+"/connections/mend", mend, scripts); r.status != 200 {
		t.Fatalf("mending answered %d %s", r.status, r.body)
	}
	s.awaitOperation(id, db.Done)
	after := must[[]db.Task](t)(s.db.Tasks(t.Context(), id))
	if after[0].Attempt != 1 || after[1].Attempt != 2 {
		t.Errorf("attempts %d and %d", after[0].Attempt, after[1].Attempt)
	}

	start := url.Values{"version": {b.version(path + "/hosts")}}
	if r := b.post(path+"/connections", start); r.location() != path+"/confirm" {
		t.Fatalf("the start answered %d %s", r.status, r.body)
	}
	o := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 1))[0]
	got := s.taskParams(o.ID)
	if bad := got["bad.lab.test"]; o.Kind != "bootstrap" || bad.User != "admin" || bad.Port != 2222 || bad.Credentials != "mended-1" || got["node1.lab.test"].Labels["rack"] != "/r7" {
		t.Errorf("%s with %+v", o.Kind, got)
	}
	if keys := must[[]db.SSHHostKey](t)(s.db.SSHHostKeys(t.Context(), "node1.lab.test:22")); len(keys) != 1 {
		t.Errorf("the keys are %+v", keys)
	}
	if r := b.post(path+"/connections", start); r.location() != path+"/confirm" {
		t.Errorf("a second click answered %d %s", r.status, r.location())
	}
	if ops := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 10)); len(ops) != 2 {
		t.Errorf("there are %d operations", len(ops))
	}
}

func TestACheckWithoutItsKeyStartsNothing(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	id := b.check(path, "node1.lab.test", db.Done)
	if err := s.web.Engine.Forget(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r := b.post(path+"/connections", url.Values{"version": {b.version(path + "/hosts")}})
	if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "no longer has the key") {
		t.Errorf("it answered %d", r.status)
	}
	if keys := must[[]db.SSHHostKey](t)(s.db.SSHHostKeys(t.Context(), "node1.lab.test:22")); len(keys) != 0 {
		t.Error("keys are trusted all the same")
	}
}

// How the user becomes root is kept in the draft and the operation, and can be mended for hosts where it is another way.
func TestWizardTakesTheWayToBecomeRoot(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	form := b.hostsForm(path, "node1.lab.test\nbad.lab.test", sshKey(t))
	form.Set("become", "runas")
	if r := b.upload(path+"/hosts", form, scripts); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields["become"] == "" {
		t.Fatalf("an unknown way answered %d %s", r.status, r.body)
	}
	form.Set("become", "su")
	form.Set("next", "connections")
	if r := b.upload(path+"/hosts", form, scripts); r.status != 200 {
		t.Fatalf("the hosts answered %d %s", r.status, r.body)
	}
	o := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 1))[0]
	s.awaitOperation(o.ID, db.Failed)
	if got := bootstrapParams(&o).Become; got != bootstrap.BecomeSu {
		t.Errorf("the operation becomes root by %q", got)
	}
	if r := b.get(path + "/hosts"); !strings.Contains(r.body, `<option value="su" selected`) {
		t.Error("the draft forgot the way to become root")
	}

	tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), o.ID))
	mend := url.Values{"task": {fmt.Sprint(tasks[1].ID)}, "become": {"runas"}}
	if r := b.upload(path+"/connections/mend", mend, scripts); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields["become"] == "" {
		t.Errorf("an unknown way to mend answered %d %s", r.status, r.body)
	}
	mend.Set("become", "doas")
	if r := b.upload(path+"/connections/mend", mend, scripts); r.status != 200 {
		t.Fatalf("mending answered %d %s", r.status, r.body)
	}
	s.awaitOperation(o.ID, db.Done)
	all := must[*bootstrap.Credentials](t)(s.web.borrow(t.Context(), o.ID))
	defer all.Wipe()
	if mended := all.Others["mended-1"]; all.Become != bootstrap.BecomeSu || mended == nil || mended.Become != bootstrap.BecomeDoas || len(mended.PrivateKey) == 0 {
		t.Errorf("the credentials are %v with %v", all, all.Others)
	}
}

// The jump host is kept without its secrets, in the draft and in the operation, and can be mended for failed hosts.
func TestWizardTakesAJumpHost(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	form := b.hostsForm(path, "node1.lab.test\nbad.lab.test", sshKey(t))
	form.Set("next", "connections")
	form.Set("jump_user", "hop")
	form.Set("jump_password", "marker-jump")
	for name, value := range map[string]string{"jump_host": "a b", "jump_port": "x", "jump_key": "ssh-rsa AAAA me"} {
		wrong := url.Values{"jump_host": {"bastion.test"}, "jump_port": {"2222"}}
		for k, v := range form {
			wrong[k] = v
		}
		wrong.Set(name, value)
		if r := b.upload(path+"/hosts", wrong, scripts); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields[name] == "" || strings.Contains(r.body, "marker-jump") {
			t.Errorf("%s answered %d %s", name, r.status, r.body)
		}
		form.Set("version", b.version(path+"/hosts"))
	}
	form.Set("jump_host", "bastion.test")
	form.Set("jump_port", "2222")
	if r := b.upload(path+"/hosts", form, scripts); r.status != 200 {
		t.Fatalf("the hosts answered %d %s", r.status, r.body)
	}
	o := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 1))[0]
	s.awaitOperation(o.ID, db.Failed)
	if j := bootstrapParams(&o).Jump; j == nil || *j != (bootstrap.JumpParams{Host: "bastion.test", User: "hop", Port: 2222}) {
		t.Errorf("the operation goes through %+v", j)
	}
	if r := b.get(path + "/hosts"); !strings.Contains(r.body, `value="bastion.test"`) || !strings.Contains(r.body, `value="2222"`) || strings.Contains(r.body, "marker-jump") {
		t.Error("the draft forgot the jump host, or shows its password")
	}

	tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), o.ID))
	mend := url.Values{"task": {fmt.Sprint(tasks[1].ID)}, "jump_port": {"70000"}}
	if r := b.upload(path+"/connections/mend", mend, scripts); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields["jump_port"] == "" {
		t.Errorf("a wrong port answered %d %s", r.status, r.body)
	}
	mend.Set("jump_port", "2022")
	if r := b.upload(path+"/connections/mend", mend, scripts); r.status != 200 {
		t.Fatalf("mending answered %d %s", r.status, r.body)
	}
	s.awaitOperation(o.ID, db.Done)
	all := must[*bootstrap.Credentials](t)(s.web.borrow(t.Context(), o.ID))
	defer all.Wipe()
	mended := all.Others["mended-1"]
	if mended == nil || mended.Jump == nil || mended.Jump.Login.Port != 2022 || mended.Jump.Address != "bastion.test" || string(mended.Jump.Login.Password) != "marker-jump" {
		t.Errorf("the mended credentials are %v", mended)
	}
}

// After a restart the key is asked for again, and the way through the jump host is known.
func TestUnlockKnowsTheJumpHost(t *testing.T) {
	s := newServer(t)
	var started startedReply
	ssh := map[string]any{"private_key": sshKey(t), "jump": map[string]any{"host": "hop@bastion.test:2222"}}
	s.api(post, api+"/bootstraps", toJSON(t, map[string]any{"hosts": "bad.lab.test", "ssh": ssh})).json(t, &started)
	s.awaitOperation(started.OperationID, db.Failed)
	if err := s.web.Engine.Forget(t.Context(), started.OperationID); err != nil {
		t.Fatal(err)
	}
	given := &bootstrap.Credentials{PrivateKey: []byte(sshKey(t))}
	defer given.Wipe()
	if err := s.web.again(t.Context(), started.OperationID, given); err != nil {
		t.Fatal(err)
	}
	if j := given.Jump; j == nil || j.Address != "bastion.test" || j.Login.User != "hop" || j.Login.Port != 2222 || j.Login.Key() != given.Key() {
		t.Errorf("it goes through %+v", j)
	}
}

func TestCheckByProgram(t *testing.T) {
	s := newServer(t)
	ssh := map[string]any{"private_key": sshKey(t), "others": map[string]any{"db": map[string]any{"user": "dba", "password": "secret", "become": "doas"}}}
	var started startedReply
	s.api(post, api+"/checks", toJSON(t, map[string]any{"hosts": "node1.lab.test\ndb1.lab.test credentials=db", "ssh": ssh})).json(t, &started)
	s.awaitOperation(started.OperationID, db.Done)
	if got := s.taskParams(started.OperationID)["db1.lab.test"].Credentials; got != "db" {
		t.Errorf("the host asks for %q", got)
	}
	for field, body := range map[string]map[string]any{
		"ssh.others.web":             {"hosts": "w credentials=web", "ssh": ssh},
		"ssh.jump.host":              {"hosts": "w", "ssh": map[string]any{"password": "x", "jump": map[string]any{"host": "a b"}}},
		"ssh.become":                 {"hosts": "w", "ssh": map[string]any{"password": "x", "become": "runas"}},
		"ssh.others.web.private_key": {"hosts": "w credentials=web", "ssh": map[string]any{"password": "x", "others": map[string]any{"web": nil}}},
	} {
		if r := s.api(post, api+"/checks", toJSON(t, body)); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields[field] == "" {
			t.Errorf("%s answered %d %s", field, r.status, r.body)
		}
	}
}
