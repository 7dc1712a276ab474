package openid_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"testing"
	"time"

	"hostler/server/openid"
	"hostler/server/openid/openidtest"
)

const redirect = "http://hostler.test/login/provider/callback"

// newClient is a client of a provider that runs.
func newClient(t *testing.T, p *openidtest.Provider, change func(*openid.Options)) *openid.Provider {
	t.Helper()
	o := openid.Options{
		Issuer: p.Issuer, ClientID: openidtest.ClientID, Secret: openidtest.Secret, Redirect: redirect, Scopes: []string{"profile"},
		NameClaim: "preferred_username", RoleClaim: "groups", CA: p.CA, Now: time.Now,
		Roles: []openid.Rule{{Value: "admins", Role: "administrator"}, {Value: "ops", Role: "operator"}},
	}
	if change != nil {
		change(&o)
	}
	client, err := openid.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// begin begins a login and returns what the browser keeps and what it is sent back with.
func begin(t *testing.T, p *openidtest.Provider, client *openid.Provider, name string) (openid.Flow, url.Values) {
	t.Helper()
	address, flow, err := client.Begin(t.Context(), "/hosts")
	if err != nil {
		t.Fatal(err)
	}
	back, err := url.Parse(p.LogIn(t, address, name))
	if err != nil {
		t.Fatal(err)
	}
	return flow, back.Query()
}

func TestWhoSomebodyIs(t *testing.T) {
	p := openidtest.Start(t, redirect)
	p.Groups[openidtest.Alice] = []string{"staff", "ops", "admins"}
	client := newClient(t, p, nil)
	for name, role := range map[string]string{openidtest.Alice: "administrator", openidtest.Bob: ""} {
		flow, answer := begin(t, p, client, name)
		if flow.Next != "/hosts" {
			t.Errorf("the flow is %+v", flow)
		}
		who, err := client.Finish(t.Context(), flow, answer)
		if want := (openid.Person{Issuer: p.Issuer, Subject: name, Name: name, Role: role}); err != nil || who != want {
			t.Errorf("got %+v, %v, want %+v", who, err, want)
		}
	}
}

func TestAttackForeignAnswers(t *testing.T) {
	p := openidtest.Start(t, redirect)
	client := newClient(t, p, nil)
	own, answer := begin(t, p, client, openidtest.Alice)
	other, stolen := begin(t, p, client, openidtest.Bob)
	for name, c := range map[string]struct {
		flow   openid.Flow
		answer url.Values
		want   error
	}{
		"no login was begun":           {openid.Flow{}, url.Values{"code": answer["code"], "state": {""}}, openid.ErrFlow},
		"another's answer":             {own, stolen, openid.ErrFlow},
		"another's code with my state": {own, url.Values{"code": stolen["code"], "state": {own.State}}, openid.ErrRefused}, // PKCE
		"the provider refused":         {own, url.Values{"error": {"access_denied"}, "state": {own.State}}, openid.ErrRefused},
	} {
		if who, err := client.Finish(t.Context(), c.flow, c.answer); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	third, fresh := begin(t, p, client, openidtest.Alice)
	third.Nonce = other.Nonce
	if _, err := client.Finish(t.Context(), third, fresh); !errors.Is(err, openid.ErrFlow) {
		t.Errorf("a token for another login: %v", err)
	}
	if _, err := client.Finish(t.Context(), third, fresh); !errors.Is(err, openid.ErrRefused) {
		t.Errorf("a code that was used: %v", err)
	}
}

func TestProviderDown(t *testing.T) {
	p := openidtest.Start(t, redirect)
	p.Down.Store(true)
	client := newClient(t, p, nil)
	if _, _, err := client.Begin(t.Context(), "/"); !errors.Is(err, openid.ErrDown) {
		t.Errorf("the login began with %v", err)
	}
	p.Down.Store(false)
	flow, answer := begin(t, p, client, openidtest.Alice) // it is asked again
	p.Down.Store(true)
	if _, err := client.Finish(t.Context(), flow, answer); !errors.Is(err, openid.ErrDown) {
		t.Errorf("the login ended with %v", err)
	}
}

func TestProviderOfAnotherAuthority(t *testing.T) {
	p := openidtest.Start(t, redirect)
	client := newClient(t, p, func(o *openid.Options) { o.CA = nil })
	if _, _, err := client.Begin(t.Context(), "/"); !errors.Is(err, openid.ErrDown) {
		t.Errorf("a certificate that nobody vouches for was taken: %v", err)
	}
	if _, err := openid.New(openid.Options{CA: []byte("none")}); err == nil {
		t.Error("what is no certificate was taken for one")
	}
}

func TestWrongSecret(t *testing.T) {
	p := openidtest.Start(t, redirect)
	client := newClient(t, p, func(o *openid.Options) { o.Secret = "another" })
	flow, answer := begin(t, p, client, openidtest.Alice)
	if _, err := client.Finish(t.Context(), flow, answer); !errors.Is(err, openid.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestEverybodysRole(t *testing.T) {
	p := openidtest.Start(t, redirect)
	client := newClient(t, p, func(o *openid.Options) { o.Roles = append(o.Roles, openid.Rule{Value: "*", Role: "auditor"}) })
	flow, answer := begin(t, p, client, openidtest.Bob)
	if who, err := client.Finish(t.Context(), flow, answer); err != nil || who.Role != "auditor" {
		t.Errorf("got %+v, %v", who, err)
	}
	if text, err := json.Marshal(flow); err != nil || len(text) > 1024 {
		t.Errorf("a cookie cannot hold %d bytes, %v", len(text), err)
	}
}
