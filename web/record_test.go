package web

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/account"
)

// entries reads what the audit log has behind an entry, in its order.
func (s *server) entries(after int64) []db.AuditEntry {
	s.t.Helper()
	return must[[]db.AuditEntry](s.t)(s.db.Audit(s.t.Context(), db.AuditQuery{Onward: true, After: after, Limit: 1000}))
}

// newest is the number of the newest entry.
func (s *server) newest() int64 {
	s.t.Helper()
	return must[db.AuditHead](s.t)(s.db.AuditHead(s.t.Context())).Entry
}

// only is the one entry behind another.
func (s *server) only(after int64) db.AuditEntry {
	s.t.Helper()
	es := s.entries(after)
	if len(es) != 1 {
		s.t.Fatalf("there are %d entries, want one: %+v", len(es), es)
	}
	return es[0]
}

// TestEveryChangeIsRecorded walks all routes that change something: whoever adds one cannot forget the audit log.
func TestEveryChangeIsRecorded(t *testing.T) {
	s := newServer(t)
	s.setUp()
	var b *browser
	walked := 0
	for _, r := range routes {
		if r.on == secured || r.needs.action == "" || r.needs.action == unrecorded || r.path == "/logout" {
			continue
		}
		if walked%40 == 0 { // of too many failures of one person only the first are kept
			b = s.person(fmt.Sprint("boss", walked), account.RoleAdministrator)
		}
		walked++
		before := s.newest()
		var got reply
		if r.on == handshake {
			got = send(t, s.hostClient(nil), r.method, s.handshake.URL+r.path, strings.NewReader("{}"), nil)
		} else {
			got = b.ask(r)
		}
		e := s.only(before)
		if e.Action != r.needs.action || e.Address != "127.0.0.1" || len(e.Request) != 12 || e.Result == db.AuditDone != (got.status < 400) {
			t.Errorf("%s %s was answered with %d and is %+v", r.method, r.path, got.status, e)
		}
		if r.on == public && r.may != everyone && !strings.HasPrefix(e.Actor, "boss") {
			t.Errorf("%s %s was done by %q", r.method, r.path, e.Actor)
		}
	}
	before := s.newest()
	b.post("/logout", nil)
	if e := s.only(before); e.Action != "user.logout" || e.Actor == "" || e.Result != db.AuditDone {
		t.Errorf("the logout is %+v", e)
	}
	if report, err := s.web.Audit.Verify(t.Context(), 0); err != nil || len(report.Problems) > 0 {
		t.Errorf("afterwards the log is %+v, %v", report, err)
	}
}

