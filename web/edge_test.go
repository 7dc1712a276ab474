package web

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/server/job"
)

// TestAttackAgentCallsTheOperatorAPI has a host use its certificate where people and programs work.
func TestAttackAgentCallsTheOperatorAPI(t *testing.T) {
	s := newServer(t)
	s.setUp()
	client, _ := s.register("node1.lab.test")
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	asked := false
	pages := listenTLS(s.web.Public(), s.secured.TLS.Clone()) // even where the pages ask for certificates
	defer pages.Close()
	for _, r := range routes {
		if r.on != public || r.may == everyone || r.may == local {
			continue
		}
		asked = true
		header := map[string]string{"Content-Type": "application/json"}
		if got := send(t, client, r.method, pages.URL+concrete(r), strings.NewReader("{}"), header); !refusedBecauseOfWho(got) {
			t.Errorf("%s %s answered a host with %d", r.method, r.path, got.status)
		}
		got := send(t, client, r.method, s.secured.URL+concrete(r), strings.NewReader("{}"), header)
		if got.status != http.StatusNotFound {
			t.Errorf("%s %s of the pages is served to hosts with %d", r.method, r.path, got.status)
		}
	}
	if !asked {
		t.Error("nothing was asked for")
	}
}

// TestAttackOperatorCallsTheAgentAPI has an administrator's session and token used where hosts report.
func TestAttackOperatorCallsTheAgentAPI(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	s.register("node1.lab.test")
	nobody := s.hostClient(nil)
	nobody.Jar = must[*cookiejar.Jar](t)(cookiejar.New(nil))
	nobody.Jar.SetCookies(must[*url.URL](t)(url.Parse(s.secured.URL)), []*http.Cookie{{Name: sessionCookie, Value: b.cookie(sessionCookie)}})
	for _, r := range routes {
		if r.on != secured {
			continue
		}
		q := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), r.method, s.secured.URL+concrete(r), strings.NewReader("{}")))
		q.Header.Set("Authorization", "Bearer "+s.token)
		if got, err := nobody.Do(q); err == nil {
			_ = got.Body.Close()
			t.Errorf("%s %s answered an administrator without a certificate with %d", r.method, r.path, got.StatusCode)
		}
		for _, on := range []string{s.public.URL, s.handshake.URL} {
			got := send(t, s.hostClient(nil), r.method, on+concrete(r), strings.NewReader("{}"), map[string]string{"Authorization": "Bearer " + s.token})
			if got.status != http.StatusNotFound {
				t.Errorf("%s %s is served by another port with %d", r.method, r.path, got.status)
			}
		}
	}
}

