package mirror_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/db"
	"hostler/repo"
	"hostler/repo/upstream"
	"hostler/repo/upstream/upstreamtest"
	"hostler/server/mirror"
)

func TestAChannelIsWhatTheUpstreamIs(t *testing.T) {
	for kind, version := range map[string]string{"apt": "1", "yum": "1-1"} {
		t.Run(kind, func(t *testing.T) {
			r, u := newRig(t), upstreamtest.New(t, kind)
			u.Add(numbered(3)...)
			u.Index()
			m := r.create(u, kind, nil)
			task := r.run(m)
			r.wantDone(task)
			want := fmt.Sprintf("tool0=%[1]s tool1=%[1]s tool2=%[1]s", version)
			if got := r.has("upstream"); got != want || u.Asked() != 3 {
				t.Errorf("the channel has %s, want %s", got, want)
			}
			if !strings.HasPrefix(task.Note, "3 packages, ") || r.has("production") != "" {
				t.Errorf("the note is %q, production has %q", task.Note, r.has("production"))
			}
			before, err := r.store.Channel("copy", "upstream")
			r.must(err)
			r.wantDone(r.run(m))
			if after, err := r.store.Channel("copy", "upstream"); err != nil || after.Snapshot != before.Snapshot || u.Asked() != 0 {
				t.Errorf("a run without changes leads from snapshot %d to %d", before.Snapshot, after.Snapshot)
			}
			files, err := filepath.Glob(filepath.Join(u.Dir, "pool", "tool0_*"))
			r.must(err)
			r.must(os.Remove(files[0]))
			u.Add(upstreamtest.Package{Name: "tool9", Version: "1", Arch: "amd64"})
			u.Index()
			r.wantDone(r.run(m))
			want = fmt.Sprintf("tool1=%[1]s tool2=%[1]s tool9=%[1]s", version)
			if got := r.has("upstream"); got != want || u.Asked() != 1 {
				t.Errorf("the channel has %s, want %s", got, want)
			}
			got, err := r.mirrors.Get(t.Context(), "copy", m.ID)
			if err != nil || got.State != db.Done || got.RanAt == nil || got.Operation == 0 {
				t.Errorf("the mirror is %+v, %v", got, err)
			}
		})
	}
}

func TestOnlyWhatIsWanted(t *testing.T) {
	r, u := newRig(t), upstreamtest.New(t, "apt")
	u.Add(numbered(3)...)
	u.Add(upstreamtest.Package{Name: "web", Version: "2", Arch: "amd64", Depends: []string{"tool1"}}, upstreamtest.Package{Name: "web", Version: "1", Arch: "amd64"})
	u.Index()
	r.wantDone(r.run(r.create(u, "apt", func(in *mirror.Request) { in.Packages, in.Newest = []string{"web"}, 1 })))
	if got := r.has("upstream"); got != "tool1=1 web=2" {
		t.Errorf("the channel has %s", got)
	}
}

// TestEachPackageMayVouchForItself is for upstreams that sign rpms and no index.
func TestEachPackageMayVouchForItself(t *testing.T) {
	r, u := newRig(t), upstreamtest.New(t, "yum")
	u.Add(upstreamtest.Package{Name: "signed", Version: "1", Arch: "amd64", Signed: true})
	u.Index()
	r.must(os.Remove(filepath.Join(u.Dir, "repodata/repomd.xml.asc")))
	m := r.create(u, "yum", func(in *mirror.Request) { in.Trust = upstream.TrustPackages })
	r.wantDone(r.run(m))
	c, err := r.store.Channel("copy", "upstream")
	r.must(err)
	all, err := r.store.Contents("copy", c.Snapshot)
	r.must(err)
	if len(all) != 1 || all[0].Key != r.store.KeyFingerprint() || all[0].Unsigned {
		t.Errorf("there are %+v", all)
	}
	other := upstreamtest.New(t, "yum")
	other.Key = upstreamtest.Stranger()
	other.Add(upstreamtest.Package{Name: "forged", Version: "1", Arch: "amd64", Signed: true})
	other.Add(upstreamtest.Package{Name: "plain", Version: "1", Arch: "amd64"})
	for _, file := range []string{"plain", "forged"} {
		files, err := filepath.Glob(filepath.Join(other.Dir, "pool", file+"_*"))
		r.must(err)
		data, err := os.ReadFile(files[0])
		r.must(err)
		u.Write("pool/"+filepath.Base(files[0]), data)
		u.Index()
		// It is stored already, from where nobody asked who had signed it.
		r.take(data)
		task := r.run(m)
		if task.State != db.Failed || task.Problem.Code != "mirror_package" || !strings.Contains(task.Problem.Cause, file) {
			t.Errorf("with %s the task is %s: %+v", file, task.State, task.Problem)
		}
		r.must(os.Remove(filepath.Join(u.Dir, "pool", filepath.Base(files[0]))))
	}
	if got := r.has("upstream"); got != "signed=1-1" {
		t.Errorf("the channel has %s", got)
	}
}

