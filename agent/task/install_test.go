package task

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/cgroup"
	"hostler/agent/download"
	"hostler/agent/install"
	"hostler/agent/process"
	"hostler/agent/supervise"
	"hostler/agent/wire"
)

// installRig is a host on which child agents can be installed, and a server that has their packages.
type installRig struct {
	*rig
	children *supervise.Supervisor
	place    *install.Place
	root     string // of the package manager
	web      *httptest.Server

	mu    sync.Mutex
	files map[string][]byte
}

func newInstallRig(t *testing.T) *installRig {
	t.Helper()
	return newInstallRigWith(t, "")
}

// newInstallRigWith makes one whose package manager installs rpms with a program.
func newInstallRigWith(t *testing.T, rpms string) *installRig {
	t.Helper()
	t.Parallel() // most of the time it waits for child agents to stay up
	dir := t.TempDir()
	r := &installRig{files: map[string][]byte{}, root: filepath.Join(dir, "root")}
	r.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, ask *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		w.Write(r.files[ask.URL.Path])
	}))
	t.Cleanup(r.web.Close)
	definitions := filepath.Join(r.root, "etc", "hostler-agent", "agents.d")
	if err := os.MkdirAll(definitions, 0o755); err != nil {
		t.Fatal(err)
	}
	r.place = &install.Place{Dir: filepath.Join(dir, "agents"), Definitions: definitions}
	r.supervise(t, dir)
	r.rig = newRig(t, Actions(&Parts{
		Downloader: &download.Downloader{}, Children: r.children, Place: r.place, Manager: &install.Manager{Root: r.root, RPMs: rpms},
	}))
	r.start()
	return r
}

// supervise looks after child agents until the test ends, and then removes them.
func (r *installRig) supervise(t *testing.T, dir string) {
	log := &agenttest.Log{}
	r.children = supervise.New(supervise.Options{
		Dir: r.place.Definitions, StateDir: filepath.Join(dir, "children"), LogDir: filepath.Join(dir, "logs"),
		Groups: &cgroup.Tree{Limiter: wire.LimiterPolling, Reason: "a test"}, Log: log.Logger(), Emit: func(wire.Event) {},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.children.Run(ctx) }()
	agenttest.Receive(t, r.children.Started())
	t.Cleanup(func() {
		for _, child := range r.children.Children() {
			if err := r.children.Remove(context.Background(), child.Name); err != nil {
				t.Errorf("%s is left: %v", child.Name, err)
			}
		}
		cancel()
		<-done
		if t.Failed() {
			t.Logf("the supervisor's log:\n%s", log)
		}
	})
}

// one returns the child agent of that name as it is now.
func (r *installRig) one(name string) wire.ChildAgent {
	r.t.Helper()
	child, known := find(r.children, name)
	if !known {
		r.t.Errorf("there is no child agent %s", name)
	}
	return child
}

// isGone says whether there is no process of that number.
func isGone(pid int) bool {
	_, lives := process.Of(pid)
	return !lives
}

// variable is the value of an environment variable of a process.
func variable(pid int, name string) string {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	for entry := range strings.SplitSeq(string(content), "\x00") {
		if value, is := strings.CutPrefix(entry, name+"="); is {
			return value
		}
	}
	return ""
}

// job makes one that brings a file.
func (r *installRig) job(action, name, version string, file []byte) wire.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := fmt.Sprintf("/%d/%s", serial.Add(1), version)
	r.files[path] = file
	return wire.Job{Action: action, Name: name, Version: version, URL: r.web.URL + path, Checksum: sumOf(string(file))}
}

// tarball is a child agent's archive: a program that runs for ever, or what is given as its script.
func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
	}
	w.Close()
	zipped.Close()
	return b.Bytes()
}

const forEver = "#!/bin/sh\nexec sleep 100000\n"

func basicAgent(t *testing.T, version, script string) []byte {
	return tarball(t, map[string]string{
		"BasicAgent/bin/run":   script,
		"BasicAgent/agent.ini": "[agent]\nname = BasicAgent\nversion = " + version + "\ncommand = bin/run --quiet\n",
		"BasicAgent/VERSION":   version,
	})
}

