package repo

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hostler/repo/pack"
)

func TestPromotingAndRollingBackMoveAPointer(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "ours", Apt, "dev", "production")
	mustAdd(t, s, "ours", "", sample{name: "tool", version: "1.0", arch: "amd64"})
	mustAdd(t, s, "ours", "dev", sample{name: "tool", version: "1.1", arch: "amd64"})
	if got := namesOf(t, s, "ours", "production"); got != "" {
		t.Errorf("production has %s before anything was promoted", got)
	}
	promote := func(channel string, snapshot int) {
		t.Helper()
		if err := tryPromote(t.Context(), s, "ours", channel, snapshot); err != nil {
			t.Fatal(err)
		}
	}
	promote("production", 2)
	promote("production", 3)
	promote("production", 3) // a second click
	var unknown *FieldError
	if _, err := s.Promote(t.Context(), "ours", Promotion{Channel: "new-one", Snapshot: 2, By: "tester"}); !errors.As(err, &unknown) || unknown.Code != "no_channel" {
		t.Errorf("a channel that nobody said is to be made: %v", err)
	}
	promote("new-one", 2)
	s = mustOpen(t, dir)
	if got := namesOf(t, s, "ours", "production") + " | " + namesOf(t, s, "ours", "new-one"); got != "tool=1.1 tool=1.0 | tool=1.0" {
		t.Errorf("after a restart the channels have %s", got)
	}
	served := func() string { return get(t, s, "ours/dists/production/main/binary-amd64/Packages").Body.String() }
	if !strings.Contains(served(), "Version: 1.1\n") {
		t.Errorf("production serves:\n%s", served())
	}
	if to, err := s.Rollback(t.Context(), "ours", "production", 3, "tester"); err != nil || to != 2 {
		t.Fatalf("rolled back to %d, %v", to, err)
	}
	if strings.Contains(served(), "Version: 1.1\n") {
		t.Errorf("after rolling back production serves:\n%s", served())
	}
	if _, err := s.Rollback(t.Context(), "ours", "production", 3, "tester"); !errors.Is(err, ErrChanged) {
		t.Errorf("a second click on rolling back: %v", err)
	}
	if to, err := s.Rollback(t.Context(), "ours", "production", 2, "tester"); err != nil || to != 1 {
		t.Errorf("rolled back to %d, %v", to, err)
	}
	var field *FieldError
	if _, err := s.Rollback(t.Context(), "ours", "production", 1, "tester"); !errors.As(err, &field) || field.Code != "no_history" {
		t.Errorf("without anything to go back to: %v", err)
	}
	d, err := s.Diff("ours", 1, 3)
	if err != nil || len(d.Added) != 2 || len(d.Removed) != 0 {
		t.Errorf("from 1 to 3: %+v, %v", d, err)
	}
	for name, err := range map[string]error{
		"snapshot": tryPromote(t.Context(), s, "ours", "dev", 9), "channel": tryPromote(t.Context(), s, "ours", "Repo Data", 1),
	} {
		if !errors.As(err, &field) || field.Field != name {
			t.Errorf("a wrong %s: %v", name, err)
		}
	}
	if err := tryPromote(t.Context(), s, "ours", "repodata", 1); !errors.As(err, &field) {
		t.Errorf("a channel whose name means something else: %v", err)
	}
}