// TestAPackageThatWasChanged is one whose content is not what the signed index tells: nothing of the run is published.
func TestAPackageThatWasChanged(t *testing.T) {
	r, u := newRig(t), upstreamtest.New(t, "apt")
	u.Add(numbered(2)...)
	u.Index()
	data := u.Read("pool/tool1_1_amd64.deb")
	data[len(data)-3] ^= 1
	u.Write("pool/tool1_1_amd64.deb", data)
	task := r.run(r.create(u, "apt", nil))
	if task.State != db.Failed || task.Problem.Code != upstream.CodeChanged || task.Problem.Hint == "" {
		t.Errorf("the task is %s: %+v", task.State, task.Problem)
	}
	if got := r.has("upstream"); got != "" {
		t.Errorf("the channel has %s", got)
	}
}

// TestAnUpstreamThatChangesWhileItIsFetched takes a package away and tells of another one, while the first run of it fetches.
func TestAnUpstreamThatChangesWhileItIsFetched(t *testing.T) {
	r, u := newRig(t), upstreamtest.New(t, "apt")
	u.Add(numbered(2)...)
	u.Index()
	var once sync.Once
	u.Hook(func(_ http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "tool1_1_amd64.deb") {
			once.Do(func() {
				r.must(os.Remove(filepath.Join(u.Dir, "pool/tool1_1_amd64.deb")))
				u.Add(upstreamtest.Package{Name: "tool1", Version: "2", Arch: "amd64"})
				u.Index()
			})
		}
		return false
	})
	r.wantDone(r.run(r.create(u, "apt", nil)))
	if got := r.has("upstream"); got != "tool0=1 tool1=2" {
		t.Errorf("the channel has %s", got)
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	r, u := newRig(t), upstreamtest.New(t, "apt")
	u.Add(numbered(1)...)
	u.Index()
	m := r.create(u, "apt", nil)
	r.wantDone(r.run(m))
	u.Hook(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>"))
		return true
	})
	if task := r.run(m); task.Problem.Code != upstream.CodePage || !strings.Contains(task.Problem.Cause, "InRelease") {
		t.Errorf("the task is %s: %+v", task.State, task.Problem)
	}
	u.Hook(nil)
	in := request(u, "apt")
	in.Packages = []string{"nothing"}
	_, err := r.mirrors.Change(t.Context(), m.ID, in)
	r.must(err)
	if task := r.run(m); task.Problem.Code != "mirror_empty" {
		t.Errorf("the task is %s: %+v", task.State, task.Problem)
	}
	if got := r.has("upstream"); got != "tool0=1" {
		t.Errorf("the channel has %s", got)
	}
}

