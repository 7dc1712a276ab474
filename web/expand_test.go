package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"hostler/db"
	"hostler/server/bootstrap"
)

func TestExpandTellsWhatIsOutOfTheOrdinary(t *testing.T) {
	s := newServer(t)
	s.register("node2.lab.test")
	var got expandReply
	text := "admin@node[1-9].lab.test:2222 rack=/r7\nadmin@node1.lab.test:2222 rack=/r7"
	s.api(post, api+"/hosts/expand", toJSON(t, expandRequest{Text: text, Most: 2})).json(t, &got)
	if got.Count != 9 || len(got.Hosts) != 2 || got.Lines[1] != "admin@node2.lab.test:2222 rack=/r7" || got.Format != "list" {
		t.Errorf("expanded to %+v", got)
	}
	if got.Again != 1 || len(got.Duplicates) != 1 || got.Duplicates[0] != (expandDuplicate{"node1.lab.test", 2, 1}) {
		t.Errorf("duplicates %+v", got)
	}
	if got.Known != 1 || strings.Join(got.Managed, " ") != "node2.lab.test" {
		t.Errorf("managed %+v", got)
	}
	s.api(post, api+"/hosts/expand", toJSON(t, expandRequest{Text: text, Names: true})).json(t, &got)
	if len(got.Errors) == 0 || got.Errors[0].Code != "user" || got.Known != 0 {
		t.Errorf("names alone expanded to %+v", got)
	}
	s.api(post, api+"/hosts/expand", toJSON(t, expandRequest{Text: "name,ip\na,10.0.0.1\n"})).json(t, &got)
	if got.Format != "csv" {
		t.Errorf("the format is %s", got.Format)
	}
}

func TestImport(t *testing.T) {
	s := newServer(t)
	var got importReply
	s.api(post, api+"/hosts/import", toJSON(t, importRequest{Text: "[web]\nweb[1:3].test ansible_port=2222 ansible_private_key_file=k\n"})).json(t, &got)
	if got.Format != "ansible" || got.Text != "web[1-3].test:2222 web=\n" || len(got.Notes) != 1 || got.Notes[0].Line != 2 {
		t.Errorf("imported %+v", got)
	}
	for field, body := range map[string]importRequest{
		"format": {Text: "a", Format: "xml"}, "text": {Text: "Host x\nUser y\n" + sshKey(t)},
	} {
		r := s.api(post, api+"/hosts/import", toJSON(t, body))
		if r.status != http.StatusUnprocessableEntity || r.failure(t).Fields[field] == "" || strings.Contains(r.body, "OPENSSH") {
			t.Errorf("%s answered %d %s", field, r.status, r.body)
		}
	}
}

// taskParams are what an operation's tasks were started with, by host.
func (s *server) taskParams(id int64) map[string]bootstrap.TaskParams {
	s.t.Helper()
	out := map[string]bootstrap.TaskParams{}
	for _, task := range must[[]db.Task](s.t)(s.db.Tasks(s.t.Context(), id)) {
		var p bootstrap.TaskParams
		if len(task.Params) > 0 {
			if err := json.Unmarshal(task.Params, &p); err != nil {
				s.t.Fatal(err)
			}
		}
		out[task.Name] = p
	}
	return out
}

func TestWhatAListSaysOfAHostGoesWithIt(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	hosts := "node1.lab.test\nadmin@node2.lab.test:2222 rack=/r7 address=10.0.0.7"
	if r := b.upload(path+"/hosts", b.hostsForm(path, hosts, sshKey(t)), scripts); r.status != 200 {
		t.Fatalf("the hosts answered %d %s", r.status, r.body)
	}
	o := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 1))[0]
	got := s.taskParams(o.ID)
	two := got["node2.lab.test"]
	if one := got["node1.lab.test"]; one.User != "" || one.Port != 0 || one.Labels != nil {
		t.Errorf("the first has %+v", one)
	}
	if two.User != "admin" || two.Port != 2222 || two.Address != "10.0.0.7" || two.Labels["rack"] != "/r7" {
		t.Errorf("the second has %+v", two)
	}
}

func TestMoreThanTenThousandHostsAreConfirmed(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	form := b.hostsForm(path, "node[1-10001].lab.test", sshKey(t))
	r := b.upload(path+"/hosts", form, scripts)
	if r.status != http.StatusUnprocessableEntity || r.failure(t).Fields["many"] == "" {
		t.Errorf("so many answered %d %.300s", r.status, r.body)
	}
	if r := b.upload(path+"/hosts", form, "text/html"); !strings.Contains(r.body, `name="many"`) || strings.Contains(r.body, `data-many-hosts hidden`) {
		t.Error("the page does not ask")
	}
	body := map[string]any{"hosts": "node[1-10001].lab.test", "ssh": map[string]any{"private_key": sshKey(t)}}
	if r := s.api(post, api+"/bootstraps", toJSON(t, body)); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields["many"] == "" {
		t.Errorf("the API answered %d %.300s", r.status, r.body)
	}
	form.Set("many", "yes")
	form.Set("method", "manual") // nothing is to be run on them here
	if r := b.upload(path+"/hosts", form, scripts); r.status != 200 {
		t.Errorf("confirmed it answered %d %.300s", r.status, r.body)
	}
}

// TestAnInventoryIsShownBeforeItIsUsed is the way without scripts.
func TestAnInventoryIsShownBeforeItIsUsed(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	for name, form := range map[string]map[string]string{
		"pasted": {"hosts": "[web]\nweb[1:2].test\n"}, "a file": {"hosts": "one.test", "hosts_file": "[web]\nweb[1:2].test\n"},
	} {
		f := b.hostsForm(path, "", sshKey(t))
		for k, v := range form {
			f.Set(k, v)
		}
		r := b.upload(path+"/hosts", f, "text/html")
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "web[1-2].test web=") {
			t.Errorf("%s answered %d", name, r.status)
		}
	}
	if ops := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 10)); len(ops) != 0 {
		t.Errorf("%d operations were started", len(ops))
	}
}
