package db_test

import (
	"maps"
	"testing"

	"hostler/db"
)

func TestLabels(t *testing.T) {
	h := db.Host{Tags: " service=ecs, component,rack=/r7,=x,a b=c,bad=ü"}
	want := db.Labels{"service": "ecs", "component": "", "rack": "/r7"}
	if got := h.Labels(); !maps.Equal(got, want) {
		t.Errorf("the labels are %v", got)
	}
	if got := want.String(); got != "component,rack=/r7,service=ecs" || !maps.Equal(db.ParseLabels(got), want) {
		t.Errorf("written they are %q", got)
	}
	for _, c := range []struct {
		want  db.Labels
		match bool
	}{
		{nil, true},
		{db.Labels{"rack": "/r7"}, true},
		{db.Labels{"component": "", "service": "ecs"}, true},
		{db.Labels{"rack": "/r8"}, false},
		{db.Labels{"service": ""}, false},
		{db.Labels{"other": ""}, false},
	} {
		if h.Labels().Match(c.want) != c.match {
			t.Errorf("matching %v is %v", c.want, !c.match)
		}
	}
	if got := want.With(db.Labels{"rack": "/r8", "new": ""}); got["rack"] != "/r8" || len(got) != 4 || want["rack"] != "/r7" {
		t.Errorf("with others they are %v, %v", got, want)
	}
}
