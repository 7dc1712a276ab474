package web

import (
	"slices"
	"strings"

	"hostler/db"
	"hostler/ui/page"
)

// reviewOf are the steps of a draft that an earlier one changed after they were done.
func reviewOf(d *db.Draft) []string {
	if d.Review == "" {
		return nil
	}
	return strings.Split(d.Review, ",")
}

// reviewed takes the marks off steps.
func reviewed(d *db.Draft, steps ...string) {
	d.Review = strings.Join(slices.DeleteFunc(reviewOf(d), func(s string) bool { return slices.Contains(steps, s) }), ",")
}

// answered is what a step asks, as a draft has it.
var answered = map[string]func(d *db.Draft) []any{
	page.WizardStart:    func(d *db.Draft) []any { return []any{d.Cluster} },
	page.WizardVersions: func(d *db.Draft) []any { return []any{d.Versions} },
	page.WizardHosts: func(d *db.Draft) []any {
		return []any{d.Hosts, d.Method, d.SSHUser, d.SSHPort, d.SSHBecome, d.JumpHost, d.JumpUser, d.JumpPort}
	},
}

// reviewable are the steps of a method that can be looked through again, in order: those before agents get onto the hosts.
func reviewable(method string) []string {
	steps := page.WizardSteps(method)
	return steps[:slices.Index(steps, page.WizardRun(method))]
}

// markReview marks the steps that were done after those in which a draft differs from what it was. Once hosts are bootstrapped
// with what it says there is nothing to look through.
func markReview(was, d *db.Draft) {
	if was.OperationID != nil {
		d.Review = ""
		return
	}
	order := page.WizardSteps(was.Method)
	reached := slices.Index(order, was.Step)
	steps := reviewable(d.Method)
	for i, step := range steps {
		if said := answered[step]; said == nil || slices.Equal(said(was), said(d)) {
			continue
		}
		for _, later := range steps[i+1:] {
			done := slices.Index(order, later) <= reached && (later != page.WizardConnections || was.CheckID != nil)
			if done && !slices.Contains(reviewOf(d), later) {
				d.Review = strings.Join(append(reviewOf(d), later), ",")
			}
		}
	}
}

// further moves a draft on to a step, and never back: who changes an early step goes on where the last one was.
func further(d *db.Draft, step string) {
	order := page.WizardSteps(d.Method)
	if slices.Index(order, d.Step) < slices.Index(order, step) {
		d.Step = step
	}
}
