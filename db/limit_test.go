package db_test

import (
	"errors"
	"testing"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/server/event"
)

// TestLimitFits holds that a host is within a limit in memory and in the database alike.
func TestLimitFits(t *testing.T) {
	d := dbtest.Open(t)
	for i, tags := range []string{"", "rack=/r7", "rack=/r77", "a,rack=/r7,z", "a, rack=/r7", "Rack=/r7", "xrack=/r7", "rack", "rack=/r7,service=ecs"} {
		h := db.Host{AgentSN: "sn" + tags, Name: string(rune('a' + i)), Tags: tags, State: db.HostInit}
		must(t, d.UpsertHost(t.Context(), &h))
	}
	all, err := d.AllHosts(t.Context())
	must(t, err)
	for limit, want := range map[db.Limit]string{
		"": "abcdefghi", "rack=/r7": "bdei", db.LimitTo("service=ecs", "rack=/r7"): "i", "rack": "h", db.LimitTo("rack=/r7", "rack=/r77"): "",
	} {
		inMemory := ""
		for i := range all {
			if limit.Fits(&all[i]) {
				inMemory += all[i].Name
			}
		}
		rows, _, err := d.Hosts(db.WithLimit(t.Context(), limit), db.HostQuery{})
		must(t, err)
		found := ""
		for i := range rows {
			found += rows[i].Name
		}
		if inMemory != want || found != want {
			t.Errorf("%q: %q in memory, %q in the database, want %q", limit, inMemory, found, want)
		}
	}
}

// TestLimitOfAlternatives holds that a condition with OR does not get around a limit, and that what is of no host is not found.
func TestLimitOfAlternatives(t *testing.T) {
	d := dbtest.Open(t)
	foreign := db.Host{AgentSN: "sn", Name: "foreign", Tags: "rack=/r8", State: db.HostLost}
	must(t, d.UpsertHost(t.Context(), &foreign))
	must(t, d.CreateEvents(t.Context(), []db.Event{{Kind: "host.lost", HostID: &foreign.ID}, {Kind: "user.login"}}))
	within := db.WithLimit(t.Context(), "rack=/r7")
	rows, _, err := d.Hosts(within, db.HostQuery{Search: "foreign"}) // part of a name, or of the address, or …
	if err != nil || len(rows) != 0 {
		t.Errorf("found %v, %v", rows, err)
	}
	if es, err := d.Events(within, db.EventQuery{}); err != nil || len(es) != 0 {
		t.Errorf("found %v, %v", es, err)
	}
	if _, err := d.HostByID(within, foreign.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("found by its number: %v", err)
	}
	must(t, d.CreateDraft(t.Context(), &db.Draft{Hosts: "foreign", Method: "ssh", Step: "hosts"}))
	if drafts, err := d.OpenDrafts(within); err != nil || len(drafts) != 0 {
		t.Errorf("found %v, %v", drafts, err)
	}
}

// TestLimitOfEventsThatNameOthers holds that what happened on a host within a limit does not tell of those outside.
func TestLimitOfEventsThatNameOthers(t *testing.T) {
	d := dbtest.Open(t)
	mine := db.Host{AgentSN: "a", Name: "mine", Tags: "rack=/r7"}
	must(t, d.UpsertHost(t.Context(), &mine))
	var events []db.Event
	for _, kind := range []string{event.HostNamesake, event.HostLost, event.HostIdentityRefused} {
		events = append(events, db.Event{Kind: kind, HostID: &mine.ID})
	}
	must(t, d.CreateEvents(t.Context(), events))
	found, err := d.Events(db.WithLimit(t.Context(), "rack=/r7"), db.EventQuery{})
	if err != nil || len(found) != 1 || found[0].Kind != event.HostLost {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestLimitOfOperations holds that an operation is seen by whoever may know of all of its hosts.
func TestLimitOfOperations(t *testing.T) {
	d := dbtest.Open(t)
	mine, foreign := db.Host{AgentSN: "a", Name: "mine", Tags: "rack=/r7"}, db.Host{AgentSN: "b", Name: "foreign"}
	must(t, d.UpsertHost(t.Context(), &mine))
	must(t, d.UpsertHost(t.Context(), &foreign))
	within := db.WithLimit(t.Context(), "rack=/r7")
	for name, c := range map[string]struct {
		hosts []*int64
		want  bool
	}{
		"of none": {nil, false}, "of mine": {[]*int64{&mine.ID}, true}, "of both": {[]*int64{&mine.ID, &foreign.ID}, false},
		"of one that is not registered": {[]*int64{&mine.ID, nil}, false},
	} {
		o := db.Operation{Kind: "command", Title: name, State: db.Done, Params: []byte("{}")}
		var tasks []db.Task
		for _, id := range c.hosts {
			tasks = append(tasks, db.Task{Name: name, HostID: id, State: db.Done, Params: []byte("{}"), Memory: []byte("{}")})
		}
		must(t, d.CreateOperation(t.Context(), &o, tasks, nil))
		if _, err := d.Operation(within, o.ID); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		for i := range tasks { // the log of a task is its host's
			must(t, d.AppendLog(t.Context(), &db.LogChunk{TaskID: tasks[i].ID, Body: []byte("text")}))
			text, _, err := d.ReadLog(within, tasks[i].ID, 0, 100)
			if own := c.hosts[i] == &mine.ID; err != nil || (len(text) > 0) != own {
				t.Errorf("%s: read %q, %v", name, text, err)
			}
		}
	}
}
