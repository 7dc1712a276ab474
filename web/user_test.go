package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"hostler/db"
	"hostler/server/account"
	"hostler/ui/live"
)

func TestUsersPage(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	good := url.Values{"name": {"bob"}, "password": {testPassword}, "role": {account.RoleOperator}}
	for name, change := range map[string][2]string{"a weak password": {"password", "Password123!"}, "a bad name": {"name", "b b"}, "no role": {"role", ""}, "a name that is taken": {"name", testUser}} {
		form := cloneForm(good)
		form.Set(change[0], change[1])
		if r := b.post("/users", form); r.status != http.StatusUnprocessableEntity || strings.Contains(r.body, testPassword) || !strings.Contains(r.body, "field-error") {
			t.Errorf("%s answered %d", name, r.status)
		}
	}
	if r := b.post("/users", good); r.location() != "/users" {
		t.Fatalf("the form answered %d", r.status)
	}
	bob := must[*db.User](t)(s.db.UserByName(t.Context(), "bob"))
	path := userPath(bob)
	if r := b.get("/users"); !strings.Contains(r.body, path) || !strings.Contains(r.body, "Operator") {
		t.Errorf("the list answered %d without bob", r.status)
	}
	his := s.sessionOf("bob")
	if r := b.get(path); r.status != http.StatusOK || !strings.Contains(r.body, `action="`+path+`/remove"`) {
		t.Errorf("the page answered %d", r.status)
	}
	if r := b.post(path+"/role", url.Values{"role": {account.RoleAuditor}}); r.location() != path {
		t.Errorf("the role answered %d", r.status)
	}
	if r := b.post(path+"/password", url.Values{"password": {"short"}}); r.status != http.StatusUnprocessableEntity {
		t.Errorf("a short password answered %d", r.status)
	}
	if r := b.post(path+"/password", url.Values{"password": {"battery staple 7"}}); r.location() != path {
		t.Errorf("the password answered %d", r.status)
	}
	if r := his.get("/hosts"); !refusedBecauseOfWho(r) {
		t.Errorf("his session outlived his password: %d", r.status)
	}
	for _, action := range []string{"disable", "enable", "remove"} {
		if r := b.post(path+"/"+action, nil); r.status != http.StatusSeeOther {
			t.Errorf("%s answered %d", action, r.status)
		}
	}
	if r := b.get(path); r.status != http.StatusNotFound {
		t.Errorf("after the removal his page answered %d", r.status)
	}
	own := b.path(testUser)
	for _, action := range []string{"disable", "remove"} {
		if r := b.post(own+"/"+action, nil); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "stay administrator") {
			t.Errorf("%s of the last administrator answered %d", action, r.status)
		}
	}
	if r := b.post(own+"/role", url.Values{"role": {account.RoleAuditor}}); r.status != http.StatusUnprocessableEntity {
		t.Errorf("another role of the last administrator answered %d", r.status)
	}
}

var tokenShown = regexp.MustCompile(`data-text="([A-Za-z0-9_-]{43})"`)

func TestOwnAccount(t *testing.T) {
	s := newServer(t)
	s.setUp()
	if _, err := s.web.Accounts.CreateUser(t.Context(), "", "bob", testPassword, account.RoleOperator); err != nil {
		t.Fatal(err)
	}
	b, other := s.sessionOf("bob"), s.sessionOf("bob")
	r := b.post("/account/tokens", url.Values{"name": {"backup"}, "role": {account.RoleAuditor}, "expires": {"30"}})
	m := tokenShown.FindStringSubmatch(r.body)
	if r.status != http.StatusOK || m == nil {
		t.Fatalf("the token's form answered %d", r.status)
	}
	header := map[string]string{"Authorization": "Bearer " + m[1]}
	if r := send(t, s.browser().client, get, s.public.URL+api+"/hosts", nil, header); r.status != http.StatusOK {
		t.Errorf("the token was answered %d", r.status)
	}
	if r := b.get("/account"); strings.Contains(r.body, m[1]) || !strings.Contains(r.body, "backup") {
		t.Error("the page shows the token again, or not at all")
	}
	for name, form := range map[string]url.Values{
		"a role above one's own": {"name": {"x"}, "role": {account.RoleAdministrator}}, "a name twice": {"name": {"backup"}, "role": {account.RoleAuditor}},
		"an end that is no number": {"name": {"x"}, "role": {account.RoleAuditor}, "expires": {"soon"}},
	} {
		if r := b.post("/account/tokens", form); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s answered %d", name, r.status)
		}
	}
	made := must[*db.APIToken](t)(s.db.APITokenByName(t.Context(), "backup"))
	if r := s.session().post("/account/tokens/"+idText(made.ID)+"/end", nil); r.status != http.StatusSeeOther {
		t.Errorf("somebody else's end answered %d", r.status)
	}
	if _, err := s.db.APITokenByName(t.Context(), "backup"); err != nil {
		t.Errorf("somebody else ended it: %v", err)
	}
	b.post("/account/tokens/"+idText(made.ID)+"/end", nil)
	if r := send(t, s.browser().client, get, s.public.URL+api+"/hosts", nil, header); r.status != http.StatusUnauthorized {
		t.Errorf("an ended token was answered %d", r.status)
	}
	change := url.Values{"old": {"wrong horse"}, "password": {"battery staple 7"}, "confirm": {"battery staple 7"}}
	if r := b.post("/account/password", change); r.status != http.StatusUnprocessableEntity {
		t.Errorf("without the old password it answered %d", r.status)
	}
	change.Set("old", testPassword)
	if r := b.post("/account/password", change); r.location() != "/account" {
		t.Errorf("the change answered %d", r.status)
	}
	if r := b.get("/account"); r.status != http.StatusOK {
		t.Errorf("the session that changed it was answered %d", r.status)
	}
	if r := other.get("/account"); !refusedBecauseOfWho(r) {
		t.Errorf("another session was answered %d", r.status)
	}
}

