package task

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/archive"
	"hostler/agent/download"
	"hostler/agent/wire"
)

func sumOf(text string) string { return fmt.Sprintf("SHA256:%x", sha256.Sum256([]byte(text))) }

// transferRig is a Runner that can push and fetch, and its server.
func transferRig(t *testing.T) (*rig, *agenttest.Server) {
	t.Helper()
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	return newRig(t, Actions(&Parts{Session: server.Session(t), Downloader: &download.Downloader{}})).start(), server
}

var serial atomic.Int64

func (r *rig) do(job wire.Job) wire.JobResult {
	r.t.Helper()
	job.ID = fmt.Sprintf("job-%d", serial.Add(1))
	r.submit(job)
	return r.result(job.ID)
}

func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

func pushJob(path, content string, change func(*wire.Job)) wire.Job {
	job := wire.Job{Action: wire.ActionPush, Checksum: sumOf(content), Push: &wire.Push{Path: path, Size: int64(len(content))}}
	change(&job)
	return job
}

func TestPush(t *testing.T) {
	r, server := transferRig(t)
	content := "new content"
	asked := 0
	server.OnFile = func(w http.ResponseWriter, _ *http.Request, job string) {
		asked++
		if !strings.HasPrefix(job, "job-") {
			t.Errorf("asked for the file of %q", job)
		}
		io.WriteString(w, content)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if got := r.do(pushJob(path, content, func(*wire.Job) {})); got.ErrCode != 0 {
		t.Fatalf("got %+v", got)
	}
	if text, _ := os.ReadFile(path); string(text) != content {
		t.Errorf("the file is %q", text)
	}
	if info, _ := os.Stat(path); info.Mode() != defaultMode {
		t.Errorf("its mode is %v", info.Mode())
	}

	if err := os.Chmod(path, 0o4711); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("old"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, os.ModeSetuid|0o711); err != nil {
		t.Fatal(err)
	}
	got := r.do(pushJob(path, content, func(j *wire.Job) { j.Push.Backup = true }))
	names := strings.Fields(list(t, dir))
	if got.ErrCode != 0 || len(names) != 2 || !strings.HasPrefix(names[1], "file.2") || !strings.Contains(got.Message, names[1]) {
		t.Fatalf("got %+v, files %v", got, names)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, names[1])); string(text) != "old" {
		t.Errorf("the backup is %q", text)
	}
	if info, _ := os.Stat(path); info.Mode() != os.ModeSetuid|0o711 {
		t.Errorf("the mode was not kept: %v", info.Mode())
	}

	// What is there already is not replaced, and not backed up as the old one.
	before := asked
	got = r.do(pushJob(path, content, func(j *wire.Job) { j.Push.Backup, j.Push.Mode = true, "2750" }))
	if info, _ := os.Stat(path); got.ErrCode != 0 || asked != before || info.Mode() != os.ModeSetgid|0o750 || len(strings.Fields(list(t, dir))) != 2 {
		t.Errorf("got %+v, mode %v, files %s", got, info.Mode(), list(t, dir))
	}
}

func TestPushSetsTheOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may give files away")
	}
	r, server := transferRig(t)
	server.OnFile = func(w http.ResponseWriter, _ *http.Request, _ string) { io.WriteString(w, "x") }
	path := filepath.Join(t.TempDir(), "file")
	for _, test := range []struct{ owner, group, want string }{{"nobody", "daemon", "65534 1"}, {"", "", "65534 1"}, {"root", "", "0 1"}} {
		got := r.do(pushJob(path, "x", func(j *wire.Job) { j.Push.Owner, j.Push.Group = test.owner, test.group }))
		uid, gid := agenttest.Owner(t, path)
		if owner := fmt.Sprintf("%d %d", uid, gid); got.ErrCode != 0 || owner != test.want {
			t.Errorf("%+v: got %+v, owner %s", test, got, owner)
		}
	}
}

