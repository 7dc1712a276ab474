package web

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/account"
	"hostler/ui/assets"
)

var (
	linkAttribute = regexp.MustCompile(`\s(?:href|data-log-url)="(/[^"]*)"`)
	formAttribute = regexp.MustCompile(`<form[^>]*\smethod="post"[^>]*>|\sformaction="[^"]*"|\sdata-save="[^"]*"`)
	actionOf      = regexp.MustCompile(`(?:action|data-save)="(/[^"]*)"`)
)

// TestPagesLeadSomewhere follows every link of every page and holds every form's target against the table, for somebody
// who may do everything and for somebody who may only look: pages do not offer what is refused.
func TestPagesLeadSomewhere(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	c, id := s.register("node1.lab.test")
	s.beat(c, "node1.lab.test", wire.ChildAgent{Name: "BasicAgent", Status: wire.ChildFatal})
	_ = must[*db.Job](t)(s.web.Jobs.Add(t.Context(), id, wire.Job{Action: wire.ActionConfig, Step: 20}, "admin"))
	s.awaitOperation(s.startBootstrap("node1.lab.test, bad.lab.test"), db.Failed)
	by := map[string]string{"ssh": "", "manual": ""}
	for method := range by {
		path := b.newDraft("dc-" + method)
		form := b.hostsForm(path, "bad.lab.test", sshKey(t))
		form.Set("method", method)
		b.upload(path+"/hosts", form, scripts)
		by[method] = path
	}
	s.publishAgent()
	s.restart() // some operation waits for its key, so that its page asks

	all := []string{"/", by["ssh"] + "/confirm", by["ssh"] + "/summary", by["manual"] + "/manual", by["manual"] + "/summary", "/wizards"}
	seen := b.follow(account.RoleAdministrator, all)
	for _, want := range []string{"/hosts", fmt.Sprintf("/hosts/%d", id), "/operations", "/events", "/users", "/account"} {
		if !seen[want] {
			t.Errorf("nothing leads to %s", want)
		}
	}
	for _, role := range []string{account.RoleOperator, account.RoleAuditor} {
		seen := s.person(role, role).follow(role, []string{"/"})
		for _, want := range []string{"/hosts", fmt.Sprintf("/hosts/%d", id), "/operations", "/events", "/account"} {
			if !seen[want] {
				t.Errorf("nothing leads an %s to %s", role, want)
			}
		}
	}
}

// follow looks at pages and at all that they lead to.
func (b *browser) follow(role string, todo []string) (seen map[string]bool) {
	t := b.s.t
	t.Helper()
	seen = map[string]bool{}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		r := b.get(path)
		if r.status != 200 && r.status != 303 {
			t.Errorf("%s answered an %s with %d", path, role, r.status)
		}
		if r.status == 303 {
			todo = append(todo, r.location())
		}
		if strings.Contains(r.body, "style=\"") || strings.Contains(r.body, "onclick=") {
			t.Errorf("%s has inline styles or scripts, which the policy forbids", path)
		}
		for _, m := range linkAttribute.FindAllStringSubmatch(r.body, -1) {
			link := strings.Split(html.UnescapeString(m[1]), "#")[0]
			if !strings.Contains(link, "{id}") && !strings.HasPrefix(link, assets.Prefix) {
				todo = append(todo, link)
			}
		}
		for _, tag := range formAttribute.FindAllString(r.body, -1) {
			m := actionOf.FindStringSubmatch(tag)
			if m == nil || !served(post, html.UnescapeString(m[1]), role) {
				t.Errorf("%s has a form whose target nobody serves to an %s: %s", path, role, tag)
			}
		}
	}
	return seen
}

// served looks up in the table whether a role may use a path.
func served(method, target, role string) bool {
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	parts := strings.Split(u.Path, "/")
	for _, r := range routes {
		want := strings.Split(r.path, "/")
		if r.on != public || r.method != method || len(want) != len(parts) {
			continue
		}
		same := true
		for i := range want {
			same = same && (want[i] == parts[i] || strings.HasPrefix(want[i], ":"))
		}
		if same {
			return r.may == everyone || account.May(role, r.needs.right)
		}
	}
	return false
}
