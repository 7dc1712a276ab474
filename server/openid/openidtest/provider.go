// Package openidtest runs a real OpenID Connect provider, for tests.
package openidtest

import (
	"context"
	"encoding/pem"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// What is registered at the provider.
const (
	ClientID = "hostler"
	Secret   = "a secret of the client"
	Password = "verysecure"
	Alice    = "alice"
	Bob      = "bob"
)

// Provider is a running provider. It speaks TLS with a certificate that only CA vouches for.
type Provider struct {
	*storage.Storage
	Issuer string
	CA     []byte
	Groups map[string][]string // by user; told by the userinfo endpoint alone
	Down   atomic.Bool         // it answers nothing that is of use

	server *httptest.Server
}

// users are those that the provider knows.
type users map[string]*storage.User

func (u users) GetUserByID(id string) *storage.User         { return u[id] }
func (u users) GetUserByUsername(name string) *storage.User { return u[name] }
func (u users) ExampleClientID() string                     { return storage.ServiceUserID }

// Start starts a provider that sends browsers back to redirect.
func Start(t testing.TB, redirect string) *Provider {
	t.Helper()
	p := &Provider{Groups: map[string][]string{}}
	people := users{}
	for _, name := range []string{Alice, Bob} {
		people[name] = &storage.User{ID: name, Username: name, Password: Password, FirstName: name, Email: name + "@example.test"}
	}
	p.Storage = storage.NewStorageWithClients(people, map[string]*storage.Client{ClientID: storage.WebClient(ClientID, Secret, redirect)})
	var handler http.Handler
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.Down.Load() {
			http.Error(w, "out of order", http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	p.Issuer = "https://" + p.server.Listener.Addr().String()
	handler = exampleop.SetupServer(p.Issuer, p, slog.New(slog.DiscardHandler), false) // the example logs by the process's own logger
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	p.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	return p
}

// SetUserinfoFromToken answers the userinfo endpoint.
func (p *Provider) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	err := p.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin)
	if groups, ok := p.Groups[subject]; ok && err == nil {
		info.AppendClaims("groups", groups)
	}
	return err
}

var requestField = regexp.MustCompile(`name="id" value="([^"]+)"`)

// LogIn does what a person does at the provider: from the address that a login leads to, to the address that the browser is sent back to.
func (p *Provider) LogIn(t testing.TB, address, name string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Transport: p.server.Client().Transport, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), p.Issuer) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	_, form := do(t, browser, http.MethodGet, address, nil)
	field := requestField.FindStringSubmatch(form)
	if field == nil {
		t.Fatalf("%s answered %s", address, form)
	}
	fields := url.Values{"username": {name}, "password": {Password}, "id": {html.UnescapeString(field[1])}}
	back, body := do(t, browser, http.MethodPost, p.Issuer+"/login/username", fields)
	if back == "" {
		t.Fatalf("the provider answered the login with %s", body)
	}
	return back
}

// do sends a form, and returns where the answer leads and what it says.
func do(t testing.TB, browser *http.Client, method, address string, form url.Values) (location, page string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return answer.Header.Get("Location"), string(body)
}