func TestPushRefusesAndChangesNothing(t *testing.T) {
	r, server := transferRig(t)
	server.OnFile = func(w http.ResponseWriter, _ *http.Request, _ string) { io.WriteString(w, "content") }
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	}))
	t.Cleanup(web.Close)
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for name, content := range map[string]string{"file": "old", "other": "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("other", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := agenttest.Pipe(filepath.Join(dir, "pipe")); err != nil {
		t.Fatal(err)
	}
	at := func(path string) func(*wire.Job) { return func(j *wire.Job) { j.Push.Path = path } }
	for name, test := range map[string]struct {
		change func(*wire.Job)
		want   int
	}{
		"no push":                    {func(j *wire.Job) { j.Push = nil }, wire.ErrCodeBadJob},
		"a relative path":            {at("file"), wire.ErrCodeBadJob},
		"a path with ..":             {at(dir + "/x/../file"), wire.ErrCodeBadJob},
		"a directory":                {at(dir), wire.ErrCodeBadJob},
		"the root":                   {at("/"), wire.ErrCodeBadJob},
		"a final slash":              {at(path + "/"), wire.ErrCodeBadJob},
		"a link":                     {at(filepath.Join(dir, "link")), wire.ErrCodeBadJob},
		"a pipe":                     {at(filepath.Join(dir, "pipe")), wire.ErrCodeBadJob},
		"a directory that is not":    {at(dir + "/none/file"), wire.ErrCodeBadJob},
		"a NUL byte":                 {at(path + "\x00"), wire.ErrCodeBadJob},
		"another checksum":           {func(j *wire.Job) { j.Checksum = sumOf("other") }, wire.ErrCodeChecksum},
		"no checksum":                {func(j *wire.Job) { j.Checksum = "" }, wire.ErrCodeBadJob},
		"a larger size":              {func(j *wire.Job) { j.Push.Size++ }, wire.ErrCodeChecksum},
		"a smaller size":             {func(j *wire.Job) { j.Push.Size-- }, wire.ErrCodeTooLarge},
		"a negative size":            {func(j *wire.Job) { j.Push.Size = -1 }, wire.ErrCodeBadJob},
		"a strange mode":             {func(j *wire.Job) { j.Push.Mode = "u+x" }, wire.ErrCodeBadJob},
		"too large a mode":           {func(j *wire.Job) { j.Push.Mode = "10000" }, wire.ErrCodeBadJob},
		"an unknown user":            {func(j *wire.Job) { j.Push.Owner = "no-such-user" }, wire.ErrCodeUser},
		"an unknown group":           {func(j *wire.Job) { j.Push.Group = "no-such-group" }, wire.ErrCodeUser},
		"a URL that leads to a file": {func(j *wire.Job) { j.URL = web.URL }, wire.ErrCodeDownload},
		"a URL of a file":            {func(j *wire.Job) { j.URL = "file:///etc/passwd" }, wire.ErrCodeBadJob},
	} {
		job := pushJob(path, "content", test.change)
		if got := r.do(job); got.ErrCode != test.want {
			t.Errorf("%s: got %+v, want errcode %d", name, got, test.want)
		}
		old, _ := os.ReadFile(path)
		other, _ := os.ReadFile(filepath.Join(dir, "other"))
		if string(old) != "old" || string(other) != "other" || list(t, dir) != "file link other pipe" {
			t.Fatalf("%s: the file is %q, the other %q, there are %s", name, old, other, list(t, dir))
		}
	}
}