func TestRefusalsAreRecorded(t *testing.T) {
	s := newServer(t)
	s.setUp()
	s.api(post, api+"/users", `{"name":"olga","password":"`+testPassword+`","role":"operator"}`)
	b := s.sessionOf("olga")
	nobody := s.browser()
	login := func(name, password string) func() {
		return func() { nobody.post("/login", url.Values{"name": {name}, "password": {password}}) }
	}
	forged := func(path string) {
		send(t, b.client, post, s.public.URL+path, strings.NewReader("csrf=x"), map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": s.public.URL})
	}
	bearer := func(method, path, token string) func() {
		return func() {
			send(t, nobody.client, method, s.public.URL+path, strings.NewReader("{}"), map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"})
		}
	}
	for name, c := range map[string]struct {
		do                          func()
		actor, action, target, code string
	}{
		"a page above one's role":        {func() { b.get("/users") }, "olga", accessAction, "GET /users", "forbidden"},
		"a change above one's role":      {func() { b.post("/users", url.Values{"name": {"eve"}}) }, "olga", "user.create", "", "forbidden"},
		"a form from elsewhere":          {func() { forged("/wizards") }, "olga", "wizard.start", "", "csrf"},
		"a form of no change":            {func() { forged("/preferences") }, "olga", accessAction, "POST /preferences", "csrf"},
		"a wrong password":               {login("olga", "wrong"), "", "user.login", "olga", "wrong_password"},
		"a name that may be a password":  {login("battery staple", "wrong"), "", "user.login", "", "wrong_password"},
		"a token that is none":           {bearer(get, api+"/hosts", "guess"), "", accessAction, "GET /api/v1/hosts", "not_logged_in"},
		"a change by a token of none":    {bearer(post, api+"/tokens", "guess"), "", "token.create", "", "not_logged_in"},
		"a change by nobody":             {func() { nobody.post("/hosts/7/step", nil) }, "", "host.step", "7", "not_logged_in"},
		"a host with a token of no use":  {func() { s.enrol("node1.lab.test", "wrong") }, "", "host.enrol", "node1.lab.test", "token_unknown"},
		"a host that waits from now on":  {func() { s.enrol("node2.lab.test", "") }, "", "host.enrol", "node2.lab.test", "approval_pending"},
		"a token above its owner's role": {bearer(post, api+"/users", s.newToken("op", account.RoleOperator)), "token:op", "user.create", "", "forbidden"},
	} {
		before := s.newest()
		c.do()
		e := s.only(before)
		if e.Actor != c.actor || e.Action != c.action || e.Target != c.target || e.Code != c.code || e.Result != db.AuditRefused {
			t.Errorf("%s is %+v", name, e)
		}
	}
	before := s.newest()
	nobody.get("/hosts")
	b.get("/hosts")
	b.get("/nothing")
	if es := s.entries(before); len(es) > 0 {
		t.Errorf("it recorded %+v", es)
	}
	before = s.newest()
	login("olga", testPassword)()
	if e := s.only(before); e.Actor != "olga" || e.Action != "user.login" || e.Result != db.AuditDone {
		t.Errorf("the login is %+v", e)
	}
}

// TestChangesTellBeforeAndAfter makes changes and looks what the log has of them.
func TestChangesTellBeforeAndAfter(t *testing.T) {
	s := newServer(t)
	s.setUp()
	client, host := s.register("node1.lab.test")
	s.beat(client, "node1.lab.test", wire.ChildAgent{Name: "BasicAgent", Version: "1", Status: wire.ChildRunning})
	s.enrol("node7.lab.test", "")
	s.addPackage("tools", "tool-1.0.tar.gz")
	s.api(post, api+"/users", `{"name":"bob","password":"`+testPassword+`","role":"operator"}`)
	bob := fmt.Sprintf("%s/users/%d/", api, must[*db.User](t)(s.db.UserByName(t.Context(), "bob")).ID)
	for _, c := range []struct{ path, body, target, was, became string }{
		{api + "/users", `{"name":"eve","password":"` + testPassword + `","role":"auditor"}`, "eve", "", `"role":"auditor"`},
		{bob + "role", `{"role":"auditor"}`, "bob", `{"role":"operator"}`, `{"role":"auditor"}`},
		{bob + "password", `{"password":"` + testPassword + ` 2"}`, "bob", "", ""},
		{bob + "disable", "", "bob", `{"disabled":false}`, `{"disabled":true}`},
		{bob + "enable", "", "bob", `{"disabled":true}`, `{"disabled":false}`},
		{bob + "remove", "", "bob", `"name":"bob"`, ""},
		{api + "/tokens", `{"name":"backup","role":"operator"}`, "backup", "", `"role":"operator"`},
		{api + "/tokens/2/end", "", "backup", `"name":"backup"`, ""},
		{api + "/sign-rules", `{"host":"*.rack.test"}`, "*.rack.test", "", `"host":"*.rack.test"`},
		{api + "/sign-rules/1/remove", "", "*.rack.test", `"host":"*.rack.test"`, ""},
		{api + "/enrol-tokens", `{"host":"*.lab.test","uses":3}`, "enrolment token 2", "", `"uses":3`},
		{api + "/enrol-tokens/2/end", "", "enrolment token 2", `"uses":3`, ""},
		{api + "/enrol-requests/sign", `{"hosts":["node7.lab.test"]}`, "node7.lab.test", "", `"hosts":["node7.lab.test"]`},
		{api + "/bundles", `{"hosts":"carried[1-2].test"}`, "carried1.test …", "", `"count":2`},
		{fmt.Sprintf("%s/hosts/%d/step", api, host), `{"step":20}`, "node1.lab.test", `{"step":0}`, `{"step":20}`},
		{
			api + "/child-agents/configure", `{"targets":{"hosts":"node1.lab.test"},"name":"BasicAgent","version":"1","definition":"[program]\n","limits":{"memory":"40M"}}`,
			"operation 1", `{"node1.lab.test":{"version":"1"`, `"memory":"40M"`,
		},
		{api + "/operations/1/cancel", `{}`, "operation 1", "", `"reached":1`},
		{api + "/repositories/tools/promote", `{"channel":"stable","snapshot":1}`, "tools", `"snapshot":`, `"snapshot":"1"`},
		{api + "/certificates/revoke", `{"hosts":["node1.lab.test"]}`, "node1.lab.test", "", `"count":1`},
	} {
		before := s.newest()
		if c.body == "" {
			c.body = "{}"
		}
		if r := s.api(post, c.path, c.body); r.status > 299 {
			t.Fatalf("%s answered %d %s", c.path, r.status, r.body)
		}
		e := s.only(before)
		if e.Actor != "token:ci" || e.Target != c.target || e.Result != db.AuditDone || !strings.Contains(string(e.Was), c.was) || !strings.Contains(string(e.Became), c.became) || (e.Was == "") != (c.was == "") {
			t.Errorf("%s is %+v", c.path, e)
		}
	}
}

// TestAuditHoldsNoSecret sends marked secrets in every way that is recorded and looks for them in the log.
func TestAuditHoldsNoSecret(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	client, _ := s.register("node1.lab.test")
	s.beat(client, "node1.lab.test", wire.ChildAgent{Name: "BasicAgent", Version: "1", Status: wire.ChildRunning})
	const marker = "marker-secret-7"
	targets := map[string]any{"hosts": "node1.lab.test"}
	secrets := []string{marker, s.token, b.cookie(sessionCookie), b.csrf()}
	for path, body := range map[string]any{
		"/users":                  map[string]any{"name": "bob", "password": marker + " 1", "role": "operator"},
		"/users/1/password":       map[string]any{"password": marker + " 2"},
		"/commands":               map[string]any{"targets": targets, "exec": map[string]any{"script": "echo " + marker}, "envs": map[string]string{"PASSWORD": marker}},
		"/child-agents/configure": map[string]any{"targets": targets, "name": "BasicAgent", "definition": "[program]\n# " + marker, "envs": map[string]string{"PASSWORD": marker}},
		"/child-agents/install": map[string]any{
			"targets": targets, "name": "Other", "url": "https://user:" + marker + "@repo.lab.test/a.tar.gz?signature=" + marker, "checksum": "SHA256:" + strings.Repeat("0a", 32), "version": "1",
		},
		"/bootstraps": map[string]any{"hosts": "node2.lab.test", "ssh": map[string]any{"private_key": sshKey(t), "password": marker, "sudo_password": marker}},
	} {
		if r := s.api(post, api+path, toJSON(t, body)); r.status > 299 {
			t.Errorf("%s answered %d %s", path, r.status, r.body)
		}
		s.api(post, api+path, `{"unknown":"`+marker+`"}`)
	}
	for _, path := range []string{"/tokens", "/enrol-tokens"} {
		var made struct{ Token string }
		s.api(post, api+path, `{"name":"made","role":"auditor"}`).json(t, &made)
		secrets = append(secrets, made.Token)
	}
	var made struct{ Token string }
	s.api(post, api+"/enrol-tokens", `{}`).json(t, &made)
	secrets = append(secrets, made.Token)
	s.enrol("node3.lab.test", made.Token)
	s.enrol("node3.lab.test", marker)
	s.browser().post("/login", url.Values{"name": {marker}, "password": {marker}})
	s.browser().post("/login", url.Values{"name": {testUser}, "password": {marker}})
	s.browser().post("/setup", url.Values{"token": {marker}, "name": {"x"}, "password": {marker}, "confirm": {marker}})
	b.post("/account/password", url.Values{"old": {marker}, "password": {marker + " 3"}, "confirm": {marker + " 3"}})
	send(t, s.browser().client, get, s.public.URL+api+"/hosts?token="+marker, nil, map[string]string{"Authorization": "Bearer " + marker})
	log := s.api(get, api+"/audit/export", "").body
	if !strings.Contains(log, `"action":"command.start"`) || !strings.Contains(log, `"PASSWORD"`) {
		t.Fatalf("the log is not what was looked for: %s", log)
	}
	for i, secret := range secrets {
		if secret != "" && strings.Contains(log, secret) {
			at := strings.Index(log, secret)
			t.Errorf("secret %d is in the log: …%s", i, log[max(0, at-200):at])
		}
	}
}
