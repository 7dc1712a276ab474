package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hostler/repo/apt"
)

// faraway is an upstream whose packages are promised.
type faraway struct {
	mu    sync.Mutex
	files map[string][]byte // by path
	asked int
	gate  chan struct{} // if not nil, the second half of a file comes when it is closed
}

func (u *faraway) fetch(ctx context.Context, p *Package) (io.ReadCloser, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked++
	data, gate := u.files[p.Origin.Path], u.gate
	if data == nil {
		return nil, errors.New("the upstream is away")
	}
	if gate == nil {
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	half := len(data) / 2
	return io.NopCloser(io.MultiReader(bytes.NewReader(data[:half]), &gated{ctx, gate}, bytes.NewReader(data[half:]))), nil
}

// times is how often it was asked.
func (u *faraway) times() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.asked
}

// hold has the second half of files come when the result is closed.
func (u *faraway) hold() chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.gate = make(chan struct{})
	return u.gate
}

func (u *faraway) put(path string, data []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.files[path] = data
}

// gated reads nothing once a gate is open.
type gated struct {
	ctx  context.Context
	gate chan struct{}
}

func (g *gated) Read([]byte) (int, error) {
	select {
	case <-g.gate:
		return 0, io.EOF
	case <-g.ctx.Done():
		return 0, g.ctx.Err()
	}
}

