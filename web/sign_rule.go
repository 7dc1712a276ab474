package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/event"
	"hostler/server/trust"
	"hostler/ui/page"
)

type signRulesReply struct {
	Items   []db.SignRule `json:"items"`
	Program string        `json:"program"` // that decides on hosts that no rule matches; "" for none
}

// listSignRules is GET sign-rules.
func (w *Web) listSignRules(c *gin.Context) error {
	rules, err := w.DB.SignRules(c.Request.Context())
	if err != nil {
		return err
	}
	if rules == nil {
		rules = []db.SignRule{}
	}
	c.JSON(http.StatusOK, signRulesReply{rules, w.CA.Program()})
	return nil
}

// createSignRule is POST sign-rules.
func (w *Web) createSignRule(c *gin.Context) error {
	var in trust.SignRuleRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	rule, err := w.newSignRule(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, rule)
	return nil
}

func (w *Web) newSignRule(c *gin.Context, in trust.SignRuleRequest) (*db.SignRule, error) {
	rule, err := w.CA.NewSignRule(c.Request.Context(), in, identity(c).Name)
	if err == nil {
		w.recordSignRule(c, event.SignRuleCreated, rule)
	}
	return rule, err
}

func (w *Web) recordSignRule(c *gin.Context, kind string, rule *db.SignRule) {
	was, became := any(nil), any(rule)
	if kind == event.SignRuleRemoved {
		was, became = rule, nil
	}
	audit.About(c.Request.Context(), rule.Host, was, became)
	w.Events.Record(c.Request.Context(), db.Event{
		Kind: kind, Severity: db.SeverityWarning, Actor: identity(c).Name, Params: map[string]string{
			"rule": strconv.FormatInt(rule.ID, 10), "scope": rule.Host, "networks": rule.Networks, "note": rule.Note, "address": c.RemoteIP(),
		},
	})
}

// removeSignRule is POST sign-rules/{id}/remove.
func (w *Web) removeSignRule(c *gin.Context) error {
	rule, err := w.dropSignRule(c)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, rule)
	return nil
}

func (w *Web) dropSignRule(c *gin.Context) (*db.SignRule, error) {
	n, err := pathID(c, "id")
	if err != nil {
		return nil, err
	}
	rule, err := w.DB.DeleteSignRule(c.Request.Context(), n)
	if err == nil {
		w.recordSignRule(c, event.SignRuleRemoved, rule)
	}
	return rule, err
}

// recordVerdict records what a rule or the program said of a host, with what the program wrote.
func (w *Web) recordVerdict(ctx context.Context, v trust.Verdict) {
	verdict := "left"
	if v.Signed {
		verdict = "signed"
		w.metrics.enrolments.WithLabelValues("autosigned").Inc()
	}
	said := db.AuditEntry{Actor: v.By, Address: v.Request.Address, Action: "enrol_request.autosign", Result: db.AuditDone}
	if !v.Signed {
		said.Result, said.Code = db.AuditRefused, verdict
	}
	audit.About(audit.With(ctx, &said), v.Request.Hostname, nil, map[string]string{"fingerprint": v.Request.KeyHash, "output": v.Output})
	w.Audit.Record(ctx, said)
	w.Events.Record(ctx, db.Event{
		Kind: event.EnrolDecided, Actor: v.By, Params: map[string]string{
			"host": v.Request.Hostname, "address": v.Request.Address, "fingerprint": v.Request.KeyHash, "by": v.By, "verdict": verdict, "output": v.Output,
		},
	})
}

// policiesPage is GET /trust/policies.
func (w *Web) policiesPage(c *gin.Context) error {
	return w.showPolicies(c, http.StatusOK, page.SignRuleForm{}, nil)
}

func (w *Web) showPolicies(c *gin.Context, status int, form page.SignRuleForm, fields map[string]string) error {
	ctx := c.Request.Context()
	rules, err := w.DB.SignRules(ctx)
	if err != nil {
		return err
	}
	waiting, _, err := w.DB.CountEnrolRequests(ctx, db.EnrolWaiting)
	if err != nil {
		return err
	}
	open, err := w.CA.QueueOpen(ctx)
	if err != nil {
		return err
	}
	v := page.PoliciesView{Frame: w.frame(c), QueueOpen: open, Waiting: waiting, Program: w.CA.Program(), Form: form, Fields: fields}
	for i := range rules {
		r := &rules[i]
		v.Rules = append(v.Rules, page.SignRule{ID: r.ID, Host: r.Host, Networks: r.Networks, Note: r.Note, By: r.CreatedBy, Created: r.CreatedAt})
	}
	return show(c, status, page.PoliciesPage(v))
}

// newSignRuleForm is POST /trust/policies.
func (w *Web) newSignRuleForm(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	form := page.SignRuleForm{Host: f.text("host"), Networks: f.text("networks"), Note: f.text("note")}
	_, err = w.newSignRule(c, trust.SignRuleRequest{Host: form.Host, Networks: form.Networks, Note: form.Note})
	var wrong *trust.FieldError
	if errors.As(err, &wrong) {
		return w.showPolicies(c, http.StatusUnprocessableEntity, form, trustFields(c.Request.Context(), wrong))
	}
	if err != nil {
		return err
	}
	notice(c, "sign_rule_created")
	return goTo(c, "/trust/policies")
}

// removeSignRuleForm is POST /trust/policies/{id}/remove. Who is too late finds it removed.
func (w *Web) removeSignRuleForm(c *gin.Context) error {
	if _, err := w.dropSignRule(c); err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	notice(c, "sign_rule_removed")
	return goTo(c, "/trust/policies")
}

// trustFields is what package trust has against a field, in the context's language.
func trustFields(ctx context.Context, wrong *trust.FieldError) map[string]string {
	return map[string]string{wrong.Field: page.FieldText(ctx, wrong.Code)}
}
