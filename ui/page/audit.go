package page

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/layout"
	"hostler/ui/live"
)

// AuditEntry is one act.
type AuditEntry struct {
	ID            int64
	Time          time.Time
	Actor         string // see actorText; "" for nobody who is known
	Address       string
	Action        string // one of AuditActions
	Target        string
	Result        string // one of AuditResults
	Code          string // why it was refused or failed
	Request       string
	Before, After string // JSON, or ""
	Hash          string
}

// AuditView is GET /audit.
type AuditView struct {
	Frame   layout.Frame
	Entries []AuditEntry
	Next    string // value of ?before= for the next page; "" on the last one
	Paged   bool
	// What the list is filtered by.
	Actor, Action, Target, Result, Hours string
}

// AuditEntryView is GET /audit/{id}.
type AuditEntryView struct {
	Frame layout.Frame
	Entry AuditEntry
}

// AuditVerifyView is GET /audit/verify.
type AuditVerifyView struct {
	Frame         layout.Frame
	Entries, Last int64
	Hash          string
	Problems      []AuditProblem
}

// AuditProblem is something that is not as the log was written.
type AuditProblem struct {
	Entry   int64 // 0 for the log as a whole
	Code    string
	Message string // English
}

// AuditResults are how acts end.
var AuditResults = []string{"done", "refused", "failed"}

// AuditProblemCodes are the problems that the catalogues have a text for.
var AuditProblemCodes = []string{"altered", "missing", "seal", "cut", "truncated", "head"}

// AuditActions are the acts that the catalogues have a text for.
var AuditActions = []string{
	"access", "agent.upgrade", "audit.cut", "audit.export", "audit.key", "audit.suppressed", "authority.advance", "authority.back", "bootstrap.start", "certificate.clean",
	"certificate.presign", "certificate.renew", "certificate.renewed", "certificate.revoke", "channel.promote", "channel.roll_back", "check.mend", "check.start", "child_agent.configure", "child_agent.install",
	"child_agent.log", "child_agent.manage", "child_definition.forget", "command.start", "enrol_queue.set", "enrol_request.autosign", "enrol_request.refuse",
	"enrol_request.sign", "enrol_token.archive", "enrol_token.create", "enrol_token.end", "fetch.start", "file.upload", "host.check", "host.enrol", "host.mend", "host.remove", "host.step", "host_key.forget",
	"job.cancel", "mirror.change", "mirror.create", "mirror.remove", "mirror.run", "operation.cancel", "operation.retry", "operation.skip", "operation.unlock", "namesake.settle", "package.add", "package.drop", "push.start",
	"repository.create", "repository.export", "repository.import", "repository.remove", "repository_key.advance", "repository_key.back", "session.end", "session.end_others", "second_factor.codes", "second_factor.offer", "second_factor.remove", "second_factor.require", "second_factor.reset", "second_factor.set",
	"sign_rule.create", "sign_rule.remove", "token.create",
	"token.end", "user.create", "user.disable", "user.enable", "user.limit", "user.login", "user.login_code", "user.login_provider", "user.logout", "user.password", "user.remove", "user.role",
	"user.set_up", "warning.accept", "warning.unaccept", "wizard.discard", "wizard.finish", "wizard.pass_checks", "wizard.start",
}

// AuditFamilies are the first words of AuditActions.
func AuditFamilies() []string {
	var families []string
	for _, a := range AuditActions {
		family, _, _ := strings.Cut(a, ".")
		families = append(families, family)
	}
	slices.Sort(families)
	return slices.Compact(families)
}

func auditPath(id int64) string { return "/audit/" + idText(id) }

// path is the list with the filters of the view, but for the result.
func (v AuditView) path(result string) string { return v.filtersOf("/audit", result) }

func (v AuditView) filtersOf(path, result string) string {
	return filtered(path, "result", result, "action", v.Action, "actor", v.Actor, "target", v.Target, "hours", v.Hours)
}

// export is where the list is had as a file.
func (v AuditView) export(format string) string {
	return withQuery(v.filtersOf("/api/v1/audit/export", v.Result), "format", format)
}

func (v AuditView) filtered() bool { return v.Actor+v.Action+v.Target+v.Result+v.Hours != "" }

func auditTone(result string) string {
	switch result {
	case "done":
		return live.ToneDone
	case "refused":
		return live.ToneWarning
	}
	return live.ToneFailed
}

// auditActor names who acted.
func auditActor(ctx context.Context, e AuditEntry) string {
	if e.Actor == "" {
		return i18n.T(ctx, "audit.nobody")
	}
	if name, ok := strings.CutPrefix(e.Actor, "host:"); ok {
		return i18n.T(ctx, "audit.host", "Name", name)
	}
	return actorText(ctx, e.Actor)
}

// auditState is one field before and after.
type auditState struct {
	Name          string
	Before, After string
	Changed       bool
}

// states sets what was beside what has become, by field.
func (e AuditEntry) states() []auditState {
	before, after := fieldsOf(e.Before), fieldsOf(e.After)
	names := map[string]bool{}
	for _, fields := range []map[string]string{before, after} {
		for name := range fields {
			names[name] = true
		}
	}
	var states []auditState
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, becomes := before[name], after[name]
		states = append(states, auditState{Name: name, Before: was, After: becomes, Changed: was != becomes})
	}
	return states
}

// fieldsOf are the values of a JSON object as texts; what is no object is a field without a name.
func fieldsOf(text string) map[string]string {
	if text == "" {
		return nil
	}
	var raw map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &raw) != nil {
		return map[string]string{"": text}
	}
	fields := map[string]string{}
	for name, value := range raw {
		fields[name] = valueText(value)
	}
	return fields
}

// valueText writes a value as a person would: a text without its quotes, a list with commas.
func valueText(value json.RawMessage) string {
	var text string
	var list []string
	switch {
	case string(value) == "null":
		return ""
	case json.Unmarshal(value, &text) == nil:
		return text
	case json.Unmarshal(value, &list) == nil:
		return strings.Join(list, ", ")
	}
	var b bytes.Buffer
	if json.Indent(&b, value, "", "  ") != nil {
		return string(value)
	}
	return b.String()
}

// problemWhere says where a problem shows.
func problemWhere(ctx context.Context, p AuditProblem) string {
	if p.Entry == 0 {
		return i18n.T(ctx, "audit.whole")
	}
	return i18n.T(ctx, "audit.entry", "N", strconv.FormatInt(p.Entry, 10))
}
