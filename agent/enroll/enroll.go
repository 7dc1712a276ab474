// Package enroll gets the agent its certificate: the first one on the handshake port, for a one-time token or when somebody
// has approved the host, every later one on the secured port before the old one expires.
//
// The private key is made here and never leaves the host. Nothing is sent to a server whose CA does not have
// the pin of agent.ini, the token least of all.
package enroll

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"hostler/agent/clock"
	"hostler/agent/link"
	"hostler/agent/settings"
	"hostler/agent/state"
	"hostler/agent/wire"
)

// Waits between attempts at enrolment.
const (
	firstWait = 500 * time.Millisecond
	maxWait   = 60 * time.Second
)

// Codes of failures that mean more to the agent than that it has to try again.
const (
	codeWrongPin   = "ca_pin_mismatch"  // its own: the server's CA is not that of agent.ini
	codeNotExpired = "not_expired"      // the server's: this host's clock is ahead
	codePending    = "approval_pending" // the server's: somebody has to approve the host
)

// Enroller gets certificates for one agent.ini.
type Enroller struct {
	settings *settings.Settings
	store    *state.Store
	clock    clock.Clock
	log      *slog.Logger
	facts    func(context.Context) *wire.Facts

	// request is kept over attempts: when an answer was lost, the next attempt shows the same key, and the
	// server can tell that the token was used by none other.
	request *request
	asked   string // fingerprint of the key that the server was shown last
	waiting bool   // it is told that somebody has to approve the host
	trusted trusted
}

// New makes an Enroller. facts is what the server is told of the host before it is trusted.
func New(s *settings.Settings, store *state.Store, c clock.Clock, log *slog.Logger, facts func(context.Context) *wire.Facts) *Enroller {
	return &Enroller{settings: s, store: store, clock: c, log: log, facts: facts}
}

// Identity returns the agent's certificate, enrolling first where there is none yet or agent.ini has a token.
// It tries until it succeeds; the only error is that of ctx.
func (e *Enroller) Identity(ctx context.Context) (*Identity, error) {
	backoff := link.Backoff{First: firstWait, Max: maxWait}
	for {
		identity, err := e.attempt(ctx)
		if err == nil {
			return identity, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		e.tell(err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-e.clock.After(backoff.After(err)):
		}
	}
}

// tell tells why there is no certificate yet. That somebody has to approve the host is told once: it may take days.
func (e *Enroller) tell(err error) {
	if link.Code(err) != codePending {
		e.waiting = false
		e.store.Note(func(s *state.Status) { s.Fingerprint, s.LastError, s.LastErrorTime = "", err.Error(), e.clock.Now() })
		e.log.Error("not enrolled", "server", e.settings.HandshakeAddress(), "error", err)
		return
	}
	e.store.Note(func(s *state.Status) { s.Fingerprint, s.LastError = e.asked, "" })
	if !e.waiting {
		e.log.Info("waiting for approval", "server", e.settings.HandshakeAddress(), "hostname", e.settings.Hostname, "fingerprint", e.asked)
	}
	e.waiting = true
}

func (e *Enroller) attempt(ctx context.Context) (*Identity, error) {
	cas, err := e.authorities(ctx)
	if err != nil {
		return nil, err
	}
	current, err := load(e.store.Path(state.IdentityFile), cas)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		e.log.Warn("the certificate on the disk is of no use", "error", err)
	}
	if e.settings.Token != "" || current == nil { // without a token somebody has to approve the host
		identity, err := e.enrol(ctx, cas, current)
		if link.Code(err) == codePending {
			e.ask(ctx, cas)
		}
		return identity, err
	}
	if e.expired(current) {
		identity, err := e.recover(ctx, current)
		if code := link.Code(err); code != codeNotExpired && !strings.HasPrefix(code, "token_") { // a server that cannot do this asks for a token
			return identity, err
		}
		e.log.Warn("the certificate has expired by this host's clock; the agent goes on with it", "expired", current.Certificate.Leaf.NotAfter, "error", err)
	}
	e.adopt(current, current)
	return current, nil
}

