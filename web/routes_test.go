package web

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/account"
)

// concrete fills a route's path: things that exist where they change nothing, and a draft that may be discarded.
func concrete(r route) string {
	return strings.NewReplacer(":id", "999", ":task", "999", ":serial", "999", ":repository", "none", ":digest", "none", "*name", "none", "*path", "none").Replace(r.path)
}

func refusedBecauseOfWho(r reply) bool {
	return r.status == http.StatusUnauthorized || r.status == http.StatusForbidden ||
		r.status == http.StatusSeeOther && strings.HasPrefix(r.location(), "/login?next=")
}

func TestNobodyGetsPastTheTable(t *testing.T) {
	s := newServer(t)
	s.setUp()
	for _, r := range routes {
		if r.on != public {
			continue
		}
		header := map[string]string{"X-Forwarded-For": "192.0.2.1"} // a proxy on this machine speaks for somebody else
		if strings.HasPrefix(r.path, "/api/v1") && r.method == post {
			header["Content-Type"] = "application/json"
		}
		got := send(t, s.browser().client, r.method, s.public.URL+concrete(r), nil, header)
		if open := r.may == everyone; open == refusedBecauseOfWho(got) {
			t.Errorf("%s %s for %s answered nobody with %d %s", r.method, r.path, r.may, got.status, got.location())
		}
		if strings.Contains(got.body, "9.9.9-test") {
			t.Errorf("%s %s tells nobody the version", r.method, r.path)
		}
	}
}

// unrecordedPaths are what changes nothing that others would miss, and what agents report of themselves.
var unrecordedPaths = []string{
	"/preferences", "/wizards/:id/start", "/wizards/:id/versions", "/wizards/:id/save", "/wizards/:id/answers", "/wizards/:id/connections/compare", api + "/checks/:id/keys", api + "/hosts/expand", api + "/hosts/import", api + "/answers/check", api + "/keys/check", wire.PathRegister, wire.PathStatus, wire.PathJobResult,
	wire.PathOutput, wire.PathEvents, pathJobFile,
}

// TestEveryRouteNeedsSomething holds that no route was added without saying what it needs and how its use is recorded.
func TestEveryRouteNeedsSomething(t *testing.T) {
	rights := []account.Right{see.right, operate.right, review.right, administer.right, own.right}
	for _, r := range routes {
		if r.may == everyone || r.may == agent {
			if r.needs.right != open.right {
				t.Errorf("%s %s is for %s and needs %q", r.method, r.path, r.may, r.needs.right)
			}
		} else if !slices.Contains(rights, r.needs.right) {
			t.Errorf("%s %s needs %q, which is no right", r.method, r.path, r.needs.right)
		}
		if r.method == post && r.needs.action == "" {
			t.Errorf("%s %s is not recorded", r.method, r.path)
		}
		if r.needs.action == unrecorded && !slices.Contains(unrecordedPaths, r.path) {
			t.Errorf("%s %s is not recorded, and the test does not know why", r.method, r.path)
		}
		if r.method == post && r.needs.right == account.See {
			t.Errorf("%s %s changes something and needs no more than to look", r.method, r.path)
		}
	}
}

// ask sends an empty request to a route as a page's own form or script does.
func (b *browser) ask(r route) reply {
	b.s.t.Helper()
	switch {
	case r.method != post:
		return send(b.s.t, b.client, r.method, b.s.public.URL+concrete(r), nil, nil)
	case strings.HasPrefix(r.path, "/api/"):
		return send(b.s.t, b.client, post, b.s.public.URL+concrete(r), strings.NewReader("{}"), map[string]string{
			"Content-Type": "application/json", "X-CSRF-Token": b.csrf(), "Sec-Fetch-Site": "same-origin",
		})
	}
	return b.post(concrete(r), nil)
}

// TestAttackRoleEscalationOnEveryRoute walks the table as people and programs of every role.
func TestAttackRoleEscalationOnEveryRoute(t *testing.T) {
	s := newServer(t)
	s.setUp()
	for _, role := range account.Roles {
		b, token := s.person("a-"+role, role), s.newToken("t-"+role, role)
		for _, r := range routes {
			if r.on != public || r.path == "/live" || r.path == "/logout" {
				continue
			}
			allowed := r.may == everyone || account.May(role, r.needs.right)
			got := b.ask(r)
			if refusedBecauseOfWho(got) == allowed || got.status >= 500 {
				t.Errorf("%s %s answered an %s with %d: %.200s", r.method, r.path, role, got.status, got.body)
			}
			if !allowed && wantedJSON(r) && got.failure(t).Code != codeForbidden {
				t.Errorf("%s %s refused an %s with %s", r.method, r.path, role, got.body)
			}
			header := map[string]string{"Authorization": "Bearer " + token, "X-Forwarded-For": "192.0.2.1", "Content-Type": "application/json"}
			got = send(t, s.browser().client, r.method, s.public.URL+concrete(r), strings.NewReader("{}"), header)
			if allowed = allowed && r.may != user; refusedBecauseOfWho(got) == allowed || got.status >= 500 {
				t.Errorf("%s %s answered a token of an %s with %d: %.200s", r.method, r.path, role, got.status, got.body)
			}
		}
	}
}

