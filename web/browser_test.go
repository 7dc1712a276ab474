package web

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/bearer"
	"hostler/server/account"
)

// setUp makes an administrator and a browser with a session. Passwords are hashed in the tests that are about them.
func (s *server) setUp() *browser {
	s.t.Helper()
	return s.person(testUser, account.RoleAdministrator)
}

// person makes somebody with a role and a browser with a session.
func (s *server) person(name, role string) *browser {
	s.t.Helper()
	if err := s.db.CreateUser(s.t.Context(), &db.User{Name: name, Role: role}); err != nil {
		s.t.Fatal(err)
	}
	return s.sessionOf(name)
}

// path is the page of somebody.
func (b *browser) path(name string) string {
	b.s.t.Helper()
	return userPath(must[*db.User](b.s.t)(b.s.db.UserByName(b.s.t.Context(), name)))
}

// session is another browser in which the administrator is logged in.
func (s *server) session() *browser { return s.sessionOf(testUser) }

func (s *server) sessionOf(name string) *browser {
	s.t.Helper()
	u := must[*db.User](s.t)(s.db.UserByName(s.t.Context(), name))
	secret, now := bearer.New(), db.Now()
	err := s.db.CreateSession(s.t.Context(), &db.Session{
		Hash: bearer.Hash(secret), UserID: u.ID, CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	b := s.browser()
	b.client.Jar.SetCookies(must[*url.URL](s.t)(url.Parse(s.public.URL)), []*http.Cookie{{Name: sessionCookie, Value: secret, Path: "/"}})
	return b
}

// browser keeps cookies, follows no redirect, and sends what browsers send.
type browser struct {
	s      *server
	client *http.Client
}

func (s *server) browser() *browser {
	jar := must[*cookiejar.Jar](s.t)(cookiejar.New(nil))
	return &browser{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) location() string { return r.header.Get("Location") }

// json decodes the body.
func (r reply) json(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("cannot decode %q: %v", r.body, err)
	}
}

func (r reply) failure(t testing.TB) wire.Error {
	t.Helper()
	var e wire.ErrorReply
	r.json(t, &e)
	return e.Error
}

func send(t testing.TB, client *http.Client, method, target string, body io.Reader, header map[string]string) reply {
	t.Helper()
	q := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, target, body))
	for k, v := range header {
		q.Header.Set(k, v)
	}
	r, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b := must[[]byte](t)(io.ReadAll(r.Body))
	return reply{r.StatusCode, r.Header, string(b)}
}

func (b *browser) get(path string) reply {
	b.s.t.Helper()
	return send(b.s.t, b.client, http.MethodGet, b.s.public.URL+path, nil, nil)
}

// post sends a form as a page's own form does.
func (b *browser) post(path string, form url.Values) reply {
	b.s.t.Helper()
	form = cloneForm(form)
	if csrf := b.csrf(); csrf != "" {
		form.Set("csrf", csrf)
	}
	return send(b.s.t, b.client, http.MethodPost, b.s.public.URL+path, strings.NewReader(form.Encode()),
		map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": b.s.public.URL})
}

func cloneForm(form url.Values) url.Values {
	out := url.Values{}
	for k, v := range form {
		out[k] = v
	}
	return out
}

// upload sends a form with files as a page's script does.
func (b *browser) upload(path string, form url.Values, accept string) reply {
	b.s.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	form = cloneForm(form)
	form.Set("csrf", b.csrf())
	for name, values := range form {
		for _, v := range values {
			part := must[io.Writer](b.s.t)(w.CreateFormField(name))
			switch name {
			case "key_file":
				part = must[io.Writer](b.s.t)(w.CreateFormFile(name, "id_ed25519"))
			case "file":
				part = must[io.Writer](b.s.t)(w.CreateFormFile(name, `C:\files\motd`))
			}
			_ = must[int](b.s.t)(io.WriteString(part, v))
		}
	}
	if err := w.Close(); err != nil {
		b.s.t.Fatal(err)
	}
	return send(b.s.t, b.client, http.MethodPost, b.s.public.URL+path, &body,
		map[string]string{"Content-Type": w.FormDataContentType(), "Origin": b.s.public.URL, "Accept": accept})
}

// save sends a draft as a wizard's page does while somebody types.
func (b *browser) save(path, draft string) reply {
	b.s.t.Helper()
	return send(b.s.t, b.client, http.MethodPost, b.s.public.URL+path+"/save", strings.NewReader(draft), map[string]string{
		"Content-Type": "application/json", "Accept": "application/json", "X-CSRF-Token": b.csrf(), "Sec-Fetch-Site": "same-origin",
	})
}

// csrf is the token that the pages of this session carry.
func (b *browser) csrf() string {
	return csrfToken(b.cookie(sessionCookie))
}

func (b *browser) cookie(name string) string {
	u := must[*url.URL](b.s.t)(url.Parse(b.s.public.URL))
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

var versionField = regexp.MustCompile(`name="version" value="(\d+)"`)

// newDraft starts a wizard and returns its path.
func (b *browser) newDraft(cluster string) string {
	b.s.t.Helper()
	path := strings.TrimSuffix(b.post("/wizards", nil).location(), "/start")
	r := b.post(path+"/start", url.Values{"cluster": {cluster}, "version": {b.version(path + "/start")}})
	if r.status != http.StatusSeeOther || r.location() != path+"/versions" {
		b.s.t.Fatalf("the first step answered %d %s: %s", r.status, r.location(), r.body)
	}
	r = b.post(path+"/versions", url.Values{"family": {"debian", "rhel", "suse", "other"}, "version": {b.version(path + "/versions")}})
	if r.status != http.StatusSeeOther || r.location() != path+"/hosts" {
		b.s.t.Fatalf("the second step answered %d %s: %s", r.status, r.location(), r.body)
	}
	return path
}

// version is the hidden field of a wizard's page.
func (b *browser) version(path string) string {
	b.s.t.Helper()
	m := versionField.FindStringSubmatch(b.get(path).body)
	if m == nil {
		b.s.t.Fatalf("%s has no version", path)
	}
	return m[1]
}

func idText(id int64) string { return strconv.FormatInt(id, 10) }