// Anew gives the certificate up, because it is another machine's, and asks for one of its own. Somebody has to approve that.
func (e *Enroller) Anew(ctx context.Context) (*Identity, error) {
	e.log.Warn("the certificate is another machine's; the agent asks for one of its own")
	if err := os.Remove(e.store.Path(state.IdentityFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot give the certificate up: %w", err)
	}
	if err := e.store.Update(func(v *state.Values) { v.AgentSN = "" }); err != nil {
		return nil, fmt.Errorf("cannot give the serial number up: %w", err)
	}
	return e.Identity(ctx)
}

// authority returns the CA certificate that has the pin, from the disk or else from the server.
func (e *Enroller) authority(ctx context.Context) (*x509.Certificate, error) {
	text, err := os.ReadFile(e.settings.CAFile())
	if err == nil {
		if ca, _ := link.Pinned(text, e.settings.CAPin); ca != nil {
			return ca, nil
		}
	}
	// Whoever answers is not trusted: what it says is public, and is dropped below unless it has the pin.
	client := link.NewClient(&tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}) //nolint:gosec // pinned, see above
	defer client.CloseIdleConnections()
	text, err = link.Get(ctx, client, e.handshakeURL(wire.PathCA))
	if err != nil {
		return nil, err
	}
	ca, block := link.Pinned(text, e.settings.CAPin)
	if ca == nil {
		return nil, &link.Failure{Cause: wire.Error{
			Code:    codeWrongPin,
			Message: "the server's CA certificate does not have the pin in agent.ini",
			Hint: "another machine answers at " + e.settings.HandshakeAddress() +
				", or the server has a new CA: bootstrap the host again",
		}}
	}
	if err := state.WriteFile(e.settings.CAFile(), block, 0o644); err != nil {
		e.log.Warn("the CA certificate is not kept and will be fetched again", "error", err)
	}
	return ca, nil
}

// enrol asks for a certificate, with the token if there is one. A host that was bootstrapped again has a valid certificate, too: when its token is
// refused, for example because it was used just before a crash, that certificate goes on serving.
func (e *Enroller) enrol(ctx context.Context, cas []*x509.Certificate, current *Identity) (*Identity, error) {
	identity, err := e.redeem(ctx, cas)
	if err != nil && strings.HasPrefix(link.Code(err), "token_") && current != nil && !e.expired(current) {
		e.log.Warn("the new token is refused; the agent goes on with its certificate", "error", err)
		if used := link.Code(err); used == "token_used" || used == "token_ended" {
			e.forgetToken()
		}
		e.adopt(current, current)
		return current, nil
	}
	if err != nil {
		return nil, err
	}
	e.adopt(identity, nil)
	e.store.Note(func(s *state.Status) { s.Fingerprint, s.LastError = "", "" })
	e.log.Info("enrolled", "server", e.settings.HandshakeAddress(), "agentsn", identity.AgentSN(),
		"expires", identity.Certificate.Leaf.NotAfter)
	if e.settings.Token != "" {
		e.forgetToken()
	}
	return identity, nil
}

func (e *Enroller) redeem(ctx context.Context, cas []*x509.Certificate) (*Identity, error) {
	if e.request == nil {
		request, err := pending(e.store.Path(state.RequestFile), e.settings.CAPin, e.settings.Hostname)
		if request == nil {
			return nil, err
		}
		if err != nil {
			e.log.Warn("the key is not kept: after a restart the agent asks with another", "error", err)
		}
		e.request = request
	}
	ask := wire.EnrollRequest{Hostname: e.settings.Hostname, Token: e.settings.Token, CSR: string(e.request.csr), Facts: e.facts(ctx)}
	if known := e.store.Values(); known.CAPin == e.settings.CAPin {
		ask.AgentSN = known.AgentSN
	}
	identity, err := e.send(ctx, &ask, e.request, cas)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(e.store.Path(state.RequestFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		e.log.Warn("the key of a request that is done stays on the disk", "error", err)
	}
	e.request = nil
	return identity, nil
}

// recover gets another certificate for the key of one that has expired while the host was away.
func (e *Enroller) recover(ctx context.Context, current *Identity) (*Identity, error) {
	key, ok := current.Certificate.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("cannot ask for another certificate: the key is of another kind")
	}
	request, err := requestWith(key, e.settings.Hostname)
	if err != nil {
		return nil, err
	}
	ask := wire.EnrollRequest{Hostname: e.settings.Hostname, AgentSN: current.AgentSN(), CSR: string(request.csr), Facts: e.facts(ctx)}
	identity, err := e.send(ctx, &ask, request, current.CAs)
	if err != nil {
		return nil, err
	}
	e.adopt(identity, current)
	e.store.Note(func(s *state.Status) { s.Fingerprint, s.LastError = "", "" })
	e.log.Info("the certificate had expired, and there is another one", "expires", identity.Certificate.Leaf.NotAfter)
	return identity, nil
}

