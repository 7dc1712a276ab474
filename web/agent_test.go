package web

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
	"hostler/server/trust"
)

// The messages of the document that the protocol comes from, with a name that a certificate can have.
const (
	documentRegister = `{
	"hostname": "127.0.0.1",
	"agentsn": "bfdcc18c-b6b9-4725-9c47-37fd93dba5b6"
}`
	documentStatus = `{
	"hostname": "127.0.0.1",
	"version": "bootagent-1.2.4-x86_64",
	"uptime": 1234,
	"timestamp": 1232,
	"step": 600,
	"agents": [{
		"name": "BasicAgent",
		"version": "1.2.3",
		"status": "stoped",
		"uptime": 123
	}]
}`
)

func (s *server) events(kind string) []db.Event {
	s.t.Helper()
	all := must[[]db.Event](s.t)(s.db.Events(s.t.Context(), db.EventQuery{Limit: 500}))
	return slices.DeleteFunc(all, func(e db.Event) bool { return e.Kind != kind })
}

func TestHandshakePort(t *testing.T) {
	s := newServer(t)
	c := s.hostClient(nil)
	var ping wire.PingReply
	send(t, c, get, s.handshake.URL+wire.PathPing, nil, nil).json(t, &ping)
	if ping.Product != "hostler" || time.Since(time.Unix(ping.Time, 0)).Abs() > time.Minute {
		t.Errorf("ping is %+v", ping)
	}
	block, _ := pem.Decode([]byte(send(t, c, get, s.handshake.URL+wire.PathCA, nil, nil).body))
	if sum := sha256.Sum256(block.Bytes); hex.EncodeToString(sum[:]) != s.web.CA.Pin() {
		t.Error("the CA that is served does not have the pin that hosts are told")
	}
	if r := send(t, c, get, s.handshake.URL+wire.PathScript, nil, nil); r.body != testScript {
		t.Errorf("the script begins with %.40q", r.body)
	}
	if r := send(t, c, get, s.handshake.URL+wire.PathRepo+"key.asc", nil, nil); r.status != http.StatusServiceUnavailable {
		t.Errorf("a repository that is not published answered %d", r.status)
	}
}

func TestDocumentsClientIsServed(t *testing.T) {
	s := newServer(t)
	c, _ := s.agent("127.0.0.1")
	for _, extra := range []string{"", `"later": {"unknown": [1, 2]},`} {
		var registered wire.RegisterReply
		send(t, c, post, s.secured.URL+wire.PathRegister, strings.NewReader(withExtra(documentRegister, extra)), nil).json(t, &registered)
		if registered.Status != 0 || len(registered.AgentSN) != 36 {
			t.Fatalf("registered as %+v", registered)
		}
		var status wire.StatusReply
		send(t, c, post, s.secured.URL+wire.PathStatus, strings.NewReader(withExtra(documentStatus, extra)), nil).json(t, &status)
		if status.ErrCode != 0 || status.Step != 10 {
			t.Errorf("the status was answered with %+v, want errcode 0 and the server's step", status)
		}
	}
	h := must[*db.Host](t)(s.db.HostByName(t.Context(), "127.0.0.1"))
	known, _ := s.web.Fleet.Get(t.Context(), h.ID)
	if len(known.Children) != 1 || known.Children[0].Status != wire.ChildStopped || known.AgentVersion != "bootagent-1.2.4-x86_64" {
		t.Errorf("the host is %+v", known)
	}
}

// withExtra adds fields to every object of a document, nested ones too.
func withExtra(document, extra string) string { return strings.ReplaceAll(document, "{", "{"+extra) }

func TestJobsTravelWithHeartbeats(t *testing.T) {
	s := newServer(t)
	c, id := s.register("node1.lab.test")
	job := must[*db.Job](t)(s.web.Jobs.Add(t.Context(), id, wire.Job{Action: wire.ActionConfig, Step: 20}, "admin"))
	if jobs := s.beat(c, "node1.lab.test").Jobs; len(jobs) != 1 || jobs[0].ID != job.ID {
		t.Fatalf("the heartbeat brought %+v", jobs)
	}
	result := `[{"id": "` + job.ID + `", "errcode": 0, "message": "success"}]`
	if r := send(t, c, post, s.secured.URL+wire.PathJobResult, strings.NewReader(result), nil); r.status != 200 || strings.TrimSpace(r.body) != `{"errcode":0}` {
		t.Errorf("the result answered %d %s", r.status, r.body)
	}
	if jobs := s.beat(c, "node1.lab.test").Jobs; len(jobs) != 0 {
		t.Errorf("a finished job came again: %+v", jobs)
	}
	if done := must[*db.Job](t)(s.db.JobByID(t.Context(), job.ID)); done.State != db.JobSucceeded {
		t.Errorf("the job is %s", done.State)
	}
}

func TestAgentsThatAreNotRegistered(t *testing.T) {
	s := newServer(t)
	c, _ := s.agent("node1.lab.test")
	for path, body := range map[string]string{wire.PathStatus: `{"hostname":"node1.lab.test"}`, wire.PathJobResult: `[]`} {
		r := send(t, c, post, s.secured.URL+path, strings.NewReader(body), nil)
		if r.status != http.StatusConflict || r.failure(t).Code != "not_registered" {
			t.Errorf("%s answered %d %s", path, r.status, r.body)
		}
	}
}

