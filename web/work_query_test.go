package web

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/account"
	"hostler/server/remote"
	"hostler/server/trust"
)

var hostsField = regexp.MustCompile(`(?s)<textarea[^>]*name="hosts"[^>]*>(.*?)</textarea>`)

// hostsIn are the hosts that a form is filled in with.
func hostsIn(r reply) string {
	m := hostsField.FindStringSubmatch(r.body)
	if m == nil {
		return "no form"
	}
	return strings.ReplaceAll(html.UnescapeString(m[1]), "\n", " ")
}

func TestFormTakesTheChosenHosts(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	_, one := s.register("node1.lab.test")
	_, two := s.register("node2.lab.test")
	for _, path := range []string{"/commands/new", "/pushes/new", "/fetches/new", "/child-agents/manage", "/child-agents/new", "/agent-upgrades/new"} {
		r := b.get(fmt.Sprintf("%s?host=%d&host=%d", path, two, one))
		if got := hostsIn(r); got != "node1.lab.test node2.lab.test" {
			t.Errorf("%s has the hosts %q", path, got)
		}
	}
	if r := b.get("/agent-upgrades/new"); !strings.Contains(r.body, "<span>1</span>") || !strings.Contains(r.body, "2 hosts") {
		t.Error("the versions that hosts have are not told")
	}
	r := b.get("/commands/new?match=1&match_state=healthy&match_search=node2")
	if got := hostsIn(r); got != "" || !strings.Contains(r.body, "Healthy, search “node2” (now 1 host)") {
		t.Errorf("the filter became %q", got)
	}
	form := url.Values{"match": {"1"}, "match_state": {"healthy"}, "match_search": {"node2"}, "script": {"true"}, "interpreter": {"/bin/sh"}, "expires": {"90"}}
	if r = b.post("/commands/new", form); r.status != http.StatusSeeOther {
		t.Fatalf("the form answered %d", r.status)
	}
	var id int64
	fmt.Sscanf(r.header.Get("Location"), "/operations/%d", &id)
	tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), id))
	work := must[*db.OperationJob](t)(s.db.OperationJob(t.Context(), id))
	if len(tasks) != 1 || tasks[0].Name != "node2.lab.test" || work.Payload.Exec.Interpreter != "/bin/sh" {
		t.Errorf("it was started as %+v on %+v", work.Payload, tasks)
	}
	if p := workParams(must[*db.Operation](t)(s.db.Operation(t.Context(), id))); p.ExpiresIn != 90 {
		t.Errorf("hosts are waited for %d s", p.ExpiresIn)
	}
	if r := b.get("/commands/new?match=1"); !strings.Contains(r.body, `name="all" value="1" checked`) {
		t.Error("no filter does not mean all")
	}
	if r := b.get("/commands/new?host=x"); r.status != http.StatusBadRequest {
		t.Errorf("a host without a number answered %d", r.status)
	}
	// What is wrong is told beside its own field.
	r = b.post("/commands/new", url.Values{"hosts": {"node1.lab.test"}, "script": {"true"}, "interpreter": {"sh"}, "expires": {"-5"}, "group": {"a b"}})
	for _, field := range []string{"interpreter", "expires", "group"} {
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, `href="#field-`+field+`"`) {
			t.Errorf("the wrong %s answered %d", field, r.status)
		}
	}
}

