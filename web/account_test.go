package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/db"
	"hostler/server/account"
	"hostler/ui/page"
)

func TestSetUp(t *testing.T) {
	s := newServer(t)
	b := s.browser()
	token := must[string](t)(s.web.Accounts.SetUpToken(context.Background()))
	good := url.Values{"token": {token}, "name": {testUser}, "password": {testPassword}, "confirm": {testPassword}}
	change := func(name, value string) url.Values {
		form := cloneForm(good)
		form.Set(name, value)
		return form
	}
	if r := b.get("/setup"); r.status != 200 || strings.Contains(r.body, token) || !strings.Contains(r.body, `name="token"`) {
		t.Errorf("the page without a link answered %d: %s", r.status, r.body)
	}
	if r := b.get("/setup?token=" + token); r.status != 200 || !strings.Contains(r.body, token) {
		t.Errorf("the page of the link answered %d: %s", r.status, r.body)
	}
	for name, form := range map[string]url.Values{
		"wrong token": change("token", "wrong"), "short password": change("password", "short"), "other password": change("confirm", "something else"),
		"bad name": change("name", "a b"),
	} {
		if r := b.post("/setup", form); r.status != http.StatusUnprocessableEntity || strings.Contains(r.body, testPassword) {
			t.Errorf("%s answered %d: %s", name, r.status, r.body)
		}
	}
	if strings.Contains(s.log.String(), token) {
		t.Error("the set-up secret is in the log")
	}
	if r := b.post("/setup", good); r.status != http.StatusSeeOther || r.location() != "/" {
		t.Fatalf("the right form answered %d %s", r.status, r.body)
	}
	if r := b.get("/"); r.status != 200 || !strings.Contains(r.body, testUser) {
		t.Errorf("the overview answered %d: %s", r.status, r.body)
	}
	if r := s.browser().post("/setup", change("name", "second")); r.location() != "/login" {
		t.Errorf("a second administrator was answered %d %s", r.status, r.location())
	}
}

func TestLogin(t *testing.T) {
	s := newServer(t)
	_ = must[*db.User](t)(s.web.Accounts.CreateUser(t.Context(), "", testUser, testPassword, account.RoleAdministrator))
	b := s.browser()
	if r := b.get("/hosts?state=lost"); r.location() != "/login?next="+url.QueryEscape("/hosts?state=lost") {
		t.Errorf("a page for nobody led to %q", r.location())
	}
	if r := b.post("/login", url.Values{"name": {testUser}, "password": {"wrong password"}}); r.status != http.StatusUnprocessableEntity || b.cookie(sessionCookie) != "" {
		t.Errorf("a wrong password answered %d, cookie %q", r.status, b.cookie(sessionCookie))
	}
	r := b.post("/login", url.Values{"name": {testUser}, "password": {testPassword}, "next": {"/hosts?state=lost"}})
	if r.status != http.StatusSeeOther || r.location() != "/hosts?state=lost" {
		t.Fatalf("the login answered %d %s", r.status, r.location())
	}
	cookie := r.header.Get("Set-Cookie")
	for _, attribute := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, attribute) {
			t.Errorf("the cookie is %q, without %s", cookie, attribute)
		}
	}
	if r := b.post("/logout", nil); r.location() != "/login" || b.cookie(sessionCookie) != "" {
		t.Errorf("the logout answered %d %s", r.status, r.location())
	}
	if r := b.get("/hosts"); !refusedBecauseOfWho(r) {
		t.Errorf("after the logout the hosts answered %d", r.status)
	}
}

func TestLoginDelays(t *testing.T) {
	s := newServer(t)
	_ = must[*db.User](t)(s.web.Accounts.CreateUser(t.Context(), "", testUser, testPassword, account.RoleAdministrator))
	wrong := url.Values{"name": {testUser}, "password": {"wrong password"}}
	for i := range 7 {
		r := s.browser().post("/login", wrong)
		if r.status == http.StatusTooManyRequests {
			if i < 5 {
				t.Errorf("already try %d has to wait", i+1)
			}
			if !strings.Contains(r.body, page.FieldText(t.Context(), "login_wait")) {
				t.Errorf("the page does not say to wait: %s", r.body)
			}
			return
		}
	}
	t.Error("seven wrong passwords in a row were all tried")
}

func TestPreferences(t *testing.T) {
	s := newServer(t)
	b := s.browser()
	if r := b.post("/preferences", url.Values{"lang": {"zh-CN"}, "next": {"/login"}}); r.location() != "/login" {
		t.Errorf("led to %q", r.location())
	}
	s.setUp()
	if r := b.get("/login"); !strings.Contains(r.body, `lang="zh-CN"`) {
		t.Errorf("the page is not in Chinese: %.200s", r.body)
	}
	b.post("/preferences", url.Values{"theme": {"dark"}, "lang": {"xx"}})
	if b.cookie(themeCookie) != "dark" || b.cookie(langCookie) != "zh-CN" {
		t.Errorf("the cookies are %q and %q", b.cookie(themeCookie), b.cookie(langCookie))
	}
}

func TestLocalPath(t *testing.T) {
	for next, want := range map[string]string{
		"/hosts?state=lost#x": "/hosts?state=lost#x", "/": "/", "": "/", "//evil.example": "/", "https://evil.example/": "/",
		`/\evil.example`: "/", "/\t/evil.example": "/", "hosts": "/", "javascript:alert(1)": "/", "/%zz": "/", `\/evil`: "/",
	} {
		if got := localPath(next, "/"); got != want {
			t.Errorf("localPath(%q) is %q, want %q", next, got, want)
		}
	}
}

// TestAttackCSRFFromAnotherOrigin sends what a browser sends when another site tries to act in the session of its user.
func TestAttackCSRFFromAnotherOrigin(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	form := "csrf=" + b.csrf()
	for _, c := range []struct {
		name, path, body string
		header           map[string]string
		ok               bool
	}{
		{"own page", "/wizards", form, map[string]string{"Origin": s.public.URL, "Sec-Fetch-Site": "same-origin"}, true},
		{"own script", "/wizards", "", map[string]string{"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": b.csrf()}, true},
		{"no token", "/wizards", "", map[string]string{"Sec-Fetch-Site": "same-origin"}, false},
		{"another session's token", "/wizards", "csrf=" + csrfToken("other"), map[string]string{"Sec-Fetch-Site": "same-origin"}, false},
		{"another site with the token", "/wizards", form, map[string]string{"Sec-Fetch-Site": "cross-site"}, false},
		{"another origin with the token", "/wizards", form, map[string]string{"Origin": "https://evil.example"}, false},
		{"another site's login", "/login", "name=admin", map[string]string{"Origin": "https://evil.example"}, false},
		{"API without a token", "/api/v1/hosts/expand", "{}", map[string]string{"Content-Type": "application/json"}, false},
	} {
		header := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
		for k, v := range c.header {
			header[k] = v
		}
		r := send(t, b.client, post, s.public.URL+c.path, strings.NewReader(c.body), header)
		if ok := r.status != http.StatusForbidden; ok != c.ok {
			t.Errorf("%s answered %d: %.100s", c.name, r.status, r.body)
		}
	}
}