// TestAttackOpenRedirect asks to be sent elsewhere, after a login and by every form that says where to go on.
func TestAttackOpenRedirect(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	s.api(post, api+"/users", `{"name":"bob","password":"`+testPassword+`","role":"operator"}`)
	for _, next := range []string{"https://evil.example/", "//evil.example/", `/\evil.example/`, "/\t/evil.example/", "javascript:alert(1)", "http:evil.example"} {
		elsewhere := func(r reply) bool {
			u, err := url.Parse(r.location())
			return err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(r.location(), "//") || strings.Contains(r.location(), `\`)
		}
		if r := s.browser().post("/login", url.Values{"name": {"bob"}, "password": {testPassword}, "next": {next}}); r.status != http.StatusSeeOther || elsewhere(r) {
			t.Errorf("a login led to %q with %d", r.location(), r.status)
		}
		if r := b.get("/login?next=" + url.QueryEscape(next)); r.status != http.StatusSeeOther || elsewhere(r) {
			t.Errorf("the login page led to %q with %d", r.location(), r.status)
		}
		for _, r := range routes {
			if r.on != public || r.method != post || strings.HasPrefix(r.path, api) || r.path == "/logout" || strings.HasSuffix(r.path, "/end-other-sessions") {
				continue
			}
			if got := b.post(concrete(r), url.Values{"next": {next}}); got.status == http.StatusSeeOther && elsewhere(got) {
				t.Errorf("%s led to %q", r.path, got.location())
			}
		}
	}
}

// TestAttackServerAsProxy names an address of this machine wherever somebody can name one: the server itself must not go
// there. Packages and archives are fetched by hosts.
func TestAttackServerAsProxy(t *testing.T) {
	s := newServer(t)
	client, _ := s.register("node1.lab.test")
	s.beat(client, "node1.lab.test")
	visited := make(chan string, 100)
	inside := httptest.NewUnstartedServer(http.NotFoundHandler())
	inside.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			visited <- c.RemoteAddr().String()
		}
	}
	inside.Start()
	defer inside.Close()
	targets := map[string]any{"hosts": "node1.lab.test"}
	for _, path := range []string{"install", "upgrade"} {
		body := map[string]any{"targets": targets, "name": "Other", "url": inside.URL + "/a.tar.gz", "checksum": "SHA256:" + strings.Repeat("0a", 32), "version": "1"}
		if r := s.api(post, api+"/child-agents/"+path, toJSON(t, body)); r.status != http.StatusCreated {
			t.Fatalf("%s answered %d %s", path, r.status, r.body)
		}
	}
	s.awaitDelivery(client, "node1.lab.test", "Other") // the server has done all that it does with the address
	// The one request that is known to come ends the watch: what came before it was the server's.
	r := must[*http.Response](t)(http.Get(inside.URL))
	_ = r.Body.Close()
	<-visited
	if len(visited) > 0 {
		t.Errorf("the server fetched what it was given: %s", <-visited)
	}
}

// awaitDelivery beats until the host is given a job for a child agent.
func (s *server) awaitDelivery(client *http.Client, host, child string) {
	s.t.Helper()
	waits := make(chan struct{}, 1)
	cancel := must[func()](s.t)(s.bus.Subscribe(job.WakeTopic+".>", func(string, []byte) {
		select {
		case waits <- struct{}{}:
		default:
		}
	}))
	defer cancel()
	for range 100 {
		for _, j := range s.beat(client, host).Jobs {
			if j.Name == child {
				return
			}
		}
		select {
		case <-waits:
		case <-s.t.Context().Done():
			return
		}
	}
	s.t.Fatal("the job did not come")
}

// TestAttackEndlessBody sends more than anything needs to whatever takes a body, as nobody, as program and as host.
func TestAttackEndlessBody(t *testing.T) {
	s := newServer(t)
	s.setUp()
	host, _ := s.register("node1.lab.test")
	bounded := 0
	for _, r := range routes {
		if r.method != post || r.path == pathFiles || r.path == pathPackages || r.path == pathImport || r.path == pathJobFile {
			continue // those take files, which are bounded by themselves
		}
		base, client, most, header := s.public.URL, s.browser().client, maxJSON, map[string]string{"Content-Type": "application/json", "Authorization": "Bearer " + s.token}
		switch {
		case r.on == secured:
			base, client, most = s.secured.URL, host, maxBody
		case r.on == handshake:
			base, client, most = s.handshake.URL, s.hostClient(nil), maxBody
		case r.may == user || r.may == everyone:
			most, header = maxBody, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
		}
		q := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), post, base+concrete(r), &endless{left: most + 64<<10}))
		for k, v := range header {
			q.Header.Set(k, v)
		}
		got, err := client.Do(q)
		if err != nil {
			continue // it hung up, which is as good
		}
		b := must[[]byte](t)(io.ReadAll(io.LimitReader(got.Body, 1<<20)))
		_ = got.Body.Close()
		switch got.StatusCode {
		case http.StatusRequestEntityTooLarge:
			bounded++
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusSeeOther: // refused before it was read
		default:
			t.Errorf("%s %s took it: %d %.100s", r.method, r.path, got.StatusCode, b)
		}
	}
	if bounded < 30 {
		t.Errorf("only %d said that it was too much", bounded)
	}
}

// endless is a text that does not end soon and has no length.
type endless struct{ left int }

var letters = strings.Repeat("a", 64<<10) // copied at once: the race detector looks at each byte that is written alone

func (e *endless) Read(b []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), e.left)], letters)
	e.left -= n
	return n, nil
}

// TestAttackVersionBanner looks whether anything tells nobody which version the server has.
func TestAttackVersionBanner(t *testing.T) {
	s := newServer(t)
	s.setUp()
	for _, r := range routes {
		if r.on == secured || r.path == "/live" {
			continue
		}
		base, client := s.public.URL, s.browser().client
		if r.on == handshake {
			base, client = s.handshake.URL, s.hostClient(nil)
		}
		got := send(t, client, r.method, base+concrete(r), strings.NewReader("{}"), map[string]string{"X-Forwarded-For": "192.0.2.1", "Content-Type": "application/json"})
		if all := fmt.Sprint(got.header, got.body); strings.Contains(all, "9.9.9-test") || got.header.Get("Server") != "" || strings.Contains(all, "X-Powered-By") {
			t.Errorf("%s %s tells nobody the version: %v", r.method, r.path, got.header)
		}
	}
	var ping wire.PingReply
	send(t, s.hostClient(nil), get, s.handshake.URL+wire.PathPing, nil, nil).json(t, &ping)
	if ping.Product != "hostler" {
		t.Errorf("the ping is %+v", ping)
	}
}
