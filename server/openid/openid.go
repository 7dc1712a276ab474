// Package openid lets people log in by an OpenID Connect provider: the authorization code flow with PKCE, state and nonce (OpenID
// Connect Core 1.0, RFC 7636). It tells who somebody is and which role the provider's claims give; it keeps no account and no session.
package openid

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"hostler/internal/bearer"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrDown means that the provider could not be reached, or did not answer as a provider does.
	ErrDown = errors.New("the identity provider does not answer")
	// ErrRefused means that the provider did not let somebody log in.
	ErrRefused = errors.New("the identity provider refused the login")
	// ErrFlow means that an answer belongs to no login that this browser began.
	ErrFlow = errors.New("the answer belongs to another login")
)

const (
	answerTime = 10 * time.Second // for each request to the provider
	answerSize = 1 << 20          // bytes of an answer that are read
)

// Options say who the provider is and how its claims are read.
type Options struct {
	Issuer, ClientID, Secret string
	Redirect                 string // where the provider sends browsers back to
	Scopes                   []string
	NameClaim, RoleClaim     string
	Roles                    []Rule
	CA                       []byte // PEM of what the provider's certificate is signed by; nil for what the system trusts
	Now                      func() time.Time
}

// Rule gives a role to those whose claim has a value, or, with "*", to everybody.
type Rule struct{ Value, Role string }

// Provider is one identity provider.
type Provider struct {
	o      Options
	client *http.Client

	mu    sync.Mutex
	known *known // nil until the provider has answered once
}

// known is what a provider has told of itself.
type known struct {
	*oidc.Provider
	verifier *oidc.IDTokenVerifier
	config   oauth2.Config
}

// New returns the provider. It is asked when the first person logs in: that it is down keeps no server from starting.
func New(o Options) (*Provider, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if o.CA != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(o.CA) {
			return nil, errors.New("cannot use the identity provider's authority: there is no PEM certificate in it")
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &Provider{o: o, client: &http.Client{Transport: bounded{transport}, Timeout: answerTime}}, nil
}

// bounded is a transport whose answers are read up to a size.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, answerSize), answer.Body}
	}
	return answer, err
}

// Issuer names the provider.
func (p *Provider) Issuer() string { return p.o.Issuer }

// Flow is what a browser keeps of a login until the provider sends it back.
type Flow struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // PKCE
	Next     string `json:"p"` // the page that the login leads to
}

// Person is who the provider says that somebody is.
type Person struct {
	Issuer, Subject string
	Name            string // "" when the claim is not there
	Role            string // "" when no rule gives one
}

// Begin begins a login: the address to send the browser to, and what it is to keep. ErrDown.
func (p *Provider) Begin(ctx context.Context, next string) (string, Flow, error) {
	k, err := p.ask(ctx)
	if err != nil {
		return "", Flow{}, err
	}
	f := Flow{State: bearer.New(), Nonce: bearer.New(), Verifier: oauth2.GenerateVerifier(), Next: next}
	return k.config.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), f, nil
}

// Finish reads what the provider sent the browser back with: ErrFlow, ErrRefused, ErrDown.
func (p *Provider) Finish(ctx context.Context, f Flow, answer url.Values) (who Person, err error) {
	if f.State == "" || subtle.ConstantTimeCompare([]byte(f.State), []byte(answer.Get("state"))) != 1 {
		return who, ErrFlow
	}
	if code := answer.Get("error"); code != "" {
		return who, fmt.Errorf("%w: %.100q", ErrRefused, code)
	}
	k, err := p.ask(ctx)
	if err != nil {
		return who, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	tokens, err := k.config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return who, exchangeError(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := k.verifier.Verify(ctx, raw)
	if err != nil {
		return who, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if subtle.ConstantTimeCompare([]byte(f.Nonce), []byte(token.Nonce)) != 1 {
		return who, ErrFlow
	}
	claims, err := k.claims(ctx, token, tokens)
	if err != nil {
		return who, err
	}
	return p.person(token, claims), nil
}

// exchangeError tells a provider that refuses from one that cannot be reached.
func exchangeError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response.StatusCode < http.StatusInternalServerError {
		return fmt.Errorf("%w: %s %.100q", ErrRefused, refused.Response.Status, refused.ErrorCode)
	}
	return fmt.Errorf("%w: %w", ErrDown, err)
}

// ask finds out how the provider is talked to, once.
func (p *Provider) ask(ctx context.Context) (*known, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	// The provider's keys are fetched with this context for as long as the server runs.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDown, err)
	}
	p.known = &known{
		Provider: found, verifier: found.Verifier(&oidc.Config{ClientID: p.o.ClientID, Now: p.o.Now}),
		config: oauth2.Config{
			ClientID: p.o.ClientID, ClientSecret: p.o.Secret, Endpoint: found.Endpoint(), RedirectURL: p.o.Redirect,
			Scopes: append([]string{oidc.ScopeOpenID}, p.o.Scopes...),
		},
	}
	return p.known, nil
}

// claims are those of the token, with those that the provider tells only when it is asked: many have the groups there.
func (k *known) claims(ctx context.Context, token *oidc.IDToken, tokens *oauth2.Token) (map[string]json.RawMessage, error) {
	claims, more := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if err := token.Claims(&claims); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if k.UserInfoEndpoint() == "" {
		return claims, nil
	}
	info, err := k.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDown, err)
	}
	if info.Subject != token.Subject { // OpenID Connect Core, 5.3.2
		return nil, fmt.Errorf("%w: its answers are about two people", ErrRefused)
	}
	if err := info.Claims(&more); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	for name, value := range more {
		if _, ok := claims[name]; !ok {
			claims[name] = value
		}
	}
	return claims, nil
}

// person reads the claims.
func (p *Provider) person(token *oidc.IDToken, claims map[string]json.RawMessage) Person {
	who := Person{Issuer: p.o.Issuer, Subject: token.Subject}
	if names := texts(claims[p.o.NameClaim]); len(names) == 1 {
		who.Name = names[0]
	}
	values := texts(claims[p.o.RoleClaim])
	for _, r := range p.o.Roles { // the first that fits
		if r.Value == "*" || slices.Contains(values, r.Value) {
			who.Role = r.Role
			break
		}
	}
	return who
}

// texts reads a claim that is one text or a list of them.
func texts(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil {
		return nil
	}
	return many
}