func TestSessionsAreEnded(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	his := s.person("bob", account.RoleOperator)
	bob := must[*db.User](t)(s.db.UserByName(t.Context(), "bob"))
	sessions := must[[]db.Session](t)(s.db.Sessions(t.Context(), bob.ID, db.Now(), 10))
	own := must[[]db.Session](t)(s.db.Sessions(t.Context(), 0, db.Now(), 10))[1]
	if r := his.post("/account/sessions/"+idText(own.ID)+"/end", nil); r.status != http.StatusSeeOther || b.get("/hosts").status != http.StatusOK {
		t.Errorf("somebody ended another one's session: %d", r.status)
	}
	if r := b.post("/sessions/"+idText(sessions[0].ID)+"/end", nil); r.location() != "/users" {
		t.Errorf("the end answered %d %s", r.status, r.location())
	}
	if r := his.get("/hosts"); !refusedBecauseOfWho(r) {
		t.Errorf("his session was answered %d", r.status)
	}
	third := s.session()
	b.post("/account/end-other-sessions", nil)
	if r := third.get("/hosts"); !refusedBecauseOfWho(r) {
		t.Errorf("another session was answered %d", r.status)
	}
}

// TestAttackStolenSessionAfterLogout uses a copy of a session's cookie after its owner has logged out.
func TestAttackStolenSessionAfterLogout(t *testing.T) {
	s := newServer(t)
	owner := s.setUp()
	thief := s.browser()
	base := must[*url.URL](t)(url.Parse(s.public.URL))
	thief.client.Jar.SetCookies(base, owner.client.Jar.Cookies(base))
	open := thief.open(live.TopicHosts)
	if r := thief.get("/hosts"); r.status != http.StatusOK {
		t.Fatalf("the copy was answered %d", r.status)
	}
	owner.post("/logout", nil)
	for _, r := range routes {
		if r.on != public || r.may == everyone || r.path == "/live" || r.may == local {
			continue
		}
		if got := thief.ask(r); !refusedBecauseOfWho(got) {
			t.Errorf("%s %s answered the copy with %d", r.method, r.path, got.status)
		}
	}
	if err := open.ws.SetReadDeadline(time.Now().Add(waitMost)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, err := open.ws.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
				t.Errorf("the open page ended with %v", err)
			}
			break
		}
	}
	if _, r, err := thief.dial(s.public.URL); err == nil || r.StatusCode != http.StatusUnauthorized {
		t.Errorf("the copy opened a page: %v", err)
	}
}

func TestUsersAPI(t *testing.T) {
	s := newServer(t)
	s.setUp()
	var bob account.Person
	r := s.api(post, api+"/users", `{"name":"bob","password":"`+testPassword+`","role":"operator"}`)
	r.json(t, &bob)
	if r.status != http.StatusCreated || bob.Name != "bob" || bob.Role != account.RoleOperator {
		t.Fatalf("it answered %d %s", r.status, r.body)
	}
	path := api + "/users/" + idText(bob.ID)
	for _, c := range []struct{ path, body, field string }{
		{api + "/users", `{"name":"bob","password":"` + testPassword + `","role":"operator"}`, "name"},
		{api + "/users", `{"name":"eve","password":"short","role":"operator"}`, "password"},
		{path + "/role", `{"role":"root"}`, "role"},
		{path + "/password", `{"password":"1234567890"}`, "password"},
		{api + "/users/1/remove", `{}`, "role"},
		{api + "/tokens", `{"name":"x","role":"operator","expires_in":99999999999999}`, "expires"},
	} {
		if r := s.api(post, c.path, c.body); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields[c.field] == "" {
			t.Errorf("%s %s answered %d %s", c.path, c.body, r.status, r.body)
		}
	}
	var page usersReply
	s.api(get, api+"/users?limit=1", "").json(t, &page)
	if len(page.Items) != 1 || page.Items[0].Name != testUser || page.Next != testUser {
		t.Errorf("the first page is %+v", page)
	}
	s.api(get, api+"/users?limit=1&after="+page.Next, "").json(t, &page)
	if len(page.Items) != 1 || page.Items[0].Name != "bob" || page.Next != "" {
		t.Errorf("the second page is %+v", page)
	}
	// Bob's own token does what Bob may, until Bob may not.
	b := s.sessionOf("bob")
	made := tokenShown.FindStringSubmatch(b.post("/account/tokens", url.Values{"name": {"his"}, "role": {account.RoleOperator}}).body)
	if made == nil {
		t.Fatal("no token was made")
	}
	ask := func() accountReply {
		t.Helper()
		var reply accountReply
		send(t, s.browser().client, get, s.public.URL+api+"/account", nil, map[string]string{"Authorization": "Bearer " + made[1]}).json(t, &reply)
		return reply
	}
	if who := ask(); !who.Token || len(who.Rights) != 3 {
		t.Errorf("it is %+v", who)
	}
	if r := s.api(post, path+"/role", `{"role":"auditor"}`); r.status != http.StatusOK {
		t.Fatalf("the role answered %d %s", r.status, r.body)
	}
	if who := ask(); len(who.Rights) != 2 {
		t.Errorf("with an auditor as owner it is %+v", who)
	}
	if r := s.api(post, path+"/remove", `{}`); r.status != http.StatusOK {
		t.Errorf("the removal answered %d %s", r.status, r.body)
	}
	if r := send(t, s.browser().client, get, s.public.URL+api+"/account", nil, map[string]string{"Authorization": "Bearer " + made[1]}); r.status != http.StatusUnauthorized {
		t.Errorf("his token was answered %d", r.status)
	}
}
