package web

import (
	"fmt"
	"strings"
	"testing"

	"hostler/db"
	"hostler/server/event"
)

// changedKey starts a bootstrap of a host that was installed anew and waits until it has failed.
func (s *server) changedKey(name string) (operationID int64, task db.Task) {
	s.t.Helper()
	key := db.SSHHostKey{Target: name + ":22", Algorithm: "ssh-ed25519", Key: "ssh-ed25519 AAAA", Fingerprint: "SHA256:old", CreatedAt: db.Now()}
	if err := s.db.TrustSSHHostKey(s.t.Context(), &key); err != nil {
		s.t.Fatal(err)
	}
	operationID = s.startBootstrap(name + ", bad.lab.test")
	s.awaitOperation(operationID, db.Failed)
	return operationID, must[[]db.Task](s.t)(s.db.Tasks(s.t.Context(), operationID))[0]
}

// wantForgotten checks that a host's key is forgotten, by whom, and that its task ran again.
func (s *server) wantForgotten(task db.Task, actor string) {
	s.t.Helper()
	if keys := must[[]db.SSHHostKey](s.t)(s.db.SSHHostKeys(s.t.Context(), task.Name+":22")); len(keys) != 0 {
		s.t.Errorf("the keys are %+v", keys)
	}
	again := must[*db.Task](s.t)(s.db.Task(s.t.Context(), task.ID))
	if again.State != db.Done || again.Attempt != 2 {
		s.t.Errorf("the task is %+v", again)
	}
	told := 0
	for _, e := range must[[]db.Event](s.t)(s.db.Events(s.t.Context(), db.EventQuery{Limit: 50})) {
		if e.Kind != event.HostKeyForgotten || e.Params["host"] != task.Name {
			continue
		}
		told++
		if e.Actor != actor || e.Params["target"] != task.Name+":22" || e.Params["fingerprint"] != "SHA256:old" || *e.OperationID != task.OperationID {
			s.t.Errorf("the event is %+v", e)
		}
	}
	if told != 1 {
		s.t.Errorf("%d events tell of the key", told)
	}
}

func TestForgetHostKey(t *testing.T) {
	s := newServer(t)
	id, task := s.changedKey("anew1.lab.test")
	path := func(taskID int64) string {
		return fmt.Sprintf("%s/operations/%d/tasks/%d/forget-host-key", api, id, taskID)
	}
	if r := s.api(post, path(task.ID+1), ""); r.failure(t).Code != "nothing_to_do" {
		t.Errorf("a task that failed otherwise answered %d %s", r.status, r.body)
	}
	if r := s.api(post, path(task.ID), ""); r.status != 200 || !strings.Contains(r.body, `"tasks":1`) {
		t.Fatalf("it answered %d %s", r.status, r.body)
	}
	s.awaitOperation(id, db.Failed) // because of the other host
	s.wantForgotten(task, "token:ci")
	if r := s.api(post, path(task.ID), ""); r.failure(t).Code != "nothing_to_do" {
		t.Errorf("a second time it answered %d %s", r.status, r.body)
	}
}

func TestForgetHostKeyForm(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	id, task := s.changedKey("anew2.lab.test")
	path := fmt.Sprintf("%s/tasks/%d", operationPath(id), task.ID)
	body := b.get(path).body
	for _, want := range []string{path + "/forget-host-key", "SHA256:old", "SHA256:new"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
	if other := fmt.Sprintf("%s/tasks/%d", operationPath(id), task.ID+1); strings.Contains(b.get(other).body, "forget-host-key") {
		t.Error("the page of a task that failed otherwise offers to trust a key")
	}
	if r := b.post(path+"/forget-host-key", nil); r.location() != operationPath(id) {
		t.Fatalf("it answered %d %s", r.status, r.location())
	}
	s.awaitOperation(id, db.Failed)
	s.wantForgotten(task, testUser)
	if strings.Contains(b.get(path).body, "forget-host-key") {
		t.Error("the page still offers to trust the key")
	}
}

// Without the operation's secrets the key is forgotten once, and a retry has to wait for them.
func TestForgetHostKeyAfterRestart(t *testing.T) {
	s := newServer(t)
	id, task := s.changedKey("anew3.lab.test")
	s.restart()
	path := fmt.Sprintf("%s/operations/%d/tasks/%d/forget-host-key", api, id, task.ID)
	if r := s.api(post, path, ""); r.failure(t).Code != "secrets_needed" {
		t.Errorf("it answered %d %s", r.status, r.body)
	}
	if r := s.api(post, path, toJSON(t, map[string]any{"ssh": map[string]any{"private_key": sshKey(t)}})); r.status != 200 {
		t.Fatalf("with the key it answered %d %s", r.status, r.body)
	}
	s.awaitOperation(id, db.Failed)
	s.wantForgotten(task, "token:ci")
}