func TestPackagesAreDroppedFromAChannel(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "ours", Yum)
	first := mustAdd(t, s, "ours", "", sample{name: "tool", version: "1.0", arch: "noarch"})
	mustAdd(t, s, "ours", "", sample{name: "tool", version: "1.1", arch: "noarch"})
	if _, err := s.Drop("ours", "", []string{first.Digest}, "tester"); err != nil {
		t.Fatal(err)
	}
	if got := namesOf(t, s, "ours", Stable); got != "tool=1.1-1" {
		t.Errorf("left is %s", got)
	}
	d, err := s.Diff("ours", 2, 4)
	if err != nil || len(d.Changed) != 1 || d.Changed[0].From.Version != "1.0-1" || d.Changed[0].To.Version != "1.1-1" {
		t.Errorf("from 2 to 4: %+v, %v", d, err)
	}
	var field *FieldError
	if _, err := s.Drop("ours", "", []string{first.Digest}, "tester"); !errors.As(err, &field) {
		t.Errorf("one that is not there: %v", err)
	}
	mustPublish(t, s, "1.0.0")
	for _, p := range s.packages {
		if p.IsAgent() {
			if _, err := s.Drop(AgentApt, "", []string{p.Digest}, "tester"); !errors.As(err, &field) {
				t.Errorf("the agent: %v", err)
			}
		}
	}
}

func TestRepositoriesAreMadeAndRemoved(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "ours", Apt, "dev", "test")
	if code := get(t, s, "ours/dists/test/InRelease").Code; code != http.StatusOK {
		t.Errorf("an empty channel answers %d", code)
	}
	if code := get(t, s, "key.asc").Code; code != http.StatusOK {
		t.Errorf("the key answers %d", code)
	}
	for field, d := range map[string]Definition{
		"name": {Name: "Ours", Kind: Apt}, "kind": {Name: "x", Kind: "gems"}, "architectures": {Name: "x", Kind: Apt, Architectures: []string{"../x"}},
		"description": {Name: "x", Kind: Apt, Description: "two\nlines"},
	} {
		var wrong *FieldError
		if err := s.Create(d, nil); !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%+v: %v", d, err)
		}
	}
	var wrong *FieldError
	if err := s.Create(Definition{Name: "ours", Kind: Apt}, nil); !errors.As(err, &wrong) || wrong.Code != "exists" {
		t.Errorf("made twice: %v", err)
	}
	if err := s.Create(Definition{Name: AgentApt, Kind: Apt}, nil); !errors.As(err, &wrong) || wrong.Code != "own" {
		t.Errorf("the name of one of the server's own: %v", err)
	}
	if err := s.Remove("ours"); err != nil {
		t.Fatal(err)
	}
	if code := get(t, s, "ours/dists/test/InRelease").Code; code != http.StatusNotFound {
		t.Errorf("a removed one answers %d", code)
	}
	mustPublish(t, s, "1.0.0")
	if err := s.Remove(AgentApt); !errors.As(err, &wrong) {
		t.Errorf("the server's own: %v", err)
	}
	checkTidy(t, s.dir)
}

// What people put into the server's own repositories stays when the agent changes.
func TestAgentsAreReplacedBesideWhatElseIsThere(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustPublish(t, s, "1.0.0")
	mustAdd(t, s, AgentApt, "", sample{name: "tool", version: "1.0", arch: "amd64"})
	mustPublish(t, s, "1.1.0")
	if got := namesOf(t, s, AgentApt, Stable); got != "hostler-agent=1.1.0 hostler-agent=1.1.0 tool=1.0" {
		t.Errorf("there is %s", got)
	}
	if _, err := s.Rollback(t.Context(), AgentApt, Stable, 0, "tester"); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, s, "1.1.0") // as the next start does
	if got := namesOf(t, s, AgentApt, Stable); got != "hostler-agent=1.1.0 hostler-agent=1.1.0 tool=1.0" {
		t.Errorf("after rolling back and a restart there is %s", got)
	}
}

// The server looks at each start whether its agents are published; what people do must not make it build them again.
func TestUploadsLeaveTheAgentPublished(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustPublish(t, s, "1.0.0")
	first := currentPublication(t, s)
	var agent *Package
	for _, p := range s.packages {
		if p.Kind == Apt && p.Arch == "amd64" {
			agent = p
		}
	}
	content := get(t, s, AgentApt+"/"+agent.Path()).Body.Bytes()
	if v := upload(t, s, AgentApt, "", uploads{{"agent.deb", content}}).Files[0]; v.State != Present || currentPublication(t, s) != first {
		t.Errorf("what was there already made publication %s: %+v", currentPublication(t, s), v)
	}
	mustAdd(t, s, AgentApt, "", sample{name: "tool", version: "1.0", arch: "amd64"})
	second := currentPublication(t, s)
	if mustPublish(t, s, "1.0.0"); currentPublication(t, s) != second {
		t.Errorf("after an upload the same agent was published again, as %s", currentPublication(t, s))
	}
}

