package mirror_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hostler/repo"
	"hostler/repo/upstream/upstreamtest"
	"hostler/server/mirror"
)

// supply lets what is asked for be fetched until the test ends.
func (r *rig) supply() {
	ctx, cancel := context.WithCancel(context.Background())
	wait := r.store.Supply(ctx, r.mirrors.Fetch)
	r.Cleanup(func() { cancel(); wait() })
}

// get asks for a package of a channel as a host does.
func (r *rig) get(p *repo.Package) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	r.store.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/repo/copy/"+p.Path(), nil))
	return answer
}

// TestOnDemand lists an upstream's packages without fetching them, and fetches what hosts ask for.
func TestOnDemand(t *testing.T) {
	r, u := newRig(t), upstreamtest.New(t, "apt")
	r.supply()
	u.Add(numbered(3)...)
	u.Index()
	m := r.create(u, "apt", func(in *mirror.Request) { in.OnDemand = true })
	r.wantDone(r.run(m))
	if got := r.has("upstream"); got != "tool0=1 tool1=1 tool2=1" || u.Asked() != 0 {
		t.Fatalf("the channel has %s, and the upstream was asked for packages", got)
	}
	c, err := r.store.Channel("copy", "upstream")
	r.must(err)
	there, err := r.store.Contents("copy", c.Snapshot)
	r.must(err)
	u.Hook(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	if answer := r.get(there[0]); answer.Code != http.StatusBadGateway || !strings.Contains(answer.Body.String(), "cannot be fetched from the upstream") {
		t.Errorf("while the upstream is away it answers %d %s", answer.Code, answer.Body)
	}
	u.Hook(nil)
	u.Asked()
	for range 2 {
		if answer := r.get(there[0]); answer.Code != http.StatusOK || answer.Body.String() != string(u.Read("pool/tool0_1_amd64.deb")) {
			t.Errorf("it answers %d", answer.Code)
		}
	}
	if n := u.Asked(); n != 1 {
		t.Errorf("the upstream was asked %d times", n)
	}
	before := c.Snapshot
	r.wantDone(r.run(m))
	if c, err = r.store.Channel("copy", "upstream"); err != nil || c.Snapshot != before {
		t.Errorf("a run without changes makes snapshot %d (%v)", c.Snapshot, err)
	}
	_, err = r.mirrors.Remove(t.Context(), "copy", m.ID)
	r.must(err)
	if answer := r.get(there[1]); answer.Code != http.StatusOK {
		t.Errorf("without the mirror what hosts see answers %d", answer.Code)
	}
}

// TestOnDemandBecomesImmediate fetches what a mirror has only listed before.
func TestOnDemandBecomesImmediate(t *testing.T) {
	r, u := newRig(t), upstreamtest.New(t, "apt")
	u.Add(numbered(2)...)
	u.Index()
	m := r.create(u, "apt", func(in *mirror.Request) { in.OnDemand = true })
	r.wantDone(r.run(m))
	in := request(u, "apt")
	m, err := r.mirrors.Change(t.Context(), m.ID, in)
	r.must(err)
	r.wantDone(r.run(m))
	if n := u.Asked(); n != 2 {
		t.Errorf("the upstream was asked for %d packages", n)
	}
	c, err := r.store.Channel("copy", "upstream")
	r.must(err)
	there, err := r.store.Contents("copy", c.Snapshot)
	r.must(err)
	for _, p := range there {
		if r.store.Absent(p.Digest) || r.get(p).Code != http.StatusOK {
			t.Errorf("%s is not there", p.File)
		}
	}
}

func TestRPMsAreNotFetchedOnDemand(t *testing.T) {
	r := newRig(t)
	r.must(r.store.Create(repo.Definition{Name: "copy", Kind: repo.Yum, By: "alice"}, nil))
	in := mirror.Request{Repository: "copy", Definition: mirror.Definition{OnDemand: true}}
	in.URL, in.Trust = "http://far.test/rpms", "nothing"
	_, err := r.mirrors.Create(t.Context(), in, "alice")
	var wrong *mirror.FieldError
	if !errors.As(err, &wrong) || wrong.Field != "on_demand" {
		t.Errorf("it is taken: %v", err)
	}
}
