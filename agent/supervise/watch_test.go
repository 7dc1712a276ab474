package supervise

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

// seen waits for a child agent to be as wanted without having the definitions read, as heartbeats have them.
func (r *rig) seen(name, what string, want func(*view) bool) (v view) {
	r.Helper()
	agenttest.Eventually(r.T, name+" "+what, func() bool {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		if found := r.s.views[name]; found != nil && want(found) {
			v = *found
			return true
		}
		return false
	})
	return v
}

func runs(v *view) bool { return v.Status == wire.ChildRunning && v.PID > 0 }

func TestDefinitionsAreReadWhenTheyChange(t *testing.T) {
	r := newRig(t)
	r.start()
	r.define("a.ini", "A", forever)
	pid := r.seen("A", "running", runs).PID
	r.define("a.ini", "A", "/bin/sleep 1001")
	r.seen("A", "changed", func(v *view) bool { return strings.Contains(v.Reason, "in force after a restart") })
	// An editor that keeps the old file beside the new one.
	path := filepath.Join(r.dir, "a.ini")
	r.must(os.Rename(path, path+"~"))
	r.define("a.ini", "A", forever)
	r.seen("A", "as it was", func(v *view) bool { return v.Reason == "" && v.PID == pid })
	r.write(path, "rubbish")
	agenttest.Eventually(t, "the refusal", func() bool { return strings.Contains(r.param(wire.EventConfigRefused, "reason"), "line 1") })
	if kept := r.param(wire.EventConfigRefused, "kept"); kept != "yes" {
		t.Errorf("that the former definition goes on is told as %q", kept)
	}
	r.must(os.Remove(path))
	r.seen("A", "without a definition", func(v *view) bool { return strings.Contains(v.Reason, "is gone") && v.PID == pid })
	r.must(os.Symlink(path+"~", path))
	r.seen("A", "changed by a link", func(v *view) bool { return strings.Contains(v.Reason, "in force after a restart") && v.PID == pid })
}

// TestTheDirectoryOfDefinitionsMayComeLater is a host on which nobody has defined anything yet.
func TestTheDirectoryOfDefinitionsMayComeLater(t *testing.T) {
	r := newRig(t)
	r.must(os.Remove(r.dir))
	r.start()
	for _, name := range []string{"A", "B"} {
		r.must(os.Mkdir(r.dir, 0o755))
		r.define("a.ini", name, forever)
		r.seen(name, "running", runs)
		r.must(os.Rename(r.dir, r.dir+name))
	}
}

// TestAFileThatIsBeingWrittenWaits reads the definitions while half of one is there.
func TestAFileThatIsBeingWrittenWaits(t *testing.T) {
	r := newRig(t)
	r.start()
	half, err := os.Create(filepath.Join(r.dir, "half.ini"))
	r.must(err)
	_, err = half.WriteString("[agent]\nname = Half\ncommand = /bin/sleep 1001\nno")
	r.must(err)
	r.define("other.ini", "Other", forever)
	r.seen("Other", "running", runs)
	_, err = half.WriteString("thing = 1\n")
	r.must(err)
	r.must(half.Close())
	r.seen("Half", "running", runs)
	// It is opened once more, to be written anew; what it said before holds until it is whole.
	again, err := os.Create(half.Name())
	r.must(err)
	_, err = again.WriteString("[agent]\nname = Ha")
	r.must(err)
	r.define("third.ini", "Third", forever)
	r.seen("Third", "running", runs)
	_, err = again.WriteString("lf\ncommand = /bin/sleep 1002\n")
	r.must(err)
	r.must(again.Close())
	r.seen("Half", "changed", func(v *view) bool { return strings.Contains(v.Reason, "in force after a restart") })
	if n := r.count(wire.EventConfigRefused); n != 0 {
		t.Errorf("half a file was told as an error: %v", r.events)
	}
}

// TestChangesThatTheKernelForgets makes nobody a writer for ever whose end was among them.
func TestChangesThatTheKernelForgets(t *testing.T) {
	s := New(Options{Dir: "/agents.d"})
	s.writing["/agents.d/a.ini"] = true
	lost := make([]byte, unix.SizeofInotifyEvent)
	binary.NativeEndian.PutUint32(lost[4:], unix.IN_Q_OVERFLOW)
	if !s.heed(lost) || len(s.writing) != 0 {
		t.Errorf("written by somebody: %v", s.writing)
	}
}
