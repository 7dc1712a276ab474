package web

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/db"
	"hostler/internal/totp"
	"hostler/server/account"
	"hostler/ui/page"
)

var (
	secretShown = regexp.MustCompile(`data-text="([A-Z2-7]{32})"`)
	codesShown  = regexp.MustCompile(`[A-Z2-7]{4}(-[A-Z2-7]{4}){3}`)
)

// secretOf reads the secret that a page offers.
func secretOf(t *testing.T, r reply) totp.Secret {
	t.Helper()
	m := secretShown.FindStringSubmatch(r.body)
	if m == nil {
		t.Fatalf("the page answered %d and offers none", r.status)
	}
	return must[totp.Secret](t)(totp.Parse(m[1]))
}

// newPerson makes somebody who logs in with a password.
func (s *server) newPerson(name, role string) *db.User {
	s.t.Helper()
	return must[*db.User](s.t)(s.web.Accounts.CreateUser(s.t.Context(), "", name, testPassword, role))
}

func TestSecondFactorPages(t *testing.T) {
	s := newServer(t)
	s.newPerson(testUser, account.RoleAdministrator)
	b := s.sessionOf(testUser)
	if r := b.get("/account"); !strings.Contains(r.body, `href="`+pathSecondFactor+`"`) {
		t.Error("the account does not lead to it")
	}
	if r := b.post(pathSecondFactor+"/offer", url.Values{"password": {"wrong password"}}); r.status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong password answered %d", r.status)
	}
	if r := b.post(pathSecondFactor+"/offer", url.Values{"password": {testPassword}}); r.location() != pathSecondFactor {
		t.Fatalf("the password answered %d", r.status)
	}
	r := b.get(pathSecondFactor)
	secret := secretOf(t, r)
	if !strings.Contains(r.body, `<path d="M4 4h7v1h-7z`) { // the upper row of the first corner, after the quiet zone
		t.Error("there is no QR code")
	}
	if r := b.post(pathSecondFactor+"/confirm", url.Values{"code": {"12345"}}); r.status != http.StatusUnprocessableEntity || codesShown.MatchString(r.body) {
		t.Errorf("a wrong code answered %d", r.status)
	}
	r = b.post(pathSecondFactor+"/confirm", url.Values{"code": {secret.Code(totp.Step(time.Now()))}})
	codes := codesShown.FindAllString(r.body, -1)
	if r.status != http.StatusOK || len(codes) < 10 {
		t.Fatalf("the right code answered %d with %d recovery codes", r.status, len(codes))
	}
	if r := b.get(pathSecondFactor); codesShown.MatchString(r.body) || secretShown.MatchString(r.body) {
		t.Error("the page shows the codes or the secret again")
	}
	s.logInWithCode(secret, codes)
	r = b.post(pathSecondFactor+"/remove", url.Values{"password": {testPassword}, "code": {"nonsense"}})
	if r.status != http.StatusUnprocessableEntity {
		t.Errorf("a removal without the code answered %d", r.status)
	}
	if r := b.post(pathSecondFactor+"/remove", url.Values{"password": {testPassword}, "code": {codes[1]}}); r.location() != pathSecondFactor {
		t.Errorf("the removal answered %d", r.status)
	}
	if r := s.browser().post("/login", url.Values{"name": {testUser}, "password": {testPassword}}); r.location() != "/" {
		t.Errorf("after the removal the password led to %q", r.location())
	}
	for _, hidden := range append(codes, secret.Text()) {
		if strings.Contains(s.log.String(), hidden) || strings.Contains(toJSON(t, s.auditEntries()), hidden) {
			t.Errorf("%s is in the log or in the audit log", hidden)
		}
	}
}

