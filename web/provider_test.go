package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hostler/db"
	"hostler/server/account"
	"hostler/server/openid"
	"hostler/server/openid/openidtest"
	"hostler/ui/page"
)

// withProvider starts an identity provider by which people may log in, and lets the operators' group in.
func (s *server) withProvider() *openidtest.Provider {
	s.t.Helper()
	p := openidtest.Start(s.t, s.public.URL+PathProviderBack)
	s.web.Options.ProviderName = "Example"
	s.web.Provider = must[*openid.Provider](s.t)(openid.New(openid.Options{
		Issuer: p.Issuer, ClientID: openidtest.ClientID, Secret: openidtest.Secret, Redirect: s.public.URL + PathProviderBack, Scopes: []string{"profile"},
		NameClaim: "preferred_username", RoleClaim: "groups", CA: p.CA, Now: time.Now,
		Roles: []openid.Rule{{Value: "admins", Role: account.RoleAdministrator}, {Value: "ops", Role: account.RoleOperator}},
	}))
	p.Groups[openidtest.Alice] = []string{"ops"}
	return p
}

// toProvider follows the button of the login page.
func (b *browser) toProvider(next string) string {
	b.s.t.Helper()
	r := b.get("/login/provider?next=" + url.QueryEscape(next))
	if r.status != http.StatusSeeOther {
		b.s.t.Fatalf("the button answered %d: %s", r.status, r.body)
	}
	return r.location()
}

// comeBack logs in at the provider and comes back.
func (b *browser) comeBack(p *openidtest.Provider, address, name string) reply {
	b.s.t.Helper()
	return b.get(strings.TrimPrefix(p.LogIn(b.s.t, address, name), b.s.public.URL))
}

func TestLoginByProvider(t *testing.T) {
	s := newServer(t)
	s.setUp()
	p := s.withProvider()
	b := s.browser()
	if r := b.get("/login?next=/hosts"); !strings.Contains(r.body, `href="/login/provider?next=%2Fhosts"`) || !strings.Contains(r.body, "Log in by Example") {
		t.Errorf("the login page answered %d without the button", r.status)
	}
	r := b.comeBack(p, b.toProvider("/hosts?state=lost"), openidtest.Alice)
	if r.location() != "/hosts?state=lost" || b.cookie(flowCookie) != "" {
		t.Fatalf("the login answered %d %s: %s", r.status, r.location(), r.body)
	}
	if r := b.get("/account"); r.status != http.StatusOK || !strings.Contains(r.body, p.Issuer) || strings.Contains(r.body, "/account/password") {
		t.Errorf("the account answered %d", r.status)
	}
	alice := must[*db.User](t)(s.db.UserByName(t.Context(), openidtest.Alice))
	if alice.Role != account.RoleOperator || alice.Issuer != p.Issuer || alice.Subject != openidtest.Alice {
		t.Errorf("she is %+v", alice)
	}
	// The provider says what she may at every login.
	p.Groups[openidtest.Alice] = []string{"admins"}
	if r := b.get("/users"); r.status != http.StatusForbidden {
		t.Errorf("an operator was answered %d", r.status)
	}
	other := s.browser()
	other.comeBack(p, other.toProvider("/"), openidtest.Alice)
	if r := other.get("/users"); r.status != http.StatusOK {
		t.Errorf("an administrator was answered %d", r.status)
	}
	session := b.cookie(sessionCookie)
	if r := b.post("/logout", nil); r.location() != "/login" || b.cookie(sessionCookie) != "" {
		t.Errorf("the logout answered %d", r.status)
	}
	if _, err := s.web.Accounts.BySession(t.Context(), session); err == nil {
		t.Error("the session outlived the logout")
	}
	if r := b.get("/login"); !strings.Contains(r.body, page.NoticeText(t.Context(), "logged_out_here")) {
		t.Error("the page does not say where she is logged out")
	}
	r = b.post("/login", url.Values{"name": {openidtest.Alice}, "password": {""}})
	if r.status != http.StatusUnprocessableEntity {
		t.Errorf("an empty password answered %d", r.status)
	}
	var results []string
	for _, e := range s.auditEntries() {
		if e.Action == "user.login_provider" {
			results = append(results, e.Actor+" "+string(e.Result))
		}
	}
	if got := strings.Join(results, ", "); got != "alice done, alice done" {
		t.Errorf("the audit log has %q", got)
	}
}