// send asks on the handshake port and keeps the certificate that answers.
func (e *Enroller) send(ctx context.Context, ask *wire.EnrollRequest, r *request, cas []*x509.Certificate) (*Identity, error) {
	e.asked = r.fingerprint
	client := link.NewClient(serverTLS(cas))
	defer client.CloseIdleConnections()
	var reply wire.EnrollReply
	if err := link.Post(ctx, client, e.handshakeURL(wire.PathEnroll), ask, &reply); err != nil {
		return nil, err
	}
	return e.accept(r, &reply, cas)
}

// Renew gets a certificate for a fresh key over a connection that the current one authenticates. The new one
// is on the disk when it returns.
func (e *Enroller) Renew(ctx context.Context, client *http.Client, url string, current *Identity) (*Identity, error) {
	if e.expired(current) { // it authenticates nothing any more
		return e.recover(ctx, current)
	}
	request, err := newRequest(e.settings.Hostname)
	if err != nil {
		return nil, err
	}
	var reply wire.EnrollReply
	if err := link.Post(ctx, client, url, &wire.RenewRequest{CSR: string(request.csr)}, &reply); err != nil {
		return nil, err
	}
	identity, err := e.accept(request, &reply, current.CAs)
	if err != nil {
		return nil, err
	}
	e.adopt(identity, current)
	return identity, nil
}

func (e *Enroller) accept(r *request, reply *wire.EnrollReply, cas []*x509.Certificate) (*Identity, error) {
	cas = e.learn(reply.CA, cas)
	identity, err := r.keep(e.store.Path(state.IdentityFile), reply.Certificate, cas)
	if err != nil {
		return nil, err
	}
	if reply.AgentSN != identity.AgentSN() {
		e.log.Warn("the server's answer names another agent than its certificate, which counts",
			"answer", reply.AgentSN, "certificate", identity.AgentSN())
	}
	return identity, nil
}

// adopt makes the remembered values those of this certificate's server. It runs at every start as well, so
// that a crash between the certificate's writing and this is made good. A serial number that the server gave
// at registration outlives it; one in a certificate from a new enrolment (previous is nil) or in one that
// names another agent than the previous does not let it.
func (e *Enroller) adopt(identity, previous *Identity) {
	known := e.store.Values()
	sameServer := known.CAPin == e.settings.CAPin
	sameAgent := previous != nil && previous.AgentSN() == identity.AgentSN() && known.AgentSN != ""
	if sameServer && sameAgent {
		return
	}
	err := e.store.Update(func(v *state.Values) {
		if !sameServer {
			*v = state.Values{CAPin: e.settings.CAPin}
		}
		v.AgentSN = identity.AgentSN()
	})
	if err == nil && !sameServer {
		err = os.Remove(e.store.Path(state.JournalFile))
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		e.log.Error("the former server cannot be forgotten", "error", err)
	}
}

func (e *Enroller) forgetToken() {
	if err := settings.ForgetToken(e.settings.Path, e.settings.Token); err != nil {
		e.log.Warn("the used token stays in agent.ini", "error", err)
		return
	}
	e.settings.Token = ""
}

func (e *Enroller) expired(identity *Identity) bool {
	return e.clock.Now().After(identity.Certificate.Leaf.NotAfter)
}

func (e *Enroller) handshakeURL(path string) string {
	return fmt.Sprintf("https://%s%s", e.settings.HandshakeAddress(), path)
}
