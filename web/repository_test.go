package web

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/repo"
	"hostler/server/event"
)

// archiveOf is a tar.gz with one file.
func archiveOf(t testing.TB, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	err := w.WriteHeader(&tar.Header{Name: "bin/tool", Mode: 0o755, Size: int64(len(text))})
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err := errors.Join(err, w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// addPackage puts an archive into a repository of archives, which is made when it is not there.
func (s *server) addPackage(repository, file string) *repo.Package {
	s.t.Helper()
	if _, err := s.web.Repo.Repository(repository); errors.Is(err, repo.ErrNotFound) {
		if err := s.web.Repo.Create(repo.Definition{Name: repository, Kind: repo.Archive}, nil); err != nil {
			s.t.Fatal(err)
		}
	}
	got := must[*repo.Received](s.t)(s.web.Repo.Receive(s.t.Context(), repository, repo.Upload{Name: file, Content: bytes.NewReader(archiveOf(s.t, file))}))
	result := must[*repo.Result](s.t)(s.web.Repo.Commit(s.t.Context(), repository, "", []*repo.Received{got}, "tester"))
	return result.Files[0].Package
}

// formWith is a body of fields, names and values in turn, and then files, likewise.
func formWith(t testing.TB, fields []string, files ...string) (body io.Reader, contentType string) {
	t.Helper()
	var out bytes.Buffer
	form := multipart.NewWriter(&out)
	for i := 0; i < len(fields); i += 2 {
		if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(files); i += 2 {
		part := must[io.Writer](t)(form.CreateFormFile("file", files[i]))
		if _, err := io.WriteString(part, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return &out, form.FormDataContentType()
}

// uploadPackages sends files as a program does.
func (s *server) uploadPackages(path string, fields []string, files ...string) reply {
	s.t.Helper()
	body, contentType := formWith(s.t, fields, files...)
	return send(s.t, http.DefaultClient, post, s.public.URL+path, body, map[string]string{"Authorization": "Bearer " + s.token, "Content-Type": contentType})
}

func TestRepositoryOfAProgram(t *testing.T) {
	s := newServer(t)
	const tools = api + "/repositories/tools"
	if r := s.api(post, api+"/repositories", `{"name":"tools","kind":"archive","channels":["dev","production"]}`); r.status != http.StatusCreated {
		t.Fatalf("making a repository answered %d %s", r.status, r.body)
	}
	first, second := string(archiveOf(t, "first")), string(archiveOf(t, "second"))
	r := s.uploadPackages(tools+"/packages", []string{"arch", "amd64"}, "tool-1.0.tar.gz", first, "broken-1.0.tar.gz", first[:50], "tool-1.1.tar.gz", second)
	var result repo.Result
	r.json(t, &result)
	if r.status != http.StatusOK || result.Added != 2 || result.Channel != "dev" || result.Files[1].State != repo.Refused || result.Files[0].Package.Arch != "amd64" {
		t.Fatalf("the upload answered %d %+v", r.status, result)
	}
	if r := s.api(post, tools+"/promote", `{"channel":"production","from":"dev"}`); r.status != http.StatusOK {
		t.Errorf("promoting answered %d %s", r.status, r.body)
	}
	host := s.hostClient(nil)
	if got := send(t, host, get, s.handshake.URL+wire.PathRepo+"tools/production/tool-1.1.tar.gz", nil, nil); got.body != second {
		t.Errorf("a host gets %d and %d bytes", got.status, len(got.body))
	}
	var page packagesReply
	s.api(get, tools+"/packages?channel=production&search=TOOL&limit=1", "").json(t, &page)
	if len(page.Items) != 1 || page.Items[0].Version != "1.1" || page.Items[0].Requests != 1 || page.Next == "" {
		t.Errorf("the first page is %+v", page)
	}
	s.api(get, tools+"/packages?channel=production&limit=1&after="+page.Next, "").json(t, &page)
	if len(page.Items) != 1 || page.Items[0].Version != "1.0" || page.Next != "" {
		t.Errorf("the second page is %+v", page)
	}
	if r := s.api(post, tools+"/rollback", `{"channel":"production","snapshot":2}`); r.status != http.StatusOK || !strings.Contains(r.body, `"snapshot":1`) {
		t.Errorf("rolling back answered %d %s", r.status, r.body)
	}
	if r := s.api(post, tools+"/rollback", `{"channel":"production","snapshot":2}`); r.failure(t).Code != "stale" {
		t.Errorf("the second click answered %d %s", r.status, r.body)
	}
	for _, c := range []struct{ method, path, body, code, field string }{
		{post, "/promote", `{"channel":"prodction","from":"dev"}`, "invalid", "channel"},
		{post, "/promote", `{"channel":"production","from":"deev"}`, "invalid", "from"},
		{get, "s/packages/" + result.Files[0].Package.Digest, "", "not_found", ""}, // of a repository "toolss"
		{get, "/packages/" + strings.Repeat("0", 64), "", "not_found", ""},
	} {
		if f := s.api(c.method, tools+c.path, c.body).failure(t); f.Code != c.code || c.field != "" && f.Fields[c.field] == "" {
			t.Errorf("%s %s answered %+v, want %s", c.path, c.body, f, c.code)
		}
	}
	if r := s.api(post, tools+"/promote", `{"channel":"new","from":"dev","create":true}`); r.status != http.StatusOK {
		t.Errorf("promoting to a new channel answered %d %s", r.status, r.body)
	}
	if r := s.api(get, tools+"/packages/"+result.Files[0].Package.Digest, ""); r.status != http.StatusOK {
		t.Errorf("a package of it answered %d %s", r.status, r.body)
	}
	for _, again := range []string{`"architectures":["amd64","amd64"]`, `"channels":["dev","dev"]`} {
		if r := s.api(post, api+"/repositories", `{"name":"twice","kind":"archive",`+again+`}`); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s answered %d %s", again, r.status, r.body)
		}
	}
	if r := s.api(post, tools+"/promote", `{"channel":"production","snapshot":99}`); r.failure(t).Fields["snapshot"] == "" {
		t.Errorf("an unknown snapshot answered %s", r.body)
	}
	if r := s.api(get, "/metrics", ""); !strings.Contains(r.body, `hostler_package_requests_total{kind="archive",package="tool"} 1`) ||
		!strings.Contains(r.body, `hostler_repository_publications_total{repository="tools"} 6`) || !strings.Contains(r.body, `hostler_repository_uploaded_bytes_total{repository="tools"}`) {
		t.Error("the metrics do not tell of it")
	}
	kinds := map[string]bool{}
	for _, e := range must[[]db.Event](t)(s.db.Events(t.Context(), db.EventQuery{Limit: 100})) {
		kinds[e.Kind] = true
	}
	for _, want := range []string{event.RepositoryCreated, event.PackagesAdded, event.RepositoryPromoted, event.RepositoryRolledBack} {
		if !kinds[want] {
			t.Errorf("there is no event %s", want)
		}
	}
	if r := s.api(post, tools+"/remove", ""); r.status != http.StatusNoContent {
		t.Errorf("removing it answered %d %s", r.status, r.body)
	}
	if r := s.api(get, tools, ""); r.status != http.StatusNotFound {
		t.Errorf("afterwards it answers %d", r.status)
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	s := newServer(t)
	s.addPackage("tools", "tool-1.0.tar.gz")
	const path = api + "/repositories/tools/packages"
	for name, c := range map[string]struct {
		path   string
		body   string
		kind   string
		status int
	}{
		"no form":               {path, "{}", "application/json", http.StatusUnsupportedMediaType},
		"no boundary":           {path, "x", "multipart/form-data", http.StatusBadRequest},
		"cut off":               {path, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.deb\"\r\n\r\nhalf", "multipart/form-data; boundary=b", http.StatusBadRequest},
		"no file":               {path, "--b--\r\n", "multipart/form-data; boundary=b", http.StatusUnprocessableEntity},
		"an unknown field":      {path, "--b\r\nContent-Disposition: form-data; name=\"chanel\"\r\n\r\ndev\r\n--b--\r\n", "multipart/form-data; boundary=b", http.StatusBadRequest},
		"an unknown channel":    {path + "?channel=none", "--b--\r\n", "multipart/form-data; boundary=b", http.StatusUnprocessableEntity},
		"an unknown repository": {api + "/repositories/none/packages", "--b--\r\n", "multipart/form-data; boundary=b", http.StatusNotFound},
	} {
		r := send(t, http.DefaultClient, post, s.public.URL+c.path, strings.NewReader(c.body), map[string]string{"Authorization": "Bearer " + s.token, "Content-Type": c.kind})
		if r.status != c.status {
			t.Errorf("%s: answered %d %s, want %d", name, r.status, r.body, c.status)
		}
	}
	if listed := must[[]repo.Listed](t)(s.web.Repo.Snapshots("tools")); len(listed) != 2 {
		t.Errorf("they made snapshots: %+v", listed)
	}
}

// A session is proved before a file is taken: by the header, or by the first part.
func TestUploadsProveTheirSession(t *testing.T) {
	s := newServer(t)
	s.addPackage("tools", "tool-1.0.tar.gz")
	b := s.setUp()
	const path = api + "/repositories/tools/packages"
	content := string(archiveOf(t, "by a person"))
	for name, c := range map[string]struct {
		fields []string
		header string
		status int
	}{
		"a first part":     {[]string{"csrf", b.csrf()}, "", http.StatusOK},
		"a header":         {nil, b.csrf(), http.StatusOK},
		"nothing":          {nil, "", http.StatusForbidden},
		"a wrong part":     {[]string{"csrf", "wrong"}, "", http.StatusForbidden},
		"a later part":     {[]string{"arch", "amd64", "csrf", b.csrf()}, "", http.StatusForbidden},
		"an endless part":  {[]string{"csrf", strings.Repeat("x", maxField+1)}, "", http.StatusBadRequest},
		"a wrong header":   {[]string{"csrf", b.csrf()}, "wrong", http.StatusForbidden},
		"the wrong origin": {[]string{"csrf", b.csrf()}, "cross-site", http.StatusForbidden},
	} {
		body, contentType := formWith(t, c.fields, "tool-2.0.tar.gz", content)
		header := map[string]string{"Content-Type": contentType, "Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
		if c.header == "cross-site" {
			header["Sec-Fetch-Site"] = c.header
		} else if c.header != "" {
			header["X-CSRF-Token"] = c.header
		}
		if r := send(t, b.client, post, s.public.URL+path, body, header); r.status != c.status {
			t.Errorf("%s: answered %d %s, want %d", name, r.status, r.body, c.status)
		}
	}
}