// version is what the tree in force says.
func (r *installRig) version() string {
	text, _ := os.ReadFile(filepath.Join(r.place.Current("BasicAgent"), "VERSION"))
	return string(text)
}

func (r *installRig) installed(version string) {
	r.t.Helper()
	job := r.job(wire.ActionInstall, "BasicAgent", version, basicAgent(r.t, version, forEver))
	job.Envs, job.Limits = map[string]string{"A": version}, &wire.Limits{CPU: "10%", Memory: "20M"}
	if got := r.do(job); got.ErrCode != 0 {
		r.t.Fatalf("install %s: %+v", version, got)
	}
}

func TestInstallUpgradeAndUninstallAnArchive(t *testing.T) {
	r := newInstallRig(t)
	r.installed("1.0")
	first := r.one("BasicAgent")
	if first.Status != wire.ChildRunning || first.Version != "1.0" || first.Limits.Memory != "20M" || r.version() != "1.0" {
		t.Errorf("installed %+v, %s", first, r.version())
	}
	if got := r.do(r.job(wire.ActionUpgrade, "BasicAgent", "2.0", basicAgent(t, "2.0", forEver))); got.ErrCode != 0 {
		t.Fatalf("upgrade: %+v", got)
	}
	second := r.one("BasicAgent")
	if second.Version != "2.0" || second.PID == first.PID || r.version() != "2.0" || variable(second.PID, "A") != "1.0" {
		t.Errorf("upgraded to %+v, %s", second, r.version())
	}
	if got := r.do(r.job(wire.ActionUpgrade, "BasicAgent", "3.0", basicAgent(t, "3.0", forEver))); got.ErrCode != 0 {
		t.Fatalf("upgrade: %+v", got)
	}
	if trees := strings.Fields(list(t, filepath.Join(r.place.Dir, "BasicAgent", "trees"))); len(trees) != 2 {
		t.Errorf("versions kept: %v", trees)
	}
	last := r.one("BasicAgent")
	if got := r.do(wire.Job{Action: wire.ActionUninstall, Name: "BasicAgent"}); got.ErrCode != 0 {
		t.Errorf("uninstall: %+v", got)
	}
	if list(t, r.place.Dir) != "" || list(t, r.place.Definitions) != "" || !isGone(last.PID) {
		t.Errorf("left behind: %s, %s, process gone %v", list(t, r.place.Dir), list(t, r.place.Definitions), isGone(last.PID))
	}
	if got := r.do(wire.Job{Action: wire.ActionUninstall, Name: "BasicAgent"}); got.ErrCode != wire.ErrCodeNoChild {
		t.Errorf("uninstall once more: %+v", got)
	}
}

func TestAVersionThatDoesNotWorkIsRolledBack(t *testing.T) {
	r := newInstallRig(t)
	r.installed("1.0")
	for name, script := range map[string]string{"exits at once": "#!/bin/sh\nexit 1\n", "cannot be started": "#!/nonexistent\n"} {
		got := r.do(r.job(wire.ActionUpgrade, "BasicAgent", "2.0", basicAgent(t, "2.0", script)))
		if got.ErrCode != wire.ErrCodeRolledBack {
			t.Errorf("%s: %+v", name, got)
		}
		now := r.one("BasicAgent")
		if now.Status != wire.ChildRunning || now.Version != "1.0" || r.version() != "1.0" || now.Limits.Memory != "20M" {
			t.Errorf("%s: in force is %+v, %s", name, now, r.version())
		}
	}
	never := r.job(wire.ActionUpgrade, "BasicAgent", "2.0", basicAgent(t, "2.1", forEver))
	never.Definition, never.Timeout = "[agent]\nname = BasicAgent\ncommand = bin/run\n[ready]\nkind = command\ncommand = /bin/false\n", 1
	if got := r.do(never); got.ErrCode != wire.ErrCodeTimeout || r.version() != "1.0" || r.one("BasicAgent").Status != wire.ChildRunning {
		t.Errorf("never ready: %+v, in force is %s", got, r.version())
	}
	// A first installation that does not work leaves nothing.
	job := r.job(wire.ActionInstall, "Other", "1", tarball(t, map[string]string{"run": "#!/bin/sh\nexit 1\n", "agent.ini": "[agent]\nname = Other\ncommand = run\n"}))
	if got := r.do(job); got.ErrCode != wire.ErrCodeRolledBack || list(t, r.place.Definitions) != "BasicAgent.ini" {
		t.Errorf("got %+v, definitions %s", got, list(t, r.place.Definitions))
	}
}

