package web

import (
	"net/http"
	"strings"
	"testing"

	"hostler/db"
)

// TestAnswersAreChecked asks what is wrong with files, and what they would do.
func TestAnswersAreChecked(t *testing.T) {
	s := newServer(t)
	s.register("node1.lab.test")
	check := func(file string) (got answersReply) {
		t.Helper()
		r := s.api(post, api+"/answers/check", toJSON(t, answersRequest{file}))
		if r.status != http.StatusOK {
			t.Fatalf("it was answered with %d: %s", r.status, r.body)
		}
		r.json(t, &got)
		return got
	}
	got := check("hosts: node[1-3].lab.test\nssh: {user: root}\n")
	if len(got.Problems) != 0 || got.Hosts != 3 || got.Known != 1 || len(got.Managed) != 1 || got.Managed[0] != "node1.lab.test" {
		t.Errorf("got %+v", got)
	}
	got = check("hosts: |\n  node1\n  n_x\nssh:\n  prot: 22\n  user: a b\n")
	want := []answerProblem{
		{3, 3, "hosts", "character", "n_x: _ cannot be part of a host name; use letters, digits, hyphens and dots."},
		{5, 3, "ssh.prot", "unknown_near", `There is no key "prot" here; port is meant, perhaps.`},
		{6, 9, "ssh.user", "user_invalid", "This is not a user name. Give the name of a user who may log in by SSH, for example root."},
	}
	if len(got.Problems) != len(want) || got.Hosts != 0 {
		t.Fatalf("got %+v", got)
	}
	for i, p := range got.Problems {
		if p != want[i] {
			t.Errorf("got %+v, want %+v", p, want[i])
		}
	}
	if operations := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 1)); len(operations) > 0 {
		t.Errorf("a check started %+v", operations)
	}
}

// TestInstallsLeaveManagedHostsAlone replays a file: what it starts is what a bootstrap with the same answers is, and
// once all hosts are there it starts nothing.
func TestInstallsLeaveManagedHostsAlone(t *testing.T) {
	s := newServer(t)
	s.register("node1.lab.test")
	key := sshKey(t)
	const file = "cluster: dc1\nparallel: 3\nhosts: |\n  node[1-2].lab.test\n  me@bad.lab.test:2222 rack=/r7\nssh:\n  user: deploy\n  port: 2200\n  become: doas\n  jump:\n    host: bastion\n    user: hop\n"
	install := func(file string, ssh map[string]any) (r reply, got installReply) {
		t.Helper()
		r = s.api(post, api+"/installs", toJSON(t, map[string]any{"answers": file, "ssh": ssh}))
		if r.status < 300 {
			r.json(t, &got)
		}
		return r, got
	}
	r, got := install(file, map[string]any{"private_key": key})
	if r.status != http.StatusCreated || got.OperationID == 0 || got.Hosts != 3 || got.Known != 1 || got.Managed[0] != "node1.lab.test" {
		t.Fatalf("it was answered with %d: %s", r.status, r.body)
	}
	o := must[*db.Operation](t)(s.db.Operation(t.Context(), got.OperationID))
	params := bootstrapParams(o)
	if o.Cluster != "dc1" || o.Parallel != 3 || params.User != "deploy" || params.Port != 2200 || params.Become != "doas" || params.Jump == nil || params.Jump.Host != "bastion" || params.Jump.User != "hop" {
		t.Errorf("the operation is %+v with %+v", o, params)
	}
	tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), o.ID))
	if len(tasks) != 2 || tasks[0].Name != "node2.lab.test" || tasks[1].Name != "bad.lab.test" || !strings.Contains(string(tasks[1].Params), `"rack":"/r7"`) {
		t.Errorf("the tasks are %+v", tasks)
	}
	s.awaitOperation(o.ID, db.Failed)

	// The second time everything is there. Secrets are not even looked at.
	const there = "hosts: node1.lab.test"
	if r, got = install(there, nil); r.status != http.StatusOK || got.OperationID != 0 || got.Known != 1 || got.Hosts != 1 {
		t.Errorf("it was answered with %d: %s", r.status, r.body)
	}
	if last := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 5)); len(last) != 1 {
		t.Errorf("there are operations: %+v", last)
	}

	for name, c := range map[string]struct {
		file string
		ssh  map[string]any
		want string
	}{
		"wrong":     {"hosts: n_x\nprallel: 1", map[string]any{"private_key": key}, "answers=Line 1, column 8: n_x: _ cannot be part of a host name; use letters, digits, hyphens and dots.\nLine 2, column 1: There is no key \"prallel\" here; parallel is meant, perhaps."},
		"by hand":   {"method: manual", nil, "answers=With \"method: manual\" there is nothing to install from here"},
		"no secret": {"hosts: node9.lab.test", nil, "ssh.private_key=Give a private key or a password"},
		"no set":    {"hosts: node9.lab.test credentials=db\ncredentials: {db: {user: dba}}", map[string]any{"private_key": key}, "ssh.others.db.private_key=Give a private key or a password"},
	} {
		r, _ := install(c.file, c.ssh)
		var lines []string
		for field, text := range r.failure(t).Fields {
			lines = append(lines, field+"="+text)
		}
		if r.status != http.StatusUnprocessableEntity || len(lines) != 1 || !strings.HasPrefix(lines[0], c.want) {
			t.Errorf("%s: it was answered with %d: %s", name, r.status, r.body)
		}
	}
}
