package watched

import (
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"hostler/db"
	"hostler/repo"
	"hostler/server/event"
)

func TestFilesAreTakenAsUploadsAre(t *testing.T) {
	r := newRig(t)
	r.put("tools/dev/tool-1.0.tar.gz", archive(t, "one"))
	r.put("tools/dev/broken-1.0.tar.gz", []byte("<html>"))
	r.put("tools/dev/.late-1.0.tar.gz", archive(t, "under way"))
	r.mkdir("tools/dev/aside")
	r.put("tools/dev/aside/deep-1.0.tar.gz", archive(t, "deep"))
	r.must(os.Symlink(r.path("tools/dev/aside/deep-1.0.tar.gz"), r.path("tools/dev/link-1.0.tar.gz")))
	r.look()
	r.wantHas("tool-1.0.tar.gz")
	for name, want := range map[string]bool{
		"tool-1.0.tar.gz": false, "broken-1.0.tar.gz": false, "refused/broken-1.0.tar.gz": true, "refused/broken-1.0.tar.gz.reason.txt": true,
		".late-1.0.tar.gz": true, "aside/deep-1.0.tar.gz": true, "link-1.0.tar.gz": true,
	} {
		if r.there("tools/dev/"+name) != want {
			t.Errorf("%s is there: %t", name, !want)
		}
	}
	reason, err := os.ReadFile(r.path("tools/dev/refused/broken-1.0.tar.gz.reason.txt"))
	if err != nil || !strings.HasPrefix(string(reason), "broken-1.0.tar.gz was not taken into tools/dev.\nunreadable: ") {
		t.Errorf("the reason is %q, %v", reason, err)
	}
	if es := r.events(event.PackagesAdded); len(es) != 1 || es[0].Actor != actor || es[0].Params["count"] != "1" || es[0].Params["repository"] != "tools" {
		t.Errorf("told of %+v", es)
	}
	if es := r.events(event.PackageRefused); len(es) != 1 || es[0].Params["file"] != "broken-1.0.tar.gz" || es[0].Params["why"] == "" {
		t.Errorf("told of %+v", es)
	}
	es := r.audited()
	if len(es) != 2 || es[0].Code != "unreadable" || es[0].Result != db.AuditFailed || es[1].Result != db.AuditDone || es[1].Actor != actor || es[1].Target != "tools" {
		t.Errorf("recorded %+v", es)
	}
	r.must(os.Rename(r.path("tools/dev/.late-1.0.tar.gz"), r.path("tools/dev/late-1.0.tar.gz")))
	r.look()
	r.wantHas("late-1.0.tar.gz tool-1.0.tar.gz")
	if s := r.Status(); s.Added != 2 || s.Refused != 1 || s.Present != 0 || len(s.Problems) != 0 {
		t.Errorf("it says %+v", s)
	}
}

func TestAFileIsTakenWhenItIsWhole(t *testing.T) {
	r := newRig(t)
	whole := archive(t, "whole")
	for _, part := range []int{len(whole) / 3, len(whole) / 2, len(whole)} {
		r.put("tools/dev/tool-1.0.tar.gz", whole[:part])
		r.Look(t.Context())
		r.wantHas("")
		if !r.there("tools/dev/tool-1.0.tar.gz") || r.there("tools/dev/refused") {
			t.Fatalf("with %d bytes it was decided", part)
		}
	}
	// As long as before, and written anew.
	r.must(os.Chtimes(r.path("tools/dev/tool-1.0.tar.gz"), time.Time{}, time.Unix(1, 0)))
	r.Look(t.Context())
	r.wantHas("")
	// Another file of the same name, size and time.
	r.put("tools/dev/.new", whole)
	r.must(os.Chtimes(r.path("tools/dev/.new"), time.Time{}, time.Unix(1, 0)))
	r.must(os.Rename(r.path("tools/dev/.new"), r.path("tools/dev/tool-1.0.tar.gz")))
	r.Look(t.Context())
	r.wantHas("")
	r.Look(t.Context())
	r.wantHas("tool-1.0.tar.gz")
}

func TestWhatTheChannelHasAlready(t *testing.T) {
	r := newRig(t)
	r.put("tools/dev/tool-1.0.tar.gz", archive(t, "one"))
	r.look()
	before, err := r.Repo.Channel("tools", "dev")
	r.must(err)
	r.put("tools/dev/tool-1.0.tar.gz", archive(t, "one"))
	r.look()
	if after, err := r.Repo.Channel("tools", "dev"); err != nil || after.Snapshot != before.Snapshot || r.there("tools/dev/tool-1.0.tar.gz") {
		t.Errorf("the same again: %+v, %v", after, err)
	}
	for _, content := range []string{"two", "three"} { // the later one takes the place of the first
		r.put("tools/dev/tool-1.0.tar.gz", archive(t, content))
		r.look()
		if got, err := os.ReadFile(r.path("tools/dev/refused/tool-1.0.tar.gz")); err != nil || string(got) != string(archive(t, content)) {
			t.Errorf("aside is not what was refused last (%v)", err)
		}
	}
	r.wantHas("tool-1.0.tar.gz")
	if s := r.Status(); s.Added != 1 || s.Present != 1 || s.Refused != 2 {
		t.Errorf("it says %+v", s)
	}
}

