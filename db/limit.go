package db

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Limit is which hosts somebody may know of: those that have every one of these labels, which are written as tags are. ""
// is no limit. A query whose context carries a limit finds only what is of such hosts, whoever asks it: see limitQueries.
type Limit string

// LimitTo is the limit to hosts that have all labels of all of these tags. Two values of one label fit no host.
func LimitTo(tags ...string) Limit {
	all := map[string]bool{}
	for _, t := range tags {
		for name, value := range ParseLabels(t) {
			all[Labels{name: value}.String()] = true
		}
	}
	return Limit(strings.Join(slices.Sorted(maps.Keys(all)), ","))
}

// Fits reports whether a host is within the limit.
func (l Limit) Fits(h *Host) bool {
	for _, tag := range l.tags() {
		if !strings.Contains(","+strings.ReplaceAll(h.Tags, " ", "")+",", tag) {
			return false
		}
	}
	return true
}

// tags are the single labels between commas, as they are looked for between those of a host.
func (l Limit) tags() []string {
	if l == "" {
		return nil
	}
	tags := strings.Split(string(l), ",")
	for i, tag := range tags {
		tags[i] = "," + tag + ","
	}
	return tags
}

type limitKey struct{}

// WithLimit limits what is found under a context.
func WithLimit(ctx context.Context, l Limit) context.Context {
	return context.WithValue(ctx, limitKey{}, l)
}

// LimitOf is the limit that a context carries.
func LimitOf(ctx context.Context) Limit {
	l, _ := ctx.Value(limitKey{}).(Limit)
	return l
}

// errLimited is the answer to SQL that is written out, which cannot be limited here.
var errLimited = errors.New("this query knows nothing of the limit to some hosts")

// unlimited are the tables of what is of no host and needed by everybody: accounts, settings, the audit log, which every
// entry is chained to, files and definitions, which are work's ingredients. The routes say who may look at them.
var unlimited = []string{
	"users", "sessions", "api_tokens", "recovery_codes", "settings", "leases", "audit_entries", "audit_heads", "files", "child_definitions",
}

// limitQueries makes every query under a limited context find only rows that are of hosts within the limit. Of a table that
// it does not know it finds nothing: a new one is closed until somebody has thought about it.
func limitQueries(g *gorm.DB, dialect string) error {
	add := func(tx *gorm.DB) { limitQuery(tx, dialect) }
	return errors.Join(
		g.Callback().Query().Before("gorm:query").Register("hostler:limit", add),
		g.Callback().Row().Before("gorm:row").Register("hostler:limit", add),
	)
}

func limitQuery(tx *gorm.DB, dialect string) {
	l := LimitOf(tx.Statement.Context)
	if l == "" || tx.Error != nil {
		return
	}
	if tx.Statement.SQL.Len() > 0 {
		_ = tx.AddError(errLimited)
		return
	}
	table := tx.Statement.Table
	if slices.Contains(unlimited, table) {
		return
	}
	limited := clause.And(condition(table, l, dialect))
	if c, ok := tx.Statement.Clauses["WHERE"]; ok { // or what is asked for could say OR beside the limit
		if where, ok := c.Expression.(clause.Where); ok && len(where.Exprs) > 0 {
			limited = clause.And(clause.And(where.Exprs...), limited)
			c.Expression = clause.Where{}
			tx.Statement.Clauses["WHERE"] = c
		}
	}
	tx.Statement.AddClause(clause.Where{Exprs: []clause.Expression{limited}})
}

// condition is what rows of a table must fulfil. What is of a host is of one within the limit. An operation is one that is for
// such hosts alone: of another one neither the title nor the counts are for somebody who may not know of all its hosts.
func condition(table string, l Limit, dialect string) clause.Expression {
	hosts := func(name string) string { return hostsWithin(name, len(l.tags()), dialect) }
	host := func(id string) string {
		return "EXISTS (SELECT 1 FROM hosts lh WHERE lh.id = " + id + " AND " + hosts("lh") + ")"
	}
	operation := func(id string) string {
		return "EXISTS (SELECT 1 FROM tasks lt WHERE lt.operation_id = " + id + ") AND " +
			"NOT EXISTS (SELECT 1 FROM tasks lt LEFT JOIN hosts lh ON lh.id = lt.host_id AND " + hosts("lh") +
			" WHERE lt.operation_id = " + id + " AND lh.id IS NULL)"
	}
	var sql string
	switch table {
	case "hosts":
		sql = hosts("hosts")
	case "child_agents", "jobs", "tasks":
		sql = host(table + ".host_id")
	case "operations":
		sql = operation("operations.id")
	case "operation_jobs":
		sql = operation("operation_jobs.operation_id")
	case "steps", "log_chunks":
		sql = "EXISTS (SELECT 1 FROM tasks lt JOIN hosts lh ON lh.id = lt.host_id WHERE lt.id = " + table + ".task_id AND " + hosts("lh") + ")"
	case "job_output":
		sql = "EXISTS (SELECT 1 FROM jobs lj JOIN hosts lh ON lh.id = lj.host_id WHERE lj.id = job_output.job_id AND " + hosts("lh") + ")"
	case "certificates":
		sql = "EXISTS (SELECT 1 FROM hosts lh WHERE lh.agent_sn = certificates.agent_sn AND " + hosts("lh") + ")"
	case "events":
		sql = "events.kind NOT IN ('host.namesake', 'host.identity_refused') AND " + // they name another machine
			"(" + host("events.host_id") + " OR events.host_id IS NULL AND " + operation("events.operation_id") + ")"
	default:
		return clause.Expr{SQL: "1 = 0"}
	}
	var vars []any
	for range strings.Count(sql, "?") / max(1, len(l.tags())) {
		for _, tag := range l.tags() {
			vars = append(vars, tag)
		}
	}
	return clause.Expr{SQL: sql, Vars: vars}
}

// hostsWithin is Limit.Fits in SQL, with a placeholder for each of n tags.
func hostsWithin(table string, n int, dialect string) string {
	tags := "',' || REPLACE(" + table + ".tags, ' ', '') || ','"
	if dialect == "mysql" {
		tags = "CONCAT(',', REPLACE(" + table + ".tags, ' ', ''), ',')"
	}
	return strings.TrimSuffix(strings.Repeat("INSTR("+tags+", ?) > 0 AND ", n), " AND ")
}
