package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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

// TestWizardRoundTrip saves a wizard's answers, fills another wizard from the file, and starts both: the operations are
// alike, and so is the one of the file that the first operation is saved as.
func TestWizardRoundTrip(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	const marker = "hunter2marker"
	draft := b.newDraft("dc1")
	form := b.hostsForm(draft, "node[1-2].lab.test rack=/r7\nme@bad.lab.test:2222 # later", sshKey(t))
	for field, value := range map[string]string{
		"user": "deploy", "port": "2200", "become": "su", "sudo_password": marker, "password": marker, "jump_host": "bastion", "jump_port": "2022", "jump_password": marker,
	} {
		form.Set(field, value)
	}
	if r := b.upload(draft+"/hosts", form, scripts); r.status != http.StatusOK {
		t.Fatalf("it was answered with %d: %s", r.status, r.body)
	}
	first := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 1))[0]
	s.awaitOperation(first.ID, db.Failed)
	saved := b.get(draft + "/answers.yaml")
	if saved.status != http.StatusOK || !strings.Contains(saved.header.Get("Content-Disposition"), "answers.yaml") || !strings.Contains(saved.body, "  node[1-2].lab.test rack=/r7\n  me@bad.lab.test:2222 # later\n") {
		t.Errorf("it was answered with %d:\n%s", saved.status, saved.body)
	}
	ofOperation := b.get(operationPath(first.ID) + "/answers.yaml")
	byAPI := s.api(get, fmt.Sprintf("%s/operations/%d/answers", api, first.ID), "")
	if ofOperation.status != http.StatusOK || byAPI.body != ofOperation.body {
		t.Errorf("it was answered with %d:\n%s\nby the API:\n%s", ofOperation.status, ofOperation.body, byAPI.body)
	}
	if page := b.get(operationPath(first.ID)).body; !strings.Contains(page, operationPath(first.ID)+"/answers.yaml") {
		t.Error("the operation's page does not offer it")
	}
	if page := b.get(draft + "/summary").body; !strings.Contains(page, draft+"/answers.yaml") {
		t.Error("the wizard's last step does not offer it")
	}
	for _, r := range []reply{saved, ofOperation} {
		if strings.Contains(r.body, marker) || strings.Contains(r.body, "PRIVATE KEY") {
			t.Errorf("a secret is in the file:\n%s", r.body)
		}
	}

	want := operationSaid(t, s, first.ID)
	for _, file := range []reply{saved, ofOperation} {
		again := b.newDraft("another")
		r := b.upload(again+"/answers", url.Values{"answers": {file.body}}, "text/html")
		if r.status != http.StatusSeeOther || r.location() != again+"/hosts" {
			t.Fatalf("it was answered with %d %s: %s", r.status, r.location(), r.body)
		}
		d := must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))
		filled := d[slices.IndexFunc(d, func(d db.Draft) bool { return wizardPath(d.ID, "hosts") == again+"/hosts" })]
		form := b.hostsForm(again, filled.Hosts, sshKey(t))
		for field, value := range map[string]string{
			"user": filled.SSHUser, "port": strconv.Itoa(filled.SSHPort), "become": filled.SSHBecome, "jump_host": filled.JumpHost, "jump_user": filled.JumpUser,
			"jump_port": strconv.Itoa(filled.JumpPort), "version": strconv.Itoa(filled.Version),
		} {
			form.Set(field, value)
		}
		if r := b.upload(again+"/hosts", form, scripts); r.status != http.StatusOK {
			t.Fatalf("it was answered with %d: %s", r.status, r.body)
		}
		last := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 1))[0]
		s.awaitOperation(last.ID, db.Failed)
		if got := operationSaid(t, s, last.ID); got != want {
			t.Errorf("the second operation was\n%s\nthe first\n%s", got, want)
		}
	}
}

// operationSaid is what an operation was started with, but for the key.
func operationSaid(t *testing.T, s *server, id int64) string {
	t.Helper()
	o := must[*db.Operation](t)(s.db.Operation(t.Context(), id))
	p := bootstrapParams(o)
	said := fmt.Sprintf("%s %s %d %s through %s@%s:%d\n", o.Cluster, p.User, p.Port, p.Become, p.Jump.User, p.Jump.Host, p.Jump.Port)
	for _, task := range must[[]db.Task](t)(s.db.Tasks(t.Context(), id)) {
		said += task.Name + " " + string(task.Params) + "\n"
	}
	return said
}

// TestWizardRefusesWrongAnswers loads files that are not right: they are told what at their lines, and the draft stays.
func TestWizardRefusesWrongAnswers(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	draft := b.newDraft("dc1")
	r := b.upload(draft+"/answers", url.Values{"answers": {"hosts: n_x\nssh:\n  password: hunter2marker\n"}}, "text/html")
	for _, want := range []string{"Line 1, column 8: n_x: _ cannot be part", "Line 3, column 3: A secret has no place in an answer file"} {
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, want) {
			t.Errorf("it was answered with %d without %q:\n%s", r.status, want, r.body)
		}
	}
	if strings.Contains(r.body, "hunter2marker") {
		t.Error("the secret came back")
	}
	if r := b.upload(draft+"/answers", url.Values{"answers": {"hosts: " + strings.Repeat("n", 1<<20)}}, scripts); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.failure(t).Fields["answers"], "1048576 bytes") {
		t.Errorf("it was answered with %d: %s", r.status, r.body)
	}
	if d := must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))[0]; d.Hosts != "" || d.Cluster != "dc1" {
		t.Errorf("the draft became %+v", d)
	}
	// What the wizard has no place for is said, and a name that it would not take leads to where it is mended.
	r = b.upload(draft+"/answers", url.Values{"answers": {"cluster: two words\nhosts: node1\nparallel: 9\n"}}, "text/html")
	if r.status != http.StatusSeeOther || r.location() != draft+"/start" {
		t.Errorf("it was answered with %d %s", r.status, r.location())
	}
	if page := b.get(draft + "/start").body; !strings.Contains(page, "but for hosts at a time") || !strings.Contains(page, "two words") {
		t.Errorf("the page does not say so:\n%s", page)
	}
	// Other work has no answers.
	var check startedReply
	s.api(post, api+"/checks", toJSON(t, map[string]any{"hosts": "node1", "ssh": map[string]any{"private_key": sshKey(t)}})).json(t, &check)
	if r := s.api(get, fmt.Sprintf("%s/operations/%d/answers", api, check.OperationID), ""); r.status != http.StatusNotFound {
		t.Errorf("it was answered with %d: %s", r.status, r.body)
	}
}