func TestWhatIsInNoChannelIsToldOnce(t *testing.T) {
	r := newRig(t)
	r.mkdir("tools/lab")
	r.mkdir("others/dev")
	tool := archive(t, "tool")
	for _, name := range []string{"tool-1.0.tar.gz", "tools/tool-1.0.tar.gz", "tools/lab/tool-1.0.tar.gz", "others/dev/tool-1.0.tar.gz"} {
		r.put(name, tool)
	}
	r.look()
	r.look()
	want := []Problem{
		{"others/dev", "no_repository", "there is no repository others"},
		{"tool-1.0.tar.gz", "misplaced", ""},
		{"tools/lab", "no_channel", `the repository has no channel "lab"`},
		{"tools/tool-1.0.tar.gz", "misplaced", ""},
	}
	got := r.Status().Problems
	if len(got) != len(want) {
		t.Fatalf("it tells %+v", got)
	}
	for i, p := range got {
		if p.Path != want[i].Path || p.Code != want[i].Code || want[i].Message != "" && p.Message != want[i].Message {
			t.Errorf("it tells %+v, want %+v", p, want[i])
		}
	}
	if es := r.events(event.WatchedFolderFailed); len(es) != len(want) {
		t.Errorf("told %d times of %d problems", len(es), len(want))
	}
	// Once there is such a channel, and some time later, it goes on.
	c, err := r.Repo.Channel("tools", "dev")
	r.must(err)
	_, err = r.Repo.Promote(t.Context(), "tools", repo.Promotion{Channel: "lab", Snapshot: c.Snapshot, Create: true, By: "alice"})
	r.must(err)
	r.clock.Advance(patience)
	r.Look(t.Context())
	if r.there("tools/lab/tool-1.0.tar.gz") || len(r.Status().Problems) != len(want)-1 {
		t.Errorf("it tells %+v", r.Status().Problems)
	}
	r.must(os.RemoveAll(r.path("")))
	r.Look(t.Context())
	if got := r.Status().Problems; len(got) != 1 || got[0].Code != "failed" {
		t.Errorf("without the folder it tells %+v", got)
	}
}

func TestAFullDiskLeavesFilesWhereTheyAre(t *testing.T) {
	r := newRig(t)
	disk := r.dir + "/repo"
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot make a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	r.start() // its repositories are on the small disk
	r.must(r.Repo.Create(repo.Definition{Name: "tools", Kind: repo.Archive, By: "alice"}, []string{"dev"}))
	random := make([]byte, 2<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random) // never fails
	r.put("tools/dev/large-1.0.tar.gz", archive(t, string(random)))
	r.look()
	if s := r.Status(); len(s.Problems) != 1 || s.Problems[0].Code != "full" || s.Problems[0].Path != "tools/dev" || !r.there("tools/dev/large-1.0.tar.gz") {
		t.Fatalf("it tells %+v", s)
	}
	r.must(syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=16m"))
	r.look()
	r.wantHas("") // not at every look: each reads all of it
	r.clock.Advance(patience)
	r.Look(t.Context())
	r.wantHas("large-1.0.tar.gz")
	if s := r.Status(); len(s.Problems) != 0 || r.there("tools/dev/large-1.0.tar.gz") {
		t.Errorf("it tells %+v", s)
	}
}

func TestNoFolder(t *testing.T) {
	var none *Folder
	if s := none.Status(); s.Path != "" || s.Problems == nil {
		t.Errorf("it tells %+v", s)
	}
}

func TestNothingIsAsideWithoutItsReason(t *testing.T) {
	r := newRig(t)
	r.put("tools/dev/broken-1.0.tar.gz", []byte("<html>"))
	r.mkdir("tools/dev/refused/broken-1.0.tar.gz.reason.txt/in-the-way")
	r.look()
	if s := r.Status(); len(s.Problems) != 1 || s.Problems[0].Code != "failed" || s.Refused != 0 || !r.there("tools/dev/broken-1.0.tar.gz") {
		t.Errorf("it tells %+v", s)
	}
	told := len(r.audited())
	r.clock.Advance(patience)
	r.look()
	if got := len(r.audited()); got != told {
		t.Errorf("it was recorded %d times more", got-told)
	}
	r.must(os.RemoveAll(r.path("tools/dev/refused")))
	r.clock.Advance(longPatience)
	r.look()
	if s := r.Status(); len(s.Problems) != 0 || s.Refused != 1 || !r.there("tools/dev/refused/broken-1.0.tar.gz") {
		t.Errorf("then it tells %+v", s)
	}
}
