package web

import (
	"net/http"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
)

// TestAttackBodyNamesAnotherHost walks all routes of agents and has one host speak for another in each: by its name, its serial
// number, a request for its certificate, its jobs. Nothing of the other one changes.
func TestAttackBodyNamesAnotherHost(t *testing.T) {
	s := newServer(t)
	c, _ := s.register("node1.lab.test")
	_, victim := s.register("node2.lab.test")
	other, _ := s.web.Fleet.Get(t.Context(), victim)
	ran := must[*db.Job](t)(s.web.Jobs.Add(t.Context(), victim, wire.Job{Action: wire.ActionConfig, Step: 20}, "admin"))
	csr, _ := newCSR(t, "node2.lab.test")
	attacks := map[string]struct {
		body   string
		status int
		code   string
	}{
		wire.PathRegister:  {`{"hostname":"node2.lab.test","agentsn":"` + other.AgentSN + `"}`, http.StatusForbidden, "wrong_host"},
		wire.PathStatus:    {`{"hostname":"node2.lab.test","version":"forged","agents":[{"name":"Forged","status":"running"}]}`, http.StatusForbidden, "wrong_host"},
		wire.PathJobResult: {`[{"id":"` + ran.ID + `","errcode":1,"message":"forged"}]`, http.StatusOK, ""},
		wire.PathRenew:     {toJSON(t, wire.RenewRequest{CSR: csr}), http.StatusBadRequest, "csr_invalid"},
		wire.PathOutput:    {`[{"job":"` + ran.ID + `","stream":"stdout","offset":0,"data":"Zm9yZ2Vk"}]`, http.StatusOK, ""},
		wire.PathEvents:    {`[{"id":"0199c0de-0000-7000-8000-000000000000","kind":"disk.full","time":1,"params":{"host":"node2.lab.test","path":"/forged"}}]`, http.StatusOK, ""},
		pathJobFile:        {"forged", http.StatusNotFound, "not_found"},
	}
	for _, r := range routes {
		if r.on != secured || r.path == wire.PathWake { // which carries nothing
			continue
		}
		attack, known := attacks[r.path]
		if !known {
			t.Errorf("the test does not know how a host could speak for another at %s", r.path)
			continue
		}
		got := send(t, c, r.method, s.secured.URL+strings.Replace(r.path, ":id", ran.ID, 1), strings.NewReader(attack.body), nil)
		if got.status != attack.status || attack.code != "" && got.failure(t).Code != attack.code {
			t.Errorf("%s %s is answered with %d %s", r.method, r.path, got.status, got.body)
		}
	}
	if now, _ := s.web.Fleet.Get(t.Context(), victim); now.AgentVersion != other.AgentVersion || len(now.Children) != 0 || now.State != other.State {
		t.Errorf("the other host is %+v, was %+v", now, other)
	}
	if j := must[*db.Job](t)(s.db.JobByID(t.Context(), ran.ID)); j.State != ran.State || j.Message != "" {
		t.Errorf("its job is %+v, was %+v", j, ran)
	}
	told := s.events("disk.full")
	if len(told) != 1 {
		t.Errorf("recorded are %+v", told)
	}
	for _, e := range told {
		if e.HostID == nil || *e.HostID == victim || e.Params["host"] != "node1.lab.test" {
			t.Errorf("recorded is %+v", e)
		}
	}
}