// logInWithCode logs in with the password and a recovery code, in a browser without scripts.
func (s *server) logInWithCode(secret totp.Secret, codes []string) {
	t, b := s.t, s.browser()
	t.Helper()
	if r := b.get("/login/code"); r.location() != "/login" {
		t.Errorf("without the password the second step answered %d %s", r.status, r.location())
	}
	r := b.post("/login", url.Values{"name": {testUser}, "password": {testPassword}, "next": {"/hosts"}})
	if r.location() != "/login/code?next=%2Fhosts" || b.cookie(sessionCookie) != "" {
		t.Fatalf("the password led to %q, session %q", r.location(), b.cookie(sessionCookie))
	}
	if r := b.get("/hosts"); !refusedBecauseOfWho(r) {
		t.Errorf("the password alone opens the hosts: %d", r.status)
	}
	if r := b.get("/login/code?next=%2Fhosts"); r.status != http.StatusOK || !strings.Contains(r.body, `value="/hosts"`) {
		t.Errorf("the second step answered %d", r.status)
	}
	used := secret.Code(totp.Step(time.Now()) - 1) // not later than the one that confirmed it
	if r := b.post("/login/code", url.Values{"code": {used}}); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, page.FieldText(t.Context(), "code_wrong")) {
		t.Errorf("a used code answered %d", r.status)
	}
	if r := b.post("/login/code", url.Values{"code": {codes[0]}, "next": {"https://evil.example/"}}); r.location() != "/" {
		t.Errorf("a recovery code led to %q", r.location())
	}
	if r := b.get("/hosts"); r.status != http.StatusOK {
		t.Errorf("after the code the hosts answered %d", r.status)
	}
	if r := b.post("/login/code", url.Values{"code": {codes[1]}}); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, page.FieldText(t.Context(), "login_over")) {
		t.Errorf("a login that is over answered %d", r.status)
	}
}

// auditEntries are all that the log has.
func (s *server) auditEntries() []db.AuditEntry {
	s.t.Helper()
	return must[[]db.AuditEntry](s.t)(s.db.Audit(s.t.Context(), db.AuditQuery{Onward: true, Limit: 1000}))
}

// TestARequiredSecondFactorComesFirst walks the table as somebody who lacks the second factor that is required.
func TestARequiredSecondFactorComesFirst(t *testing.T) {
	s := newServer(t)
	s.newPerson(testUser, account.RoleAdministrator)
	b := s.sessionOf(testUser)
	if r := b.post("/users/second-factor", url.Values{"required_of": {account.OfAdministrators}}); r.location() != "/users" {
		t.Fatalf("the rule answered %d", r.status)
	}
	early := []string{pathSecondFactor, pathSecondFactor + "/offer", pathSecondFactor + "/confirm", "/logout"}
	for _, r := range routes {
		if r.on != public || r.may == everyone || r.path == "/live" || r.path == "/logout" {
			continue
		}
		got, page := b.ask(r), !strings.HasPrefix(r.path, "/api/")
		held := got.status == http.StatusSeeOther && got.location() == pathSecondFactor || got.status == http.StatusForbidden && strings.Contains(got.body, codeFactorNeeded)
		open := slices.Contains(early, r.path)
		if open != r.needs.early || !open && !held || page && !open && got.location() != pathSecondFactor || open && got.status == http.StatusForbidden {
			t.Errorf("%s %s answered %d %s", r.method, r.path, got.status, got.location())
		}
	}
	if r := b.get(pathSecondFactor); !strings.Contains(r.body, "required of you") {
		t.Errorf("the page does not say why: %d", r.status)
	}
	b.post(pathSecondFactor+"/offer", url.Values{"password": {testPassword}})
	secret := secretOf(t, b.get(pathSecondFactor))
	b.post(pathSecondFactor+"/confirm", url.Values{"code": {secret.Code(totp.Step(time.Now()))}})
	if r := b.get("/users"); r.status != http.StatusOK {
		t.Errorf("with the second factor the users answered %d", r.status)
	}
	if r := s.api(get, api+"/users", ""); r.status != http.StatusOK {
		t.Errorf("a token was answered %d", r.status)
	}
}

func TestAdministratorResetsASecondFactor(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	s.newPerson("bob", account.RoleOperator)
	his := s.sessionOf("bob")
	his.post(pathSecondFactor+"/offer", url.Values{"password": {testPassword}})
	secret := secretOf(t, his.get(pathSecondFactor))
	his.post(pathSecondFactor+"/confirm", url.Values{"code": {secret.Code(totp.Step(time.Now()))}})
	path := b.path("bob")
	var bob account.Person
	s.api(get, api+path, "").json(t, &bob)
	if bob.SecondFactorSince == nil {
		t.Error("the API does not tell of it")
	}
	if r := b.get(path); !strings.Contains(r.body, `action="`+path+`/second-factor/reset"`) {
		t.Errorf("the page offers no reset: %d", r.status)
	}
	if r := b.post(path+"/second-factor/reset", nil); r.location() != path {
		t.Errorf("the reset answered %d", r.status)
	}
	if r := s.browser().post("/login", url.Values{"name": {"bob"}, "password": {testPassword}}); r.location() != "/" {
		t.Errorf("the password led to %q", r.location())
	}
}
