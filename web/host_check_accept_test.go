package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
)

// checkedWith are hosts whose check found the same.
func (s *server) checkedWith(found func(*wire.Findings), names ...string) (operation int64, ids []int64) {
	s.t.Helper()
	clients := make([]*http.Client, len(names))
	ids = make([]int64, len(names))
	for i, name := range names {
		clients[i], ids[i] = s.register(name)
	}
	operation = s.work("/host-checks", map[string]any{"targets": map[string]any{"hosts": strings.Join(names, " ")}})
	for i, name := range names {
		s.tell(clients[i], name, s.well(name, i, found))
	}
	s.awaitOperation(operation, db.Done)
	return operation, ids
}

// well is what a host tells with which nothing is wrong, but for what edit makes of it.
func (s *server) well(name string, number int, edit func(*wire.Findings)) []byte {
	s.t.Helper()
	return s.findings("machine-"+name, func(f *wire.Findings) {
		own := []string{"10.1.0." + strconv.Itoa(number+1)}
		f.Hostname, f.OwnAddresses, f.Interfaces, f.Reverse = name, own, []wire.CheckInterface{{Name: "eth0", Addresses: own}}, []string{name}
		edit(f)
	})
}

func TestWarningsAreAcceptedAndTakenBack(t *testing.T) {
	s := newServer(t)
	id, hosts := s.checkedWith(func(f *wire.Findings) { f.Clock = wire.CheckClock{}; f.HugePages = "always" }, "node1.lab.test", "node2.lab.test", "node3.lab.test")
	is := func(when, host, check, want string) {
		t.Helper()
		if got := s.checks("").verdict(host, check); got != want {
			t.Errorf("%s: %s of %s is %q, not %q", when, check, host, got, want)
		}
	}
	before := s.newest()
	body := `{"targets": {"hosts": "node1.lab.test"}, "check": "time_service", "reason": "its clock is the hypervisor's"}`
	if r := s.api(post, api+"/host-checks/accept", body); r.status != http.StatusOK || !strings.Contains(r.body, `"count":1`) {
		t.Fatalf("accepting answered %d %s", r.status, r.body)
	}
	e := s.only(before)
	if e.Action != "warning.accept" || e.Target != "check time_service" || !strings.Contains(string(e.Became), "node1.lab.test") || !strings.Contains(string(e.Became), "hypervisor") {
		t.Errorf("it is recorded as %+v", e)
	}
	is("accepted", "node1.lab.test", "time_service", "accepted none")
	is("accepted", "node1.lab.test", "huge_pages", "warn always")
	is("accepted", "node2.lab.test", "time_service", "warn none")
	for query, want := range map[string]int{"?check=time_service": 3, "?state=warn": 3, "?state=pass": 0} {
		if got := s.checks(query); len(got.Items) != want {
			t.Errorf("%s finds %d hosts, not %d", query, len(got.Items), want)
		}
	}
	if r := s.api(post, api+"/host-checks/accept", body); !strings.Contains(r.body, `"count":0`) {
		t.Errorf("accepting again answered %s", r.body)
	}
	for body, field := range map[string]string{
		`{"targets": {"all": true}, "check": "weather"}`:                                                     "check",
		`{"targets": {"hosts": "node9.lab.test"}, "check": "clock"}`:                                         "targets.hosts",
		`{"targets": {"all": true}, "check": "clock", "reason": "` + strings.Repeat("x", maxReason+1) + `"}`: "reason",
	} {
		if r := s.api(post, api+"/host-checks/accept", body); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields[field] == "" {
			t.Errorf("%.80s answered %d %s", body, r.status, r.body)
		}
	}

	// On the page, for all hosts of the report, whatever it shows of them; node3 counts as one that passes then.
	b := s.setUp()
	report := "/host-checks?operation=" + strconv.FormatInt(id, 10)
	shown := b.get(report + "&search=node3")
	for _, want := range []string{"Accept this warning", "Accept on this host"} {
		if !strings.Contains(shown.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	form := url.Values{"warning": {"huge_pages"}, "operation": {strconv.FormatInt(id, 10)}, "state": {"warn"}}
	if r := b.post("/host-checks/accept", form); r.location() != report+"&state=warn" {
		t.Fatalf("the form answered %d %s", r.status, r.body)
	}
	for _, host := range []string{"node1.lab.test", "node2.lab.test", "node3.lab.test"} {
		is("accepted by the form", host, "huge_pages", "accepted always")
	}
	form = url.Values{"warning": {"time_service"}, "host": {strconv.FormatInt(hosts[2], 10)}, "reason": {"so be it"}}
	b.post("/host-checks/accept", form)
	if got := s.checks(""); got.Counts["pass"] != 2 || got.Counts["warn"] != 1 {
		t.Errorf("the counts are %v", got.Counts)
	}
	shown = b.get(report + "&search=node3")
	for _, want := range []string{"2 accepted", "Accepted by " + testUser, "so be it", "Take this back"} {
		if !strings.Contains(shown.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if r := s.api(get, api+"/host-checks/report?format=html", ""); !strings.Contains(r.body, "so be it") {
		t.Error("the report does not tell why")
	}

	before = s.newest()
	b.post("/host-checks/unaccept", form)
	is("taken back", "node3.lab.test", "time_service", "warn none")
	is("taken back", "node3.lab.test", "huge_pages", "accepted always")
	if e := s.only(before); e.Action != "warning.unaccept" || !strings.Contains(string(e.Was), "node3.lab.test") {
		t.Errorf("it is recorded as %+v", e)
	}
	if r := s.api(post, api+"/host-checks/unaccept", `{"targets": {"all": true}, "check": "huge_pages"}`); !strings.Contains(r.body, `"count":3`) {
		t.Errorf("taking back answered %d %s", r.status, r.body)
	}
}