func TestLoginByProviderIsRefused(t *testing.T) {
	s := newServer(t)
	s.setUp()
	p := s.withProvider()
	fails := func(what string, r reply, status int, code string) {
		t.Helper()
		if r.status != status || !strings.Contains(r.body, page.FieldText(t.Context(), code)) || !strings.Contains(r.body, `name="password"`) {
			t.Errorf("%s answered %d: %s", what, r.status, r.body)
		}
	}
	b := s.browser()
	fails("somebody without a role", b.comeBack(p, b.toProvider("/"), openidtest.Bob), http.StatusForbidden, "provider_role")
	if _, err := s.db.UserByName(t.Context(), openidtest.Bob); err == nil {
		t.Error("somebody without a role got an account")
	}
	// A local account is nobody's who has its name at the provider.
	s.person(openidtest.Bob, account.RoleAdministrator)
	p.Groups[openidtest.Bob] = []string{"ops"}
	fails("the name of a local account", b.comeBack(p, b.toProvider("/"), openidtest.Bob), http.StatusForbidden, "provider_name")
	back := p.LogIn(t, b.toProvider("/"), openidtest.Alice)
	stranger := s.browser()
	fails("an answer in another browser", stranger.get(strings.TrimPrefix(back, s.public.URL)), http.StatusForbidden, "provider_flow")
	fails("an answer without a login", b.get(PathProviderBack), http.StatusForbidden, "provider_flow")
	b.comeBack(p, b.toProvider("/"), openidtest.Alice)
	alice := must[*db.User](t)(s.db.UserByName(t.Context(), openidtest.Alice))
	if err := s.web.Accounts.Disable(t.Context(), testUser, alice); err != nil {
		t.Fatal(err)
	}
	fails("somebody who is disabled", b.comeBack(p, b.toProvider("/"), openidtest.Alice), http.StatusForbidden, "login_disabled")
	if err := s.web.Accounts.SetPassword(t.Context(), testUser, alice, testPassword); err == nil {
		t.Error("somebody of the provider got a password")
	}
	address := b.toProvider("/")
	back = p.LogIn(t, address, openidtest.Alice)
	p.Down.Store(true)
	fails("a provider that is down", b.get(strings.TrimPrefix(back, s.public.URL)), http.StatusBadGateway, "provider_down")
	if b.cookie(sessionCookie) == "" {
		t.Error("the session from before is gone")
	}
	s.newPerson("local", account.RoleOperator)
	if r := s.browser().post("/login", url.Values{"name": {"local"}, "password": {testPassword}}); r.location() != "/" {
		t.Errorf("while it is down a local login answered %d", r.status)
	}
}

func TestWithoutAProviderThereIsNoLoginByIt(t *testing.T) {
	s := newServer(t)
	s.setUp()
	for _, path := range []string{pathProvider, PathProviderBack} {
		if r := s.browser().get(path); r.status != http.StatusNotFound {
			t.Errorf("%s answered %d", path, r.status)
		}
	}
	if r := s.browser().get("/login"); strings.Contains(r.body, pathProvider) {
		t.Error("the login page leads there")
	}
}

// TestAttackOpenRedirectOfTheProvider asks for another site to be sent to.
func TestAttackOpenRedirectOfTheProvider(t *testing.T) {
	s := newServer(t)
	s.setUp()
	p := s.withProvider()
	for _, next := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`} {
		b := s.browser()
		if r := b.comeBack(p, b.toProvider(next), openidtest.Alice); r.location() != "/" {
			t.Errorf("%q led to %q", next, r.location())
		}
	}
}