// TestAttackCSRFOnEveryRoute sends what changes something as other sites would have an administrator's browser send it, and
// as no page of ours does: without a proof of the session.
func TestAttackCSRFOnEveryRoute(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	proof := b.csrf()
	for _, r := range routes {
		if r.on != public || r.method == http.MethodGet || r.method == http.MethodHead {
			continue
		}
		for what, header := range map[string]map[string]string{
			"another origin":       {"Origin": "https://evil.example", "X-CSRF-Token": proof},
			"another site":         {"Sec-Fetch-Site": "cross-site", "X-CSRF-Token": proof},
			"a site of our domain": {"Sec-Fetch-Site": "same-site", "X-CSRF-Token": proof},
			"no proof":             {"Sec-Fetch-Site": "same-origin"},
			"a proof of another":   {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": csrfToken("other")},
		} {
			if r.may == everyone && header["Sec-Fetch-Site"] == "same-origin" {
				continue // there is no session to prove
			}
			body := "a=b"
			header["Content-Type"] = "application/x-www-form-urlencoded"
			if wantedJSON(r) {
				header["Content-Type"], body = "application/json", "{}"
			}
			if what == "no proof" { // forms with files are read as they come
				header["Content-Type"] = "multipart/form-data; boundary=x"
				body = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n"
			}
			if got := send(t, b.client, r.method, s.public.URL+concrete(r), strings.NewReader(body), header); got.status != http.StatusForbidden {
				t.Errorf("%s %s from %s is answered with %d: %.200s", r.method, r.path, what, got.status, got.body)
			}
		}
	}
}

func wantedJSON(r route) bool { return strings.HasPrefix(r.path, "/api/") }

// TestAttackRoleEscalationInOpenSessions changes a role while its session is in use.
func TestAttackRoleEscalationInOpenSessions(t *testing.T) {
	s := newServer(t)
	s.setUp()
	b := s.person("bob", account.RoleOperator)
	if r := b.post("/wizards", nil); refusedBecauseOfWho(r) {
		t.Fatalf("an operator was answered %d", r.status)
	}
	bob := must[*db.User](t)(s.db.UserByName(t.Context(), "bob"))
	if err := s.web.Accounts.SetRole(t.Context(), testUser, bob, account.RoleAuditor); err != nil {
		t.Fatal(err)
	}
	if r := b.post("/wizards", nil); r.status != http.StatusForbidden {
		t.Errorf("an operator who is an auditor now was answered %d", r.status)
	}
	if r := b.get("/hosts"); r.status != http.StatusOK {
		t.Errorf("the session ended with the role: %d", r.status)
	}
	if err := s.web.Accounts.Disable(t.Context(), testUser, bob); err != nil {
		t.Fatal(err)
	}
	if r := b.get("/hosts"); !refusedBecauseOfWho(r) {
		t.Errorf("somebody who is disabled was answered %d", r.status)
	}
}

// TestTopicsNeedRights walks the topics of the live pages as every role.
func TestTopicsNeedRights(t *testing.T) {
	for kind, right := range topicRights {
		topic := ""
		for _, of := range []string{"", ".1", ".0199c0de-0000-7000-8000-000000000000"} { // of all, of a number, of a job
			if got, _, ok := parseTopic(kind + of); ok && got == kind {
				topic = kind + of
			}
		}
		if topic == "" || !slices.Contains(account.Rights, right) {
			t.Errorf("%s needs %q, or nobody can listen to it", kind, right)
		}
		for _, role := range append([]string{""}, account.Roles...) {
			c := newTestConnection(t)
			c.who.Role = role
			h := newHub(nil)
			h.conns[c] = nil
			if got := h.join(c, []string{topic}); (len(got) == 1) != account.May(role, topicRights[kind]) {
				t.Errorf("%q may listen to %v", role, got)
			}
		}
	}
}

func TestProgramMayUseTheAPI(t *testing.T) {
	s := newServer(t)
	s.setUp()
	for _, r := range routes {
		if r.on != public {
			continue
		}
		header := map[string]string{"Authorization": "Bearer " + s.token, "X-Forwarded-For": "192.0.2.1", "Content-Type": "application/json"}
		got := send(t, s.browser().client, r.method, s.public.URL+concrete(r), strings.NewReader("{}"), header)
		if may := r.may != user; may == refusedBecauseOfWho(got) || got.status >= 500 {
			t.Errorf("%s %s for %s answered a program with %d: %.200s", r.method, r.path, r.may, got.status, got.body)
		}
		header["Authorization"] = "Bearer wrong"
		got = send(t, s.browser().client, r.method, s.public.URL+concrete(r), strings.NewReader("{}"), header)
		if !refusedBecauseOfWho(got) {
			t.Errorf("%s %s answered a wrong token with %d", r.method, r.path, got.status)
		}
	}
}

func TestOnlyAgentsUseTheSecuredPort(t *testing.T) {
	s := newServer(t)
	client, _ := s.register("node1.lab.test")
	if _, err := s.hostClient(nil).Post(s.secured.URL+wire.PathStatus, "", nil); err == nil {
		t.Error("a connection without a certificate was served")
	}
	for _, r := range routes {
		if r.on != secured {
			continue
		}
		// Even a listener that was set up wrongly lets nobody in.
		w := httptest.NewRecorder()
		s.web.Secured().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), r.method, r.path, strings.NewReader("{}")))
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "certificate_missing") {
			t.Errorf("%s answered a request without TLS with %d %s", r.path, w.Code, w.Body)
		}
		if r.path == pathJobFile || r.path == wire.PathWake {
			continue // they take no JSON
		}
		got := send(t, client, r.method, s.secured.URL+r.path, strings.NewReader("nonsense"), nil)
		if got.status != http.StatusBadRequest || got.failure(t).Code != "bad_json" {
			t.Errorf("%s answered an agent's nonsense with %d %s", r.path, got.status, got.body)
		}
	}
}

