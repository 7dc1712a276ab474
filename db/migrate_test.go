package db_test

import (
	"testing"

	"hostler/db"
	"hostler/db/dbtest"
)

// TestWhatAnOlderServerKeptIsThere migrates a database with rows of the first version, back, and once more.
func TestWhatAnOlderServerKeptIsThere(t *testing.T) {
	d := dbtest.OpenURL(t, dbtest.URL(t))
	ctx, now := t.Context(), db.Now()
	must(t, d.MigrateTo(ctx, 1))
	must(t, d.Execute(ctx, "INSERT INTO hosts (id, agent_sn, name, fqdn, cluster, address, state, tags, os_name, arch, agent_version, step, created_at, updated_at) "+
		"VALUES (1, 'sn', 'node1', '', '', '', 'healthy', '', '', '', '', 0, ?, ?)", now, now))
	must(t, d.Execute(ctx, "INSERT INTO jobs (id, host_id, action, payload, state, err_code, message, created_by, created_at) "+
		`VALUES ('j', 1, 'config', '{"id":"j","action":"config","step":20}', 'delivered', 0, '', 'alice', ?)`, now))
	must(t, d.Execute(ctx, "INSERT INTO events (time, kind, severity, host_id, actor, params) VALUES (?, 'host.lost', 'error', 1, '', NULL)", now))
	must(t, d.Execute(ctx, "INSERT INTO child_agents (host_id, name, version, status, uptime, seen_at) VALUES (1, 'web', '1', 'running', 5, ?)", now))
	must(t, d.Execute(ctx, "INSERT INTO operations (id, kind, title, cluster, state, parallel, created_by, created_at) VALUES (1, 'bootstrap', '', '', 'done', 1, 'alice', ?)", now))
	for range 2 {
		must(t, d.Migrate(ctx))
		j, err := d.JobByID(ctx, "j")
		if err != nil || j.Payload.Step != 20 || j.State != db.JobDelivered || j.DeadlineAt != nil {
			t.Errorf("the job is %+v, %v", j, err)
		}
		if es, err := d.Events(ctx, db.EventQuery{Kind: "host"}); err != nil || len(es) != 1 {
			t.Errorf("the events are %+v, %v", es, err)
		}
		if cs, _, err := d.ChildAgents(ctx, db.ChildQuery{Name: "web"}); err != nil || len(cs) != 1 || cs[0].Limits != nil || cs[0].LastExit != nil {
			t.Errorf("the child agents are %+v, %v", cs, err)
		}
		if o, err := d.Operation(ctx, 1); err != nil || o.Batch != 0 || o.RequestKey != nil {
			t.Errorf("the operation is %+v, %v", o, err)
		}
		if open, err := d.OpenJobs(ctx, 1, 10); err != nil || len(open) != 1 {
			t.Errorf("the open jobs are %+v, %v", open, err)
		}
		must(t, d.MigrateTo(ctx, 1))
	}
}
