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
	"hostler/ui/assets"
)

var (
	linkAttribute = regexp.MustCompile(`\s(?:href|data-log-url)="(/[^"]*)"`)
	formAttribute = regexp.MustCompile(`<form[^>]*\smethod="post"[^>]*>|\sformaction="[^"]*"|\sdata-save="[^"]*"`)
	actionOf      = regexp.MustCompile(`(?:action|data-save)="(/[^"]*)"`)
)

// TestPagesLeadSomewhere follows every link of every page and holds every form's target against the table.
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
	s.restart() // some operation waits for its key, so that its page asks

	seen := map[string]bool{}
	todo := []string{"/", by["ssh"] + "/confirm", by["ssh"] + "/summary", by["manual"] + "/manual", by["manual"] + "/summary", "/wizards"}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		r := b.get(path)
		if r.status != 200 && r.status != 303 {
			t.Errorf("%s answered %d", path, r.status)
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
			if m == nil || !served(post, html.UnescapeString(m[1])) {
				t.Errorf("%s has a form whose target nobody serves: %s", path, tag)
			}
		}
	}
	for _, want := range []string{"/hosts", fmt.Sprintf("/hosts/%d", id), "/operations", "/events"} {
		if !seen[want] {
			t.Errorf("nothing leads to %s", want)
		}
	}
}

// served looks a path up in the table.
func served(method, target string) bool {
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
			return true
		}
	}
	return false
}