// TestPortsAreApart holds that no port serves another one's routes.
func TestPortsAreApart(t *testing.T) {
	s := newServer(t)
	for _, r := range routes {
		for on, handler := range map[listener]http.Handler{public: s.web.Public(), handshake: s.web.Handshake(), secured: s.web.Secured()} {
			if on == r.on || slices.ContainsFunc(routes, func(o route) bool { return o.on == on && o.path == r.path }) {
				continue
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), r.method, concrete(r), nil))
			if w.Code != http.StatusNotFound {
				t.Errorf("%s %s of the %s port is served by the %s port with %d", r.method, r.path, r.on, on, w.Code)
			}
		}
	}
}

func TestPagesRefuseInvalidTokens(t *testing.T) {
	s := newServer(t)
	for _, users := range []string{"none", "one"} {
		for _, path := range []string{"/", "/setup", "/login", "/hosts"} {
			for _, header := range []string{"Bearer nonsense", "Basic YTpi"} {
				r := send(t, s.browser().client, get, s.public.URL+path, nil, map[string]string{"Authorization": header})
				if r.status != http.StatusUnauthorized || r.failure(t).Code != "not_logged_in" || r.header.Get("WWW-Authenticate") == "" {
					t.Errorf("with %s user, %s with %q answered %d %s", users, path, header, r.status, r.location())
				}
			}
		}
		if users == "none" {
			s.setUp()
		}
	}
}

func TestBeforeSetUpPagesLeadThere(t *testing.T) {
	s := newServer(t)
	for _, r := range routes {
		if r.on != public || r.method != get || r.path == "/live" || (r.may != user && r.path != "/login") {
			continue
		}
		got := s.browser().get(concrete(r))
		if got.status != http.StatusSeeOther || got.location() != "/setup" {
			t.Errorf("%s answered %d %s", r.path, got.status, got.location())
		}
	}
}

func TestHeaders(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	for _, path := range []string{"/", "/login", "/nothing", "/api/v1/hosts", "/hosts/999"} {
		got := b.get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy": csp, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
			"Strict-Transport-Security": "",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got.header.Get(name), want)
			}
		}
	}
	if !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("the policy is %q", csp)
	}
	r := httptest.NewRequestWithContext(t.Context(), get, "https://hostler.example/login", nil)
	w := httptest.NewRecorder()
	s.web.Public().ServeHTTP(w, r)
	if w.Header().Get("Strict-Transport-Security") == "" {
		t.Error("there is no HSTS under TLS")
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	if got := b.get("/nothing/here"); got.status != 404 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		t.Errorf("an unknown page answered %d %s", got.status, got.header.Get("Content-Type"))
	}
	if got := s.api(get, "/api/v1/nothing", ""); got.status != 404 || got.failure(t).Code != "not_found" {
		t.Errorf("an unknown call answered %d %s", got.status, got.body)
	}
	if got := s.api(post, "/api/v1/events", "{}"); got.status != 405 || got.failure(t).Code != "method_not_allowed" {
		t.Errorf("a wrong method answered %d %s", got.status, got.body)
	}
}