func TestScenario27PushOnAFullDisk(t *testing.T) {
	r, server := transferRig(t)
	content := strings.Repeat("x", 6<<20)
	server.OnFile = func(w http.ResponseWriter, _ *http.Request, _ string) { io.WriteString(w, content) }
	dir := agenttest.SmallDisk(t, "8m")
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte(strings.Repeat("o", 3<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := r.do(pushJob(path, content, func(*wire.Job) {})); got.ErrCode != wire.ErrCodeDiskFull {
		t.Errorf("got %+v", got)
	}
	if info, _ := os.Stat(path); info.Size() != 3<<20 || list(t, dir) != "file" {
		t.Errorf("%d bytes, files %s", info.Size(), list(t, dir))
	}
}

func TestFetchAFile(t *testing.T) {
	r, server := transferRig(t)
	content := strings.Repeat("line\n", 200_000)
	path := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	got := r.do(wire.Job{Action: wire.ActionFetch, Fetch: &wire.Fetch{Path: path}})
	if want := (wire.JobFile{Name: "a file", Size: int64(len(content)), Checksum: sumOf(content)}); got.ErrCode != 0 || got.File == nil || *got.File != want {
		t.Errorf("got %+v, file %+v", got, got.File)
	}
	upload := agenttest.Receive(t, server.Uploads)
	if string(upload.Body) != content || upload.Err != nil || upload.ContentType != "application/octet-stream" || upload.Job != got.ID {
		t.Errorf("uploaded %d bytes as %s for %s: %v", len(upload.Body), upload.ContentType, upload.Job, upload.Err)
	}
}

func TestFetchADirectory(t *testing.T) {
	r, server := transferRig(t)
	dir := filepath.Join(t.TempDir(), "conf.d")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sub", "x.conf"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := r.do(wire.Job{Action: wire.ActionFetch, Fetch: &wire.Fetch{Path: dir}})
	upload := agenttest.Receive(t, server.Uploads)
	if got.ErrCode != 0 || got.File.Name != "conf.d.tar.gz" || got.File.Size != int64(len(upload.Body)) || got.File.Checksum != sumOf(string(upload.Body)) || upload.ContentType != "application/gzip" {
		t.Fatalf("got %+v, file %+v", got, got.File)
	}
	packed := filepath.Join(t.TempDir(), "packed")
	if err := os.WriteFile(packed, upload.Body, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	to := t.TempDir()
	if err := archive.Unpack(t.Context(), f, to); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(to, "conf.d", "sub", "x.conf")); string(text) != "x" {
		t.Errorf("it holds %q", text)
	}
}

func TestFetchRefuses(t *testing.T) {
	r, server := transferRig(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := agenttest.Pipe(filepath.Join(dir, "pipe")); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	many := filepath.Join(dir, "many")
	if err := os.Mkdir(many, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(many, "noise"), noise, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		fetch *wire.Fetch
		want  int
	}{
		"no fetch":              {nil, wire.ErrCodeBadJob},
		"a relative path":       {&wire.Fetch{Path: "file"}, wire.ErrCodeBadJob},
		"a path with ..":        {&wire.Fetch{Path: dir + "/x/../file"}, wire.ErrCodeBadJob},
		"a negative limit":      {&wire.Fetch{Path: path, Most: -1}, wire.ErrCodeBadJob},
		"a pipe":                {&wire.Fetch{Path: filepath.Join(dir, "pipe")}, wire.ErrCodeBadJob},
		"a device":              {&wire.Fetch{Path: "/dev/zero"}, wire.ErrCodeBadJob},
		"what is not there":     {&wire.Fetch{Path: path + "x"}, wire.ErrCodeFailed},
		"too large a file":      {&wire.Fetch{Path: path, Most: 99_999}, wire.ErrCodeTooLarge},
		"too large a directory": {&wire.Fetch{Path: many, Most: 100}, wire.ErrCodeTooLarge},
	} {
		if got := r.do(wire.Job{Action: wire.ActionFetch, Fetch: test.fetch}); got.ErrCode != test.want {
			t.Errorf("%s: got %+v, want errcode %d", name, got, test.want)
		}
	}
	for len(server.Uploads) > 0 {
		if upload := <-server.Uploads; upload.Err == nil {
			t.Errorf("the server takes %d bytes for a whole file", len(upload.Body))
		}
	}
}

func TestFetchOfAFileThatGrows(t *testing.T) {
	r, server := transferRig(t)
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, make([]byte, 64<<20), 0o600); err != nil { // more than is on its way at any time
		t.Fatal(err)
	}
	server.OnUpload = func() {
		if err := os.Truncate(path, 64<<20+1); err != nil {
			t.Error(err)
		}
	}
	got := r.do(wire.Job{Action: wire.ActionFetch, Fetch: &wire.Fetch{Path: path}})
	if got.ErrCode != wire.ErrCodeFailed || !strings.Contains(got.Message, "changed while it was read") {
		t.Errorf("got %+v", got)
	}
	if upload := agenttest.Receive(t, server.Uploads); upload.Err == nil {
		t.Error("the server takes it for a whole file")
	}
}