// A package of the agent's own name and version that somebody uploaded is no agent, whatever the server wanted to publish.
func TestAnAgentThatIsRefusedIsNotPublished(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustPublish(t, s, "1.0.0")
	mustAdd(t, s, AgentApt, "", sample{name: pack.Name, version: "1.1.0", arch: "amd64"})
	for range 2 { // the next start tries again
		if err := s.PublishAgent(t.Context(), fakeAgent("1.1.0")); err == nil || !strings.Contains(err.Error(), "another content") {
			t.Errorf("published in place of another one: %v", err)
		}
	}
	if got := namesOf(t, s, AgentApt, Stable); got != "hostler-agent=1.1.0 hostler-agent=1.0.0 hostler-agent=1.0.0" {
		t.Errorf("there is %s", got)
	}
}

func TestAPackageIsStoredOnceAndSweptWhenNothingNeedsIt(t *testing.T) {
	clock := time.Now()
	s := mustOpen(t, t.TempDir())
	s.now = func() time.Time { return clock }
	mustCreate(t, s, "one", Apt)
	mustCreate(t, s, "two", Apt)
	content := sample{name: "tool", version: "1.0", arch: "amd64"}.build(t, Apt)
	p := upload(t, s, "one", "", uploads{{"tool.deb", content}}).Files[0].Package
	if again := upload(t, s, "two", "", uploads{{"tool.deb", content}}).Files[0]; again.State != Added || again.Package.Digest != p.Digest {
		t.Errorf("in another repository: %+v", again)
	}
	if found, err := filepath.Glob(filepath.Join(s.dir, packagesDir, "*", "*")); err != nil || len(found) != 1 {
		t.Errorf("stored as %v, %v", found, err)
	}
	sweep := func() {
		t.Helper()
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remove("one"); err != nil {
		t.Fatal(err)
	}
	sweep()
	if code := get(t, s, "two/"+p.Path()).Code; code != http.StatusOK {
		t.Fatalf("a package that is needed answers %d", code)
	}
	for i := range snapshotsKeep + historyMost + supersededMost { // each makes a snapshot, and in the end none has tool
		mustAdd(t, s, "two", "", sample{name: "other", version: "1." + strings.Repeat("1", i+1), arch: "amd64"})
		if i == 0 {
			if _, err := s.Drop("two", "", []string{p.Digest}, "tester"); err != nil {
				t.Fatal(err)
			}
		}
	}
	file, err := os.Open(filepath.Join(s.packageDir(p.Digest), contentFile)) // as a client that is reading it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	clock = clock.Add(2 * supersededKeep)
	sweep()
	if code := get(t, s, "two/"+p.Path()).Code; code != http.StatusNotFound {
		t.Errorf("a package that nothing needs answers %d", code)
	}
	if stat, err := file.Stat(); err != nil || stat.Size() != p.Size {
		t.Errorf("who was reading it finds %v, %v", stat, err)
	}
	if _, err := s.Package(p.Digest); !errors.Is(err, ErrNotFound) {
		t.Errorf("it is known still: %v", err)
	}
	if n := s.Counts().Asked[Asked{Apt, "tool"}]; n != 1 {
		t.Errorf("%d requests are counted, want the one that was answered", n)
	}
	if listed, err := s.Snapshots("two"); err != nil || len(listed) != snapshotsKeep {
		t.Errorf("%d snapshots are kept, %v", len(listed), err)
	}
	mustOpen(t, s.dir) // a snapshot that lacks a package would be told
	if again := upload(t, s, "two", "", uploads{{"tool.deb", content}}).Files[0]; again.State != Added {
		t.Errorf("uploaded once more: %+v", again)
	}
}

func TestARefreshPublishesAnew(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "ours", Apt)
	mustAdd(t, s, "ours", "", sample{name: "tool", version: "1.0", arch: "amd64"})
	refresh := func(s *Store) {
		t.Helper()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before := get(t, s, "ours/dists/stable/InRelease").Body.String()
	refresh(s)
	if get(t, s, "ours/dists/stable/InRelease").Body.String() != before {
		t.Error("what is up to date was published again")
	}
	if err := os.Remove(filepath.Join(dir, "keys", "signing.asc")); err != nil {
		t.Fatal(err)
	}
	s = mustOpenOwn(t, dir)
	refresh(s)
	if get(t, s, "ours/dists/stable/InRelease").Body.String() == before {
		t.Error("another key signs nothing")
	}
	if d, err := s.Repository("ours"); err != nil || d.Channels[0].Snapshot != 2 || d.Channels[0].Back != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}

// After a change of the key everything that a channel has is signed with the new one, what it is rolled back to, too.
func TestRPMsFollowTheKey(t *testing.T) {
	needTool(t, "rpmkeys")
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "ours", Yum)
	content := sample{name: "tool", version: "1.0", arch: "noarch"}.build(t, Yum)
	first := upload(t, s, "ours", "", uploads{{"tool.rpm", content}}).Files[0].Package
	mustAdd(t, s, "ours", "", sample{name: "tool", version: "1.1", arch: "noarch"})
	old := get(t, s, "ours/"+first.Path()).Body.Bytes()
	if err := os.Remove(filepath.Join(dir, "keys", "signing.asc")); err != nil {
		t.Fatal(err)
	}
	s = mustOpenOwn(t, dir)
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(when, names string) {
		t.Helper()
		if got := namesOf(t, s, "ours", Stable); got != names {
			t.Errorf("%s there is %s, want %s", when, got, names)
		}
		c, err := s.Channel("ours", Stable)
		if err != nil {
			t.Fatal(err)
		}
		packages, err := s.Contents("ours", c.Snapshot)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packages {
			if out := checkSignature(t, s, p); !strings.Contains(out, "Header V4 RSA/SHA256 Signature") || strings.Contains(out, "NOKEY") || strings.Contains(out, "BAD") {
				t.Errorf("%s rpmkeys says of %s:\n%s", when, p.File, out)
			}
		}
	}
	check("with a new key", "tool=1.1-1 tool=1.0-1")
	if _, err := s.Rollback(t.Context(), "ours", Stable, 0, "tester"); err != nil {
		t.Fatal(err)
	}
	check("rolled back", "tool=1.0-1")
	for name, again := range map[string][]byte{"what was uploaded": content, "what the old key signed": old} {
		if v := upload(t, s, "ours", "", uploads{{"tool.rpm", again}}).Files[0]; v.State != Present {
			t.Errorf("%s, once more: %+v", name, v)
		}
	}
	s = mustOpenOwn(t, dir)
	c, err := s.Channel("ours", Stable)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Channel("ours", Stable); err != nil || again.Snapshot != c.Snapshot || !again.Published.Equal(c.Published) {
		t.Errorf("the next start published %+v after %+v, %v", again, c, err)
	}
	checkTidy(t, dir)
}

// What one repository does keeps no other one waiting.
func TestRepositoriesChangeSideBySide(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "busy", Yum)
	mustCreate(t, s, "free", Apt)
	_, done, err := s.change("busy")
	if err != nil {
		t.Fatal(err)
	}
	mustAdd(t, s, "free", "", sample{name: "tool", version: "1.0", arch: "amd64"})
	d, err := s.Repository("free")
	if err != nil || d.Packages != 1 || d.Size == 0 {
		t.Errorf("there is %+v, %v", d, err)
	}
	finished := make(chan error, 1)
	go func() { finished <- s.Remove("busy") }()
	done()
	if err := <-finished; err != nil {
		t.Error(err)
	}
}