func TestScenario26AnInterruptedInstallationIsOldOrNew(t *testing.T) {
	r := newInstallRig(t)
	r.installed("1.0")
	old, err := os.ReadFile(filepath.Join(r.place.Definitions, "BasicAgent.ini"))
	if err != nil {
		t.Fatal(err)
	}
	packed := filepath.Join(t.TempDir(), "packed")
	if err := os.WriteFile(packed, basicAgent(t, "2.0", forEver), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tree, err := r.place.Unpack(t.Context(), f, "BasicAgent", "2.0", "0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	definition := "[agent]\nname = BasicAgent\nversion = 2.0\ncommand = /new\n"
	// The agent is killed after each of the steps: the record, the link, the definition.
	for step := range 3 {
		change, err := r.place.Begin("BasicAgent", tree, &definition)
		if err != nil {
			t.Fatal(err)
		}
		switch step {
		case 1:
			change.NewDefinition = nil // so far and no further
			err = change.Apply()
		case 2:
			err = change.Apply()
		}
		if err != nil {
			t.Fatal(err)
		}
		again := &install.Place{Dir: r.place.Dir, Definitions: r.place.Definitions}
		names, err := again.Recover()
		if err != nil || len(names) != 1 || names[0] != "BasicAgent" {
			t.Errorf("step %d: went back with %v, %v", step, names, err)
		}
		now, _ := os.ReadFile(filepath.Join(r.place.Definitions, "BasicAgent.ini"))
		if r.version() != "1.0" || string(now) != string(old) {
			t.Errorf("step %d: in force is %s with\n%s", step, r.version(), now)
		}
		if names, err := again.Recover(); len(names) != 0 || err != nil {
			t.Errorf("step %d: went back twice", step)
		}
	}
}

func TestScenario26AnInstallationGoesOnInTheNextAgent(t *testing.T) {
	r := newInstallRig(t)
	gate := make(chan struct{})
	file := basicAgent(t, "1.0", forEver)
	asked := make(chan struct{}, 10)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, ask *http.Request) {
		w.Write(file[:10])
		w.(http.Flusher).Flush()
		asked <- struct{}{}
		select {
		case <-gate:
			w.Write(file[10:])
		case <-ask.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	r.submit(wire.Job{ID: "slow", Action: wire.ActionInstall, Name: "BasicAgent", URL: slow.URL, Checksum: sumOf(string(file))})
	agenttest.Receive(t, asked)
	r.stop()
	if len(r.children.Children()) != 0 {
		t.Error("half a child agent is there")
	}
	close(gate)
	r.start()
	if got := r.result("slow"); got.ErrCode != 0 || r.version() != "1.0" || r.one("BasicAgent").Status != wire.ChildRunning {
		t.Errorf("got %+v, in force is %s", got, r.version())
	}
}

func TestWhatCannotBeInstalledChangesNothing(t *testing.T) {
	r := newInstallRig(t)
	r.installed("1.0")
	before := r.one("BasicAgent")
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, ask *http.Request) {
		http.Redirect(w, ask, "file:///etc/passwd", http.StatusFound)
	}))
	t.Cleanup(redirect.Close)
	ftp := agenttest.NewFTP(t)
	ftp.HangAt = "RETR"
	good := basicAgent(t, "2.0", forEver)
	bomb := func() []byte {
		return tarball(t, map[string]string{"zeros": strings.Repeat("\x00", 40<<20), "agent.ini": "[agent]\nname = BasicAgent\ncommand = run\n"})
	}
	for name, test := range map[string]struct {
		file   []byte
		change func(*wire.Job)
		want   int
	}{
		"a checksum that does not match": {good, func(j *wire.Job) { j.Checksum = sumOf("other") }, wire.ErrCodeChecksum},
		"no checksum":                    {good, func(j *wire.Job) { j.Checksum = "" }, wire.ErrCodeBadJob},
		"no URL":                         {good, func(j *wire.Job) { j.URL = "" }, wire.ErrCodeBadJob},
		"a package that is no package":   {[]byte("hello"), func(*wire.Job) {}, wire.ErrCodeBadPackage},
		"half a package":                 {good[:len(good)/2], func(*wire.Job) {}, wire.ErrCodeBadPackage},
		"a deb that is none":             {[]byte("!<arch>\ndebian-binary   rubbish"), func(*wire.Job) {}, wire.ErrCodeBadPackage},
		"an rpm that is none":            {[]byte("\xed\xab\xee\xdb rubbish"), func(*wire.Job) {}, wire.ErrCodeBadPackage},
		"an archive with ../":            {tarball(t, map[string]string{"../evil": "x"}), func(*wire.Job) {}, wire.ErrCodeBadPackage},
		"an archive with /":              {tarball(t, map[string]string{"/evil": "x"}), func(*wire.Job) {}, wire.ErrCodeBadPackage},
		"a bomb":                         {bomb(), func(*wire.Job) {}, wire.ErrCodeBadPackage},
		"a URL that leads to file://":    {good, func(j *wire.Job) { j.URL = redirect.URL }, wire.ErrCodeDownload},
		"a URL of file://":               {good, func(j *wire.Job) { j.URL = "file:///etc/passwd" }, wire.ErrCodeBadJob},
		"an ftp server that hangs":       {good, func(j *wire.Job) { j.URL, j.Timeout = "ftp://"+ftp.Address+"/x", 1 }, wire.ErrCodeTimeout},
		"a name with /":                  {good, func(j *wire.Job) { j.Name = "a/b" }, wire.ErrCodeBadJob},
		"a name with ..":                 {good, func(j *wire.Job) { j.Name = "../evil" }, wire.ErrCodeBadJob},
		"a name that is ..":              {good, func(j *wire.Job) { j.Name = ".." }, wire.ErrCodeBadJob},
		"a version with /":               {good, func(j *wire.Job) { j.Version = "../2" }, wire.ErrCodeBadJob},
		"a strange variable":             {good, func(j *wire.Job) { j.Envs = map[string]string{"A B": "x"} }, wire.ErrCodeBadJob},
		"limits that are none":           {good, func(j *wire.Job) { j.Limits = &wire.Limits{Memory: "plenty"} }, wire.ErrCodeDefinition},
		"a definition of 10 MB":          {good, func(j *wire.Job) { j.Definition = strings.Repeat("#\n", 5<<20) }, wire.ErrCodeDefinition},
		"a definition with a NUL byte":   {good, func(j *wire.Job) { j.Definition = "[agent]\nname = BasicAgent\ncommand = /x\x00\n" }, wire.ErrCodeDefinition},
		"a definition of another":        {good, func(j *wire.Job) { j.Definition = "[agent]\nname = Other\ncommand = /x\n" }, wire.ErrCodeDefinition},
		"a program outside":              {good, func(j *wire.Job) { j.Definition = "[agent]\nname = BasicAgent\ncommand = ../../x\n" }, wire.ErrCodeDefinition},
	} {
		job := r.job(wire.ActionUpgrade, "BasicAgent", "2.0", test.file)
		test.change(&job)
		if job.Name != "BasicAgent" {
			job.Action = wire.ActionInstall
		}
		if got := r.do(job); got.ErrCode != test.want {
			t.Errorf("%s: got %+v, want errcode %d", name, got, test.want)
		}
		now := r.one("BasicAgent")
		if now.PID != before.PID || now.Status != wire.ChildRunning || r.version() != "1.0" || list(t, r.place.Dir) != "BasicAgent" {
			t.Fatalf("%s: the child agent is %+v, in force is %s, there are %s", name, now, r.version(), list(t, r.place.Dir))
		}
		before = now
		if left, _ := filepath.Glob(filepath.Join(r.place.Dir, "BasicAgent", "trees", ".*")); len(left) != 0 {
			t.Errorf("%s: half written: %v", name, left)
		}
	}
	job := r.job(wire.ActionUpgrade, "Unknown", "2.0", good)
	if got := r.do(job); got.ErrCode != wire.ErrCodeNoChild {
		t.Errorf("an upgrade of nothing: %+v", got)
	}
}