func TestSchedule(t *testing.T) {
	r, u := newRig(t), upstreamtest.New(t, "apt")
	u.Add(numbered(1)...)
	u.Index()
	m := r.create(u, "apt", func(in *mirror.Request) { in.Schedule = "30 2 * * *" })
	if m.NextAt == nil || m.NextAt.Hour() != 2 || m.NextAt.Minute() != 30 || !m.NextAt.After(r.clock.Now()) {
		t.Fatalf("it is due at %s", m.NextAt)
	}
	r.must(r.mirrors.RunDue(t.Context()))
	if got, err := r.mirrors.Get(t.Context(), "copy", m.ID); err != nil || got.Operation != 0 {
		t.Errorf("before its time the mirror is %+v, %v", got, err)
	}
	let := make(chan struct{})
	u.Hook(func(http.ResponseWriter, *http.Request) bool { <-let; return false })
	r.clock.Advance(m.NextAt.Sub(r.clock.Now()))
	r.must(r.mirrors.RunDue(t.Context()))
	got, err := r.mirrors.Get(t.Context(), "copy", m.ID)
	r.must(err)
	if got.Operation == 0 || got.NextAt.Sub(*m.NextAt) != 24*time.Hour {
		t.Errorf("at its time the mirror is %+v", got)
	}
	if _, err := r.mirrors.Run(t.Context(), "copy", m.ID, "bob"); !errors.Is(err, mirror.ErrRuns) {
		t.Errorf("a second run beside the first: %v", err)
	}
	r.clock.Advance(24 * time.Hour)
	r.must(r.mirrors.RunDue(t.Context()))
	again, err := r.mirrors.Get(t.Context(), "copy", m.ID)
	r.must(err)
	if again.Operation != got.Operation || again.NextAt.Sub(*got.NextAt) != 24*time.Hour {
		t.Errorf("a time that comes while it runs: %+v", again)
	}
	close(let)
	r.wantDone(r.await(got.Operation))
	if o, err := r.db.Operation(t.Context(), got.Operation); err != nil || o.CreatedBy != "the schedule" {
		t.Errorf("the operation is %+v, %v", o, err)
	}
	_, err = r.mirrors.Remove(t.Context(), "copy", m.ID)
	r.must(err)
	if all, err := r.mirrors.List(t.Context(), ""); err != nil || len(all) > 0 || r.has("upstream") != "tool0=1" {
		t.Errorf("after it was removed there are %+v, %v", all, err)
	}
}

func TestDefinitionsThatAreNotTaken(t *testing.T) {
	r, u := newRig(t), upstreamtest.New(t, "apt")
	m := r.create(u, "apt", nil)
	r.must(r.store.Create(repo.Definition{Name: "rpms", Kind: repo.Yum, By: "alice"}, nil))
	r.must(r.store.Create(repo.Definition{Name: "files", Kind: repo.Archive, By: "alice"}, nil))
	for code, change := range map[string]func(*mirror.Request){
		"taken":        func(*mirror.Request) {},
		"kind":         func(in *mirror.Request) { in.Repository = "files" },
		"url":          func(in *mirror.Request) { in.URL = "http://name:password@host/" },
		"suite":        func(in *mirror.Request) { in.Suite = "../x" },
		"component":    func(in *mirror.Request) { in.Components = []string{"a b"} },
		"architecture": func(in *mirror.Request) { in.Architectures = []string{""} },
		"trust":        func(in *mirror.Request) { in.Trust = upstream.TrustPackages },
		"keys":         func(in *mirror.Request) { in.Keys = "no key" },
		"keys_needed":  func(in *mirror.Request) { in.Keys = "" },
		"package":      func(in *mirror.Request) { in.Exclude = []string{"a/b"} },
		"newest":       func(in *mirror.Request) { in.Newest = -1 },
		"schedule":     func(in *mirror.Request) { in.Schedule = "every day" },
		"proxy":        func(in *mirror.Request) { in.Proxy = "socks5://x" },
		"bandwidth":    func(in *mirror.Request) { in.Bandwidth = 12 },
	} {
		in := request(u, "apt")
		change(&in)
		_, err := r.mirrors.Create(t.Context(), in, "alice")
		var wrong *mirror.FieldError
		if !errors.As(err, &wrong) || wrong.Code != code || wrong.Message == "" {
			t.Errorf("%s: got %v", code, err)
		}
	}
	in := request(u, "apt")
	in.Repository = "rpms"
	var wrong *mirror.FieldError
	if _, err := r.mirrors.Create(t.Context(), in, "alice"); !errors.As(err, &wrong) || wrong.Code != "suite" {
		t.Errorf("a suite of a yum repository: %v", err)
	}
	if _, err := r.mirrors.Get(t.Context(), "rpms", m.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("another repository's mirror: %v", err)
	}
}