func TestCertificateIsTheIdentity(t *testing.T) {
	s := newServer(t)
	c, _ := s.register("node1.lab.test")
	r := send(t, c, post, s.secured.URL+wire.PathStatus, strings.NewReader(`{"hostname":"node2.lab.test"}`), nil)
	if r.status != http.StatusForbidden || r.failure(t).Code != "wrong_host" {
		t.Errorf("another host's name answered %d %s", r.status, r.body)
	}
	if len(s.events(event.HostIdentityRefused)) != 1 {
		t.Error("the attempt was not recorded")
	}
}

func TestRenewal(t *testing.T) {
	s := newServer(t)
	c, id := s.register("node1.lab.test")
	request, _ := newCSR(t, "node1.lab.test")
	renew := func() reply {
		return send(t, c, post, s.secured.URL+wire.PathRenew, strings.NewReader(toJSON(t, wire.RenewRequest{CSR: request})), nil)
	}
	if r := renew(); r.status != http.StatusConflict || r.failure(t).Code != "too_early" {
		t.Errorf("a new certificate's renewal answered %d %s", r.status, r.body)
	}
	s.web.CA = must[*trust.CA](t)(trust.OpenCA(s.db, filepath.Join(s.dir, "ca"), masterKey, func() time.Time { return db.Now().Add(20 * 24 * time.Hour) }))
	r := renew()
	var renewed wire.EnrollReply
	r.json(t, &renewed)
	h, _ := s.web.Fleet.Get(t.Context(), id)
	if r.status != 200 || renewed.AgentSN != h.AgentSN || !strings.Contains(renewed.Certificate, "BEGIN CERTIFICATE") {
		t.Errorf("the renewal answered %d %s", r.status, r.body)
	}
	r = send(t, c, post, s.secured.URL+wire.PathRenew, strings.NewReader(`{"csr":"nonsense"}`), nil)
	if r.status != http.StatusBadRequest || r.failure(t).Code != "csr_invalid" {
		t.Errorf("a bad request answered %d %s", r.status, r.body)
	}
}

func TestEnrolmentRefusals(t *testing.T) {
	s := newServer(t)
	request, _ := newCSR(t, "node1.lab.test")
	enrol := func(token string) reply {
		return send(t, s.hostClient(nil), post, s.handshake.URL+wire.PathEnroll, strings.NewReader(
			toJSON(t, wire.EnrollRequest{Hostname: "node1.lab.test", Token: token, CSR: request})), nil)
	}
	other := must[string](t)(s.web.CA.MintToken(t.Context(), trust.TokenSpec{Hostname: "node2.lab.test", Uses: 1, Lifetime: time.Minute}))
	late := must[string](t)(s.web.CA.MintToken(t.Context(), trust.TokenSpec{Uses: 1, Lifetime: -time.Minute}))
	for token, code := range map[string]string{"nonsense": "token_unknown", other: "token_scope", late: "token_expired"} {
		if r := enrol(token); r.status != http.StatusForbidden || r.failure(t).Code != code {
			t.Errorf("answered %d %s, want %s", r.status, r.body, code)
		}
	}
	refused := s.events(event.EnrolRefused)
	if len(refused) != 1 || refused[0].Params["host"] != "node1.lab.test" {
		t.Errorf("recorded are %+v, want one of the three within a minute", refused)
	}
	s.agent("node1.lab.test")
	if len(s.events(event.HostEnrolled)) != 1 {
		t.Error("an enrolment was not recorded")
	}
	if strings.Contains(s.log.String(), other) {
		t.Error("a token is in the log")
	}
}

func TestAgentBodiesAreBounded(t *testing.T) {
	s := newServer(t)
	c, _ := s.register("node1.lab.test")
	r := send(t, c, post, s.secured.URL+wire.PathStatus, strings.NewReader(`{"hostname":"`+strings.Repeat("a", 5<<20)+`"}`), nil)
	if r.status != http.StatusRequestEntityTooLarge || r.failure(t).Code != "too_large" {
		t.Errorf("5 MB answered %d %.100s", r.status, r.body)
	}
}

func TestIdentitiesExpire(t *testing.T) {
	s := newServer(t)
	now := db.Now()
	s.web.agents.now = func() time.Time { return now }
	c, _ := s.register("node1.lab.test")
	status := func() reply {
		return send(t, c, post, s.secured.URL+wire.PathStatus, strings.NewReader(`{"hostname":"node1.lab.test"}`), nil)
	}
	s.web.agents.known = map[string]known{}
	if r := status(); r.status != 200 || len(s.web.agents.known) != 1 {
		t.Fatalf("answered %d, knows %d", r.status, len(s.web.agents.known))
	}
	now = now.Add(40 * 24 * time.Hour)
	if r := status(); r.status != http.StatusForbidden || r.failure(t).Code != "certificate_expired" {
		t.Errorf("a certificate past its end answered %d %s", r.status, r.body)
	}
}
