package task

import (
	"reflect"
	"strings"
	"testing"

	"hostler/agent/state"
	"hostler/agent/wire"
)

func TestConfig(t *testing.T) {
	store, _, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	do := config(store)
	for _, test := range []struct {
		job     wire.Job
		bad     string
		step    int
		servers []string
	}{
		{job: wire.Job{SvrList: "192.168.9.1:1234,", Step: 1200}, step: 1200, servers: []string{"192.168.9.1:1234"}},
		{job: wire.Job{SvrList: "A.example:1, [::1]:2"}, step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{}, bad: "neither", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{Step: 86401}, bad: "step must be", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{Step: -1}, bad: "step must be", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{SvrList: "a", Step: 5}, bad: "host:port", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{SvrList: "a:0"}, bad: "port", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{SvrList: strings.Repeat("a:1,", 33)}, bad: "more than 32", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{SvrList: ",", Step: 1}, step: 1},
	} {
		result, err := do(t.Context(), &Work{Job: &test.job})
		if test.bad == "" && err != nil || test.bad != "" && (code(err) != wire.ErrCodeBadJob || !strings.Contains(err.Error(), test.bad)) {
			t.Errorf("%+v: got error %v, want %q", test.job, err, test.bad)
		}
		if err == nil && !strings.Contains(result.Message, strings.Join(append(test.servers, "the default server"), ",")[:10]) {
			t.Errorf("%+v: does not say what is in force: %s", test.job, result.Message)
		}
		if got := store.Values(); got.Step != test.step || !reflect.DeepEqual(got.Servers, test.servers) {
			t.Errorf("%+v: got %+v", test.job, got)
		}
	}
}
