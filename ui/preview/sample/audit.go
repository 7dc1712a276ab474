package sample

import (
	"strings"
	"time"

	"github.com/a-h/templ"

	"hostler/ui/layout"
	"hostler/ui/page"
)

func auditPages() []Page {
	return []Page{
		{"/audit", false, func(f layout.Frame) templ.Component {
			return page.AuditPage(page.AuditView{Frame: f, Entries: auditEntries(), Next: "7"})
		}},
		{"/audit/none", false, func(f layout.Frame) templ.Component {
			return page.AuditPage(page.AuditView{Frame: f})
		}},
		{"/audit/unmatched", false, func(f layout.Frame) templ.Component {
			return page.AuditPage(page.AuditView{Frame: f, Actor: "nobody.here", Result: "failed"})
		}},
		{"/audit/{id}", false, func(f layout.Frame) templ.Component {
			return page.AuditEntryPage(page.AuditEntryView{Frame: f, Entry: auditEntries()[0]})
		}},
		{"/audit/verify", false, func(f layout.Frame) templ.Component {
			return page.AuditVerifyPage(page.AuditVerifyView{Frame: f, Entries: 5120, Last: 5120, Hash: strings.Repeat("4e07b1c2", 8)})
		}},
		{"/audit/verify/broken", false, func(f layout.Frame) templ.Component {
			return page.AuditVerifyPage(page.AuditVerifyView{Frame: f, Entries: 5119, Last: 5120, Hash: strings.Repeat("4e07b1c2", 8), Problems: []page.AuditProblem{
				{Entry: 311, Code: "altered", Message: "it was changed, or what was before it is not what was before it when it was written"},
				{Entry: 5132, Code: "truncated", Message: "the log does not have this entry as the data directory tells of it: the end was cut off or replaced"},
				{Code: "head", Message: "/var/lib/hostler/audit/head is missing or not sealed with the key: entries may be cut off at the end"},
			}})
		}},
	}
}

func auditEntries() []page.AuditEntry {
	entries := []page.AuditEntry{
		{
			Actor: "admin", Address: "192.0.2.17", Action: "user.role", Target: "bo.lin", Result: "done",
			Before: `{"role":"operator"}`, After: `{"role":"auditor"}`,
		},
		{Address: "198.51.100.23", Action: "user.login", Target: "admin", Result: "refused", Code: "wrong_password"},
		{Actor: "bo.lin", Address: "2001:db8::42", Action: "access", Target: "GET /users", Result: "refused", Code: "forbidden"},
		{Actor: "token:ci", Address: "203.0.113.9", Action: "channel.promote", Target: "tools", Result: "done", Before: `{"channel":"stable","snapshot":6}`, After: `{"channel":"stable","snapshot":"7"}`},
		{Actor: "host:web-01.example.com", Address: "10.0.3.51", Action: "host.enrol", Target: "web-01.example.com", Result: "done", After: `{"agentsn":"0199c0de-0000-7000-8000-000000000000","serial":"8f3a","token":31}`},
		{Actor: "cli:root", Action: "token.create", Target: "inventory", Result: "done", After: `{"name":"inventory","role":"auditor","expires_at":null}`},
		{Actor: "admin", Address: "192.0.2.17", Action: "user.create", Target: "eve", Result: "failed", Code: "invalid"},
	}
	for i := range entries {
		e := &entries[i]
		e.ID, e.Time, e.Request, e.Hash = int64(len(entries)-i), Now.Add(-time.Duration(i*i*17)*time.Minute), "K3J5QZ7WXA2B", strings.Repeat("4e07b1c2", 8)
	}
	return entries
}