// A host that was installed anew has the name that its former self has.
func TestHostsThatShareTheirNameAreToldApart(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	_, former := s.register("node1.lab.test")
	client, sn := s.agentBy(trust.TokenSpec{Uses: 1, Lifetime: time.Minute}, "node1.lab.test")
	latter := s.registerAs(client, sn, "node1.lab.test")
	_, other := s.register("node2.lab.test")
	if former == latter {
		t.Fatal("the two are one")
	}
	r := b.get(fmt.Sprintf("/commands/new?host=%d&host=%d", former, other))
	if hostsIn(r) != "node2.lab.test" || !strings.Contains(r.body, fmt.Sprintf(`name="host" value="%d" checked`, former)) {
		t.Errorf("the form has %q and not the one that was chosen", hostsIn(r))
	}
	form := url.Values{"hosts": {"node2.lab.test"}, "host": {fmt.Sprint(former)}, "script": {"true"}}
	form.Set("match", "1")
	form.Set("match_search", "node2")
	if r := b.post("/commands/new", form); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, fmt.Sprintf(`name="host" value="%d" checked`, former)) {
		t.Errorf("hosts and a filter answered %d", r.status)
	}
	form.Del("match")
	r = b.post("/commands/new", form)
	var id int64
	if _, err := fmt.Sscanf(r.header.Get("Location"), "/operations/%d", &id); err != nil {
		t.Fatalf("the form answered %d", r.status)
	}
	var got []int64
	for _, task := range must[[]db.Task](t)(s.db.Tasks(t.Context(), id)) {
		got = append(got, *task.HostID)
	}
	slices.Sort(got)
	if !slices.Equal(got, []int64{former, other}) {
		t.Errorf("it runs on %v, want %d and %d", got, former, other)
	}
}

func TestShellWords(t *testing.T) {
	command := []string{"printf", "%s.", "a b", "it's", "$HOME", "", "*", "~", "#x"}
	out, err := exec.Command("/bin/sh", "-c", shellWords(command)).Output()
	if err != nil || string(out) != "a b.it's.$HOME..*.~.#x." {
		t.Errorf("%s: %q, %v", shellWords(command), out, err)
	}
}

func TestOperationIsDoneAgainOnSomeOfItsHosts(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	agents := map[string]*http.Client{}
	for _, name := range []string{"node1.lab.test", "node2.lab.test", "node3.lab.test"} {
		agents[name], _ = s.register(name)
	}
	id := s.work("/commands", map[string]any{
		"targets": map[string]any{"all": true}, "exec": map[string]any{"script": "check $STAGE", "user": "nobody"}, "envs": map[string]string{"STAGE": "marker-env"},
		"batch": 3,
	})
	for name, agent := range agents {
		job := s.job(agent, name)
		result := wire.JobResult{ID: job.ID, ExitCode: new(int)}
		if name == "node2.lab.test" {
			*result.ExitCode, result.ErrCode = 7, wire.ErrCodeExitStatus
		}
		s.agentPost(agent, wire.PathJobResult, []wire.JobResult{result})
	}
	s.awaitOperation(id, db.Failed)
	r := b.get(operationPath(id))
	links := map[string]string{}
	for _, m := range regexp.MustCompile(`href="(/commands/new\?[^"]*)"`).FindAllStringSubmatch(r.body, -1) {
		path := html.UnescapeString(m[1])
		form := b.get(path)
		links[hostsIn(form)] = path
		for _, want := range []string{"check $STAGE", `value="nobody"`, "STAGE", `value="3"`} {
			if !strings.Contains(form.body, want) {
				t.Errorf("%s lacks %q", path, want)
			}
		}
		if strings.Contains(form.body, "marker-env") {
			t.Errorf("%s tells the value of a variable", path)
		}
	}
	for _, hosts := range []string{"node1.lab.test node2.lab.test node3.lab.test", "node2.lab.test", "node1.lab.test node3.lab.test"} {
		if links[hosts] == "" {
			t.Errorf("no link leads to %s: %v", hosts, links)
		}
	}
	for _, only := range []string{"x", "failed~x~~", "a~1~y~"} {
		if r := b.get(fmt.Sprintf("/commands/new?operation=%d&only=%s", id, only)); r.status != http.StatusBadRequest {
			t.Errorf("only=%s answered %d", only, r.status)
		}
	}
	bootstrap := s.startBootstrap("node9.lab.test")
	if r := b.get(fmt.Sprintf("/commands/new?operation=%d", bootstrap)); r.status != http.StatusBadRequest {
		t.Errorf("a bootstrap to do again answered %d", r.status)
	}
}

// TestEveryActionHasAForm holds that whatever people start can be started again.
func TestEveryActionHasAForm(t *testing.T) {
	actions := append(remote.ChildActions(), wire.ActionExec, wire.ActionPush, wire.ActionFetch, wire.ActionUpgradeAgent)
	for _, action := range actions {
		if path := againPath(action); path == "" || !served(get, path, account.RoleOperator) {
			t.Errorf("%s has no form", action)
		}
	}
}