// promise makes a channel have debs that are with an upstream, and returns the first.
func (u *faraway) promise(t *testing.T, s *Store, debs ...[]byte) *Package {
	t.Helper()
	f, err := s.Fill("ours", "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, data := range debs {
		sum := sha256.Sum256(data)
		digest := hex.EncodeToString(sum[:])
		file := filepath.Join(t.TempDir(), "deb")
		mustWrite(t, file, string(data))
		read, err := apt.Read(file, "pool/"+digest)
		if err != nil {
			t.Fatal(err)
		}
		u.put(read.Filename, data)
		err = f.Promise(t.Context(), Promised{Digest: digest, Size: read.Size, Stanza: read.Stanza(), Origin: Origin{1, "http://far.test", read.Filename}, By: "tester"})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Commit(t.Context(), "tester"); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(debs[0])
	p, err := s.Package(hex.EncodeToString(sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// supply has an upstream's packages fetched until the test ends.
func (u *faraway) supply(t *testing.T, s *Store) {
	ctx, cancel := context.WithCancel(context.Background())
	wait := s.Supply(ctx, u.fetch)
	t.Cleanup(func() { cancel(); wait() })
}

func demandRig(t *testing.T) (*Store, *faraway) {
	t.Helper()
	s, u := mustOpen(t, t.TempDir()), &faraway{files: map[string][]byte{}}
	mustCreate(t, s, "ours", Apt)
	return s, u
}

// ask asks for a package as a host does.
func ask(s *Store, p *Package, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodGet, "/repo/ours/"+p.Path(), nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	answer := httptest.NewRecorder()
	s.Handler().ServeHTTP(answer, req)
	return answer
}

// large is a deb of which a part goes out before all of it has come.
func large(t *testing.T, name string) []byte {
	noise := sha256.New()
	var content strings.Builder
	for i := range 4096 {
		_, _ = fmt.Fprint(noise, i)
		content.WriteString(hex.EncodeToString(noise.Sum(nil)))
	}
	return sample{name: name, version: "1", arch: "amd64", content: content.String()}.build(t, Apt)
}

func TestAptInstallsWhatComesOnDemand(t *testing.T) {
	needTool(t, "apt-get")
	s, u := demandRig(t)
	u.supply(t, s)
	tool := sample{name: "tool", version: "1:1.9", arch: "amd64", depends: []string{"library"}}.build(t, Apt)
	p := u.promise(t, s, tool, large(t, "library"), sample{name: "other", version: "1", arch: "amd64"}.build(t, Apt))
	f := newFront(t, s)
	apt, dir := aptRoot(t, f)
	mustWrite(t, filepath.Join(dir, "etc/apt/sources.list.d/hostler.sources"), fmt.Sprintf(
		"Types: deb\nURIs: %s/repo/ours\nSuites: stable\nComponents: main\nSigned-By: %s\n", f.URL, f.key))
	if out, err := apt("update"); err != nil || strings.Contains(out, "W:") || u.times() != 0 {
		t.Fatalf("apt-get update asked the upstream %d times: %v\n%s", u.times(), err, out)
	}
	if out, err := apt("install", "-y", "--download-only", "tool"); err != nil {
		t.Fatalf("apt-get install: %v\n%s", err, out)
	}
	if s.Absent(p.Digest) || u.times() != 2 {
		t.Errorf("the upstream was asked %d times, want 2: the third package is wanted by nobody", u.times())
	}
	if d, err := s.Detail(p.Digest); err != nil || len(d.Files) == 0 {
		t.Errorf("of what has come the files are %v, %v", d, err)
	}
	if out, err := apt("clean"); err != nil {
		t.Fatal(out)
	}
	if out, err := apt("install", "-y", "--download-only", "tool"); err != nil || u.times() != 2 {
		t.Errorf("once more, asking the upstream %d times: %v\n%s", u.times(), err, out)
	}
}

// TestManyAskOnce lets several ask for a package that is on its way: all get it, from one transfer, and see how it comes.
func TestManyAskOnce(t *testing.T) {
	s, u := demandRig(t)
	u.supply(t, s)
	data := large(t, "tool")
	p := u.promise(t, s, data)
	gate := u.hold()
	first, err := s.request(p)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.request(p); err != nil || again != first {
		t.Fatalf("a second one begins another transfer (%v)", err)
	}
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	var group sync.WaitGroup
	began := make(chan struct{}, 3)
	for range cap(began) {
		group.Go(func() {
			answer, err := http.Get(server.URL + "/repo/ours/" + p.Path())
			if err != nil {
				t.Error(err)
				began <- struct{}{}
				return
			}
			defer func() { _ = answer.Body.Close() }()
			head := make([]byte, 1000) // comes while the second half is held back
			_, err = io.ReadFull(answer.Body, head)
			began <- struct{}{}
			rest, restErr := io.ReadAll(answer.Body)
			if err := errors.Join(err, restErr); err != nil || !bytes.Equal(append(head, rest...), data) {
				t.Errorf("a host gets %d bytes: %v", len(head)+len(rest), err)
			}
		})
	}
	for range cap(began) {
		<-began
	}
	close(gate)
	group.Wait()
	if answer := ask(s, p, "Range", "bytes=0-9"); answer.Code != http.StatusPartialContent || !bytes.Equal(answer.Body.Bytes(), data[:10]) {
		t.Errorf("a part answers %d %q", answer.Code, answer.Body)
	}
	if u.times() != 1 || s.Counts().Fetched[true] != 1 {
		t.Errorf("the upstream was asked %d times: %v", u.times(), s.Counts().Fetched)
	}
}

func TestWhatIsNotWhatWasPromised(t *testing.T) {
	s, u := demandRig(t)
	data := sample{name: "tool", version: "1", arch: "amd64"}.build(t, Apt)
	p := u.promise(t, s, data)
	path := p.Origin.Path
	if answer := ask(s, p); answer.Code != http.StatusBadGateway || !strings.Contains(answer.Body.String(), "fetches nothing right now") {
		t.Errorf("before anything is fetched it answers %d %s", answer.Code, answer.Body)
	}
	u.supply(t, s)
	flipped := bytes.Clone(data)
	flipped[len(data)/2] ^= 1
	for what, wrong := range map[string]struct {
		data   []byte
		answer string
	}{
		"nothing":  {nil, "the upstream is away"},
		"short":    {data[:len(data)-1], "is not what the signed index tells"},
		"long":     {append(bytes.Clone(data), 0), "is not what the signed index tells"},
		"tampered": {flipped, "is not what the signed index tells"},
	} {
		u.put(path, wrong.data)
		answer := ask(s, p)
		if answer.Code != http.StatusBadGateway || !strings.Contains(answer.Body.String(), wrong.answer) || !s.Absent(p.Digest) {
			t.Errorf("%s: it answers %d %s", what, answer.Code, answer.Body)
		}
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, incomingDir)); err != nil || len(left) > 0 {
		t.Errorf("%v is left over (%v)", left, err)
	}
	u.put(path, data)
	if answer := ask(s, p); answer.Code != http.StatusOK || !bytes.Equal(answer.Body.Bytes(), data) || s.Absent(p.Digest) {
		t.Errorf("when the upstream is back it answers %d", answer.Code)
	}
}

// TestTamperedHalfway has an upstream send something else after a part has gone out: no host gets a whole file.
func TestTamperedHalfway(t *testing.T) {
	s, u := demandRig(t)
	u.supply(t, s)
	data := large(t, "tool")
	p := u.promise(t, s, data)
	wrong := bytes.Clone(data)
	wrong[len(data)-1] ^= 1
	u.put(p.Origin.Path, wrong)
	gate := u.hold()
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	answer, err := http.Get(server.URL + "/repo/ours/" + p.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	close(gate)
	if got, err := io.ReadAll(answer.Body); err == nil || len(got) >= len(data) || !s.Absent(p.Digest) {
		t.Errorf("a host gets %d of %d bytes, and %v", len(got), len(data), err)
	}
}

// TestPromisesOutliveTheServer keeps what is promised, and what has come, over starts, and clears what was under way.
func TestPromisesOutliveTheServer(t *testing.T) {
	s, u := demandRig(t)
	tool, other := sample{name: "tool", version: "1", arch: "amd64"}.build(t, Apt), sample{name: "other", version: "1", arch: "amd64"}.build(t, Apt)
	p := u.promise(t, s, tool, other)
	ctx, cancel := context.WithCancel(t.Context())
	wait := s.Supply(ctx, u.fetch)
	if err := s.Bring(t.Context(), p.Digest); err != nil {
		t.Fatal(err)
	}
	u.hold() // nobody opens it: the end of the server ends the transfer
	c, err := s.Channel("ours", "")
	if err != nil {
		t.Fatal(err)
	}
	there, err := s.Contents("ours", c.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.request(there[0]) // other
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	wait()
	<-f.done
	var absent *AbsentError
	if !errors.As(f.err, &absent) || !errors.Is(f.err, context.Canceled) {
		t.Errorf("what was under way ended with %v", f.err)
	}
	again := mustOpen(t, s.dir)
	if again.Absent(p.Digest) || !again.Absent(there[0].Digest) || namesOf(t, again, "ours", "") != "other=1 tool=1" {
		t.Errorf("after a start there is %s", namesOf(t, again, "ours", ""))
	}
	back := &faraway{files: u.files}
	back.supply(t, again)
	if answer := ask(again, there[0]); !bytes.Equal(answer.Body.Bytes(), other) {
		t.Errorf("after a start it answers %d", answer.Code)
	}
}

// TestWhatWasPromisedComesAnotherWay uploads a package that is promised, and exports others, which fetches them.
func TestWhatWasPromisedComesAnotherWay(t *testing.T) {
	s, u := demandRig(t)
	u.supply(t, s)
	tool, other := sample{name: "tool", version: "1", arch: "amd64"}.build(t, Apt), sample{name: "other", version: "1", arch: "amd64"}.build(t, Apt)
	p := u.promise(t, s, tool, other)
	f, err := s.Fill("ours", "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if has, err := f.Has(t.Context(), p.Digest, nil); has || err != nil {
		t.Errorf("a mirror that fetches at once takes it for fetched (%v)", err)
	}
	if err := f.Take(t.Context(), Upload{Name: "tool.deb", Content: bytes.NewReader(tool), By: "tester"}); err != nil || s.Absent(p.Digest) || u.times() != 0 {
		t.Errorf("what was uploaded is absent: %v", err)
	}
	c, err := s.Channel("ours", "")
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Export("ours", c.Snapshot, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Gather(t.Context()); err != nil || u.times() != 1 {
		t.Fatalf("gathering asked %d times: %v", u.times(), err)
	}
	var out bytes.Buffer
	if err := b.Write(t.Context(), &out); err != nil || int64(out.Len()) != b.Size {
		t.Errorf("the bundle has %d of %d bytes: %v", out.Len(), b.Size, err)
	}
}

func TestSweepRemovesWhatIsPromised(t *testing.T) {
	s, u := demandRig(t)
	u.supply(t, s)
	p := u.promise(t, s, sample{name: "tool", version: "1", arch: "amd64"}.build(t, Apt))
	if err := s.Remove("ours"); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Package(p.Digest); !errors.Is(err, ErrNotFound) || s.Absent(p.Digest) {
		t.Errorf("what nobody wants is still there: %v", err)
	}
	mustCreate(t, s, "rpms", Yum)
	f, err := s.Fill("rpms", "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var refused *RefusedError
	if err := f.Promise(t.Context(), Promised{}); !errors.As(err, &refused) {
		t.Errorf("an rpm can be promised: %v", err)
	}
}
