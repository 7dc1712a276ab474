package web

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/server/account"
	"hostler/server/audit"
)

func TestAuditAPI(t *testing.T) {
	s := newServer(t)
	s.setUp()
	for _, name := range []string{"bob", "eve", "=cmd"} {
		s.api(post, api+"/users", `{"name":"`+name+`","password":"`+testPassword+`","role":"operator"}`)
	}
	var page, rest auditReply
	s.api(get, api+"/audit?action=user&limit=2", "").json(t, &page)
	s.api(get, fmt.Sprint(api, "/audit?action=user&limit=2&before=", page.Next), "").json(t, &rest)
	if len(page.Items) != 2 || page.Items[0].Result != db.AuditFailed || page.Items[1].Target != "eve" || len(rest.Items) != 1 || rest.Items[0].Target != "bob" || rest.Next != 0 {
		t.Errorf("the pages are %+v and %+v", page, rest)
	}
	for query, want := range map[string]int{
		"target=bob": 1, "actor=token:ci&result=done": 2, "action=token": 0, "since=2000-01-01T00:00:00Z": 3, "until=2000-01-01T00:00:00Z": 0, "hours=1": 3,
	} {
		s.api(get, api+"/audit?"+query, "").json(t, &page)
		if len(page.Items) != want {
			t.Errorf("%s found %d, want %d", query, len(page.Items), want)
		}
	}
	for _, query := range []string{"result=perhaps", "since=yesterday", "before=x", "hours=0"} {
		for _, path := range []string{"/audit", "/audit/export"} {
			if path == "/audit/export" && query == "before=x" {
				continue
			}
			if r := s.api(get, api+path+"?"+query, ""); r.status != http.StatusBadRequest {
				t.Errorf("%s?%s answered %d", path, query, r.status)
			}
		}
	}
	r := s.api(get, api+"/audit/2", "")
	if r.status != http.StatusOK || !strings.Contains(r.body, `"before":null`) || !strings.Contains(r.body, `"after":{"id":`) {
		t.Errorf("an entry answered %d %s", r.status, r.body)
	}
	if r := s.api(get, api+"/audit/99", ""); r.status != http.StatusNotFound {
		t.Errorf("entry 99 answered %d", r.status)
	}
	s.api(post, api+"/child-definitions/forget", `{"name":"=cmd","version":"1"}`)
	r = s.api(get, api+"/audit/export?format=csv&action=child_definition.forget", "")
	rows, err := csv.NewReader(strings.NewReader(r.body)).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][5] != "'=cmd 1" || !strings.HasPrefix(r.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the table is %q, %v", rows, err)
	}
	if e := s.entries(s.newest() - 1)[0]; e.Action != "audit.export" || !strings.Contains(string(e.Became), "action=child_definition.forget") {
		t.Errorf("the export is %+v", e)
	}
	if r := s.api(get, api+"/audit/export?format=xml", ""); r.status != http.StatusBadRequest {
		t.Errorf("another format answered %d", r.status)
	}
	var report audit.Report
	s.api(get, api+"/audit/verify", "").json(t, &report)
	if len(report.Problems) > 0 || report.Last != s.newest() {
		t.Errorf("it is %+v", report)
	}
	if r := s.api(get, api+"/audit/verify?after=99", ""); r.status != http.StatusNotFound {
		t.Errorf("verifying behind entry 99 answered %d", r.status)
	}
}

func TestAuditPages(t *testing.T) {
	source := dbtest.Migrated(t)
	s := newServerOn(t, dbtest.OpenURL(t, source))
	s.setUp()
	s.api(post, api+"/users", `{"name":"bob","password":"`+testPassword+`","role":"operator"}`)
	b := s.person("inspector", account.RoleAuditor)
	for path, wants := range map[string][]string{
		"/audit":                {"Add a user", `href="/audit/verify"`, `href="/api/v1/audit/export?format=csv"`, "data-detail", `href="/audit"`},
		"/audit?result=refused": {"No entry matches", `href="/api/v1/audit/export?result=refused&amp;format=csv"`},
		"/audit?target=" + url.QueryEscape("<b>"): {"No entry matches", "&lt;b&gt;"},
		"/audit/1":      {"Entry 1", "bob", "operator", "data-detail-body"},
		"/audit/verify": {"The log is as it was written"},
	} {
		r := b.get(path)
		for _, want := range wants {
			if r.status != http.StatusOK || !strings.Contains(r.body, want) {
				t.Errorf("%s answered %d without %s", path, r.status, want)
			}
		}
	}
	dbtest.Execute(t, source, "UPDATE audit_entries SET actor = 'mallory' WHERE id = 1")
	if r := b.get("/audit/verify"); !strings.Contains(r.body, "The log is not as it was written") || !strings.Contains(r.body, `href="/audit/1"`) || !strings.Contains(r.body, "It was changed") {
		t.Errorf("after a forgery it answered %d", r.status)
	}
	if r := s.person("olga", account.RoleOperator).get("/hosts"); strings.Contains(r.body, `href="/audit"`) {
		t.Error("an operator is offered the audit log")
	}
}