// TestADefinitionMayBeCalledAnything configures and uninstalls a child agent that somebody has defined on the host, in files
// of their own names. A second file for the same name, which is not in force, must not come to be.
func TestADefinitionMayBeCalledAnything(t *testing.T) {
	r := newInstallRig(t)
	first, second := filepath.Join(r.place.Definitions, "10-sleeper.ini"), filepath.Join(r.place.Definitions, "20-sleeper.ini")
	definition := func(version string) string {
		return "[agent]\nname = Sleeper\nversion = " + version + "\ncommand = /bin/sleep 100000\n"
	}
	if err := os.WriteFile(first, []byte(definition("1.0")), 0o600); err != nil {
		t.Fatal(err)
	}
	agenttest.Eventually(t, "Sleeper 1.0 running", func() bool {
		child, _ := find(r.children, "Sleeper")
		return child.Status == wire.ChildRunning && child.Version == "1.0"
	})
	// The other one comes when this one is in force: of two that are being written, the one that is whole first is.
	if err := os.WriteFile(second, []byte(definition("0.9")), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := "[agent]\nname = Sleeper\ncommand = /bin/false\n"
	if got := r.do(wire.Job{Action: wire.ActionConfigure, Name: "Sleeper", Definition: broken}); got.ErrCode != wire.ErrCodeRolledBack {
		t.Errorf("a definition that does not work: %+v", got)
	}
	if text, err := os.ReadFile(first); err != nil || string(text) != definition("1.0") {
		t.Errorf("taken back: %s, %v", text, err)
	}
	if got := r.do(wire.Job{Action: wire.ActionConfigure, Name: "Sleeper", Definition: definition("2.0")}); got.ErrCode != 0 {
		t.Errorf("configure: %+v", got)
	}
	last := r.one("Sleeper")
	if names := strings.Fields(list(t, r.place.Definitions)); last.Version != "2.0" || len(names) != 2 {
		t.Errorf("configured %+v, files %v", last, names)
	}
	if got := r.do(wire.Job{Action: wire.ActionUninstall, Name: "Sleeper"}); got.ErrCode != 0 {
		t.Errorf("uninstall: %+v", got)
	}
	if names := list(t, r.place.Definitions); names != "" || !isGone(last.PID) || len(r.children.Children()) > 0 {
		t.Errorf("left behind: files %s, process gone %v, %+v", names, isGone(last.PID), r.children.Children())
	}
}

func TestStartStopRestartConfigureAndLog(t *testing.T) {
	r := newInstallRig(t)
	r.installed("1.0")
	first := r.one("BasicAgent").PID
	code := func(job wire.Job) int {
		t.Helper()
		if job.Name == "" {
			job.Name = "BasicAgent"
		}
		return r.do(job).ErrCode
	}
	for _, action := range []string{wire.ActionStart, wire.ActionStop, wire.ActionRestart, wire.ActionConfigure, wire.ActionLog} {
		if got := code(wire.Job{Action: action, Name: "Other"}); got != wire.ErrCodeNoChild {
			t.Errorf("%s of a stranger: %d", action, got)
		}
		if got := code(wire.Job{Action: action, Name: "a/../b"}); got != wire.ErrCodeBadJob {
			t.Errorf("%s of a path: %d", action, got)
		}
	}
	if got := code(wire.Job{Action: wire.ActionRestart}); got != 0 || r.one("BasicAgent").PID == first {
		t.Errorf("restart: %d", got)
	}
	second := r.one("BasicAgent").PID
	if got := code(wire.Job{Action: wire.ActionConfigure, Limits: &wire.Limits{CPU: "50%"}}); got != 0 || r.one("BasicAgent").PID != second || r.one("BasicAgent").Limits.CPU != "50%" {
		t.Errorf("limits: %d, %+v", got, r.one("BasicAgent"))
	}
	if got := code(wire.Job{Action: wire.ActionConfigure, Envs: map[string]string{"B": "2"}}); got != 0 || r.one("BasicAgent").PID == second {
		t.Errorf("envs: %d, %+v", got, r.one("BasicAgent"))
	}
	broken := "[agent]\nname = BasicAgent\ncommand = /bin/false\n"
	if got := code(wire.Job{Action: wire.ActionConfigure, Definition: broken}); got != wire.ErrCodeRolledBack || r.one("BasicAgent").Status != wire.ChildRunning {
		t.Errorf("a definition that does not work: %d, %+v", got, r.one("BasicAgent"))
	}
	if got := code(wire.Job{Action: wire.ActionConfigure}); got != wire.ErrCodeBadJob {
		t.Errorf("nothing to configure: %d", got)
	}
	told := r.place.Tell("BasicAgent")
	if told.Text == "" || told.Edited {
		t.Errorf("of what a job has written is told %+v", told)
	}
	if err := os.WriteFile(told.File, []byte(told.Text+"# by hand\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if told := r.place.Tell("BasicAgent"); !told.Edited || !strings.HasSuffix(told.Text, "# by hand\n") {
		t.Errorf("of what was changed by hand is told %+v", told)
	}
	if got := code(wire.Job{Action: wire.ActionStop}); got != 0 || r.one("BasicAgent").Status != wire.ChildStopped {
		t.Errorf("stop: %d", got)
	}
	if got := r.do(r.job(wire.ActionUpgrade, "BasicAgent", "2.0", basicAgent(t, "2.0", forEver))); got.ErrCode != 0 || r.one("BasicAgent").Status != wire.ChildStopped || r.version() != "2.0" {
		t.Errorf("an upgrade of what is stopped: %+v, %+v", got, r.one("BasicAgent"))
	}
	if got := code(wire.Job{Action: wire.ActionStart}); got != 0 || r.one("BasicAgent").Status != wire.ChildRunning {
		t.Errorf("start: %d", got)
	}
	if err := os.WriteFile(r.children.LogPath("BasicAgent", wire.Stderr), []byte("one\ntwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.submit(wire.Job{ID: "log", Action: wire.ActionLog, Name: "BasicAgent", Log: &wire.Log{Stream: wire.Stderr, Bytes: 10}})
	if got, output := r.resultAndOutput("log"); got.ErrCode != 0 || got.Stderr != 10 || output[wire.Stderr] != "two\nthree\n"[0:] {
		t.Errorf("log: %+v, %q", got, output)
	}
	if err := os.Remove(r.children.LogPath("BasicAgent", wire.Stdout)); err != nil {
		t.Fatal(err)
	}
	r.submit(wire.Job{ID: "no-log", Action: wire.ActionLog, Name: "BasicAgent", Log: &wire.Log{Stream: wire.Stdout}})
	if got, output := r.resultAndOutput("no-log"); got.ErrCode != 0 || output[wire.Stdout] != "" {
		t.Errorf("a log that is not there: %+v, %q", got, output)
	}
	if got := code(wire.Job{Action: wire.ActionLog, Log: &wire.Log{Stream: "stdin"}}); got != wire.ErrCodeBadJob {
		t.Errorf("a strange stream: %d", got)
	}
}
