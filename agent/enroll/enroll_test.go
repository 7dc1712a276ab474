package enroll

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/link"
	"hostler/agent/state"
	"hostler/agent/wire"
)

func enroller(host *agenttest.Host) *Enroller {
	return New(host.Settings(), host.Store, host.Clock.Clock(), host.Log.Logger(), func(context.Context) *wire.Facts {
		return &wire.Facts{MachineID: "c0ffee"}
	})
}

func mustEnrol(t *testing.T, host *agenttest.Host) *Identity {
	t.Helper()
	identity, err := enroller(host).Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// start enrols in the background; the returned function ends that and waits for the end.
func start(t *testing.T, host *agenttest.Host) (result <-chan *Identity, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	identities := make(chan *Identity, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if identity, err := enroller(host).Identity(ctx); err == nil {
			identities <- identity
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return identities, stop
}

func TestEnrol(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, server, "secret-1")
	identity := mustEnrol(t, host)

	ask := agenttest.Receive(t, server.Enrols)
	if ask.Hostname != "node1.lab.test" || ask.Token != "secret-1" || ask.AgentSN != "" || ask.Facts == nil || ask.Facts.MachineID != "c0ffee" {
		t.Errorf("asked %+v", ask)
	}
	leaf := identity.Certificate.Leaf
	if identity.AgentSN() != agenttest.AgentSN || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != "node1.lab.test" {
		t.Errorf("certificate of %s for %v", identity.AgentSN(), leaf.DNSNames)
	}
	if ini, _ := os.ReadFile(host.Ini()); strings.Contains(string(ini), "token") {
		t.Errorf("the token is still there:\n%s", ini)
	}
	if known := host.Store.Values(); known.AgentSN != agenttest.AgentSN || known.CAPin != server.CA.Pin {
		t.Errorf("remembered %+v", known)
	}
	if info, err := os.Stat(host.Store.Path(state.IdentityFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	if ca, err := os.ReadFile(host.Settings().CAFile()); err != nil || string(ca) != string(server.CA.PEM) {
		t.Errorf("CA file: %q, %v", ca, err)
	}
	if log := host.Log.String(); strings.Contains(log, "secret-1") {
		t.Errorf("the token is in the log:\n%s", log)
	}

	server.Stop()
	if again := mustEnrol(t, host); !again.Certificate.Leaf.Equal(leaf) {
		t.Error("a second start did not use the kept certificate")
	}
}

func TestAWrongPinStopsBeforeTheTokenIsSent(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, server, "secret")
	impostor := agenttest.NewServer(t, agenttest.NewAuthority(t))
	ini, err := os.ReadFile(host.Ini())
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(server.Handshake, ":")
	_, wrong, _ := strings.Cut(impostor.Handshake, ":")
	if err := os.WriteFile(host.Ini(), []byte(strings.Replace(string(ini), port, wrong, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, host)
	host.Clock.Waiting() // the first attempt has failed
	if log := host.Log.String(); !strings.Contains(log, codeWrongPin) {
		t.Errorf("the cause is not in the log:\n%s", log)
	}
	if _, err := os.Stat(host.Settings().CAFile()); !errors.Is(err, os.ErrNotExist) {
		t.Error("a CA without the pin was kept")
	}

	// The right CA on the disk does not make the agent talk to one with another.
	if err := os.WriteFile(host.Settings().CAFile(), server.CA.PEM, 0o644); err != nil {
		t.Fatal(err)
	}
	host.Clock.Advance(time.Hour)
	host.Clock.Waiting()
	if log := host.Log.String(); !strings.Contains(log, "certificate signed by unknown authority") {
		t.Errorf("the cause is not in the log:\n%s", log)
	}
	if n := len(impostor.Enrols); n != 0 {
		t.Errorf("the token was sent %d times", n)
	}
}

func TestEnrolmentIsTriedUntilItSucceeds(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	answers := []error{
		agenttest.Refuse(403, "token_unknown"),
		errors.New("out of order"),
		&link.Refusal{Status: 429, Cause: wire.Error{Code: "too_many_requests", Message: "busy"}, RetryAfter: 8 * time.Second},
		nil,
	}
	var attempt int
	server.OnEnrol = func(wire.EnrollRequest) error { attempt++; return answers[attempt-1] }
	host := agenttest.NewHost(t, server, "secret")
	result, _ := start(t, host)
	var csr string
	for _, bounds := range [][2]time.Duration{{250, 500}, {500, 1000}, {8000, 10000}} {
		if wait := host.Clock.Waiting().Milliseconds(); wait < int64(bounds[0]) || wait > int64(bounds[1]) {
			t.Errorf("waits %d ms, want %d to %d", wait, bounds[0], bounds[1])
		}
		ask := agenttest.Receive(t, server.Enrols)
		if csr != "" && ask.CSR != csr {
			t.Error("the key changed between attempts")
		}
		csr = ask.CSR
		host.Clock.Advance(10 * time.Second)
	}
	agenttest.Receive(t, result)
	if log := host.Log.String(); !strings.Contains(log, "refused by the test [token_unknown]; none") {
		t.Errorf("code and hint are not in the log:\n%s", log)
	}
}

func TestWithoutTokenTheAgentWaitsForApproval(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	pending := agenttest.Refuse(403, codePending)
	var approved atomic.Bool
	server.OnEnrol = func(wire.EnrollRequest) error {
		if approved.Load() {
			return nil
		}
		return pending
	}
	host := agenttest.NewHost(t, server, "")
	_, stop := start(t, host)
	first := agenttest.Receive(t, server.Enrols)
	host.Clock.Waiting()
	if first.Token != "" || first.CSR == "" {
		t.Errorf("asked %+v", first)
	}
	_, status, err := state.Peek(host.Settings().StateDir)
	if err != nil || len(status.Fingerprint) != 32*3-1 || status.LastError != "" {
		t.Errorf("status %+v, %v", status, err)
	}
	for range 3 {
		host.Clock.Advance(time.Hour)
		agenttest.Receive(t, server.Enrols)
		if wait := host.Clock.Waiting(); wait > time.Minute {
			t.Errorf("it waits for %v", wait)
		}
	}
	if log := host.Log.String(); strings.Count(log, "waiting for approval") != 1 || !strings.Contains(log, status.Fingerprint) {
		t.Errorf("the log says\n%s", log)
	}
	stop()

	// After a restart it shows the same key, and gets the certificate for it when somebody has signed it.
	approved.Store(true)
	identity := mustEnrol(t, host)
	if again := agenttest.Receive(t, server.Enrols); fingerprintOf(t, again.CSR) != status.Fingerprint || fingerprintOf(t, first.CSR) != status.Fingerprint {
		t.Error("the key changed over a restart")
	}
	if identity.AgentSN() != agenttest.AgentSN {
		t.Errorf("it is %s", identity.AgentSN())
	}
	if _, err := os.Stat(host.Store.Path(state.RequestFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key of the request is still there: %v", err)
	}
	if _, status, _ := state.Peek(host.Settings().StateDir); status.Fingerprint != "" {
		t.Errorf("the status still says that it waits: %+v", status)
	}
}

func fingerprintOf(t *testing.T, csr string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(csr))
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return fingerprint(r.RawSubjectPublicKeyInfo)
}

func TestAKeyIsForOneServer(t *testing.T) {
	path := t.TempDir() + "/request.pem"
	first, err := pending(path, "a", "node1")
	if err != nil {
		t.Fatal(err)
	}
	same, err := pending(path, "a", "node2")
	if err != nil || same.fingerprint != first.fingerprint {
		t.Errorf("another key for the same server: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	other, err := pending(path, "b", "node1")
	if err != nil || other.fingerprint == first.fingerprint {
		t.Errorf("the same key for another server: %v", err)
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if anew, err := pending(path, "b", "node1"); err != nil || anew.fingerprint == other.fingerprint {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestANewTokenEnrolsAnewAndKeepsTheSerialNumber(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, server, "first")
	before := mustEnrol(t, host)
	if err := host.Store.Update(func(v *state.Values) { v.AgentSN = "dcb886e9-04ed-41bb-9c12-4d2de12cd59b"; v.Step = 5 }); err != nil {
		t.Fatal(err)
	}
	host.Bootstrap(server, "second")
	after := mustEnrol(t, host)
	agenttest.Receive(t, server.Enrols)
	if ask := agenttest.Receive(t, server.Enrols); ask.Token != "second" || ask.AgentSN != "dcb886e9-04ed-41bb-9c12-4d2de12cd59b" {
		t.Errorf("asked %+v", ask)
	}
	if after.Certificate.Leaf.Equal(before.Certificate.Leaf) {
		t.Error("the certificate is still the old one")
	}
	if known := host.Store.Values(); known.Step != 5 {
		t.Errorf("remembered %+v", known)
	}
}

func TestARefusedTokenLeavesAValidCertificateInUse(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, server, "first")
	before := mustEnrol(t, host)
	for code, removed := range map[string]bool{"token_used": true, "token_ended": true, "token_expired": false} {
		server.OnEnrol = func(wire.EnrollRequest) error { return agenttest.Refuse(403, code) }
		host.Bootstrap(server, "again")
		if after := mustEnrol(t, host); !after.Certificate.Leaf.Equal(before.Certificate.Leaf) {
			t.Errorf("%s: another certificate", code)
		}
		if gone := host.Settings().Token == ""; gone != removed {
			t.Errorf("%s: token removed: %v", code, gone)
		}
	}
}

func TestAnExpiredCertificateIsReplacedByProofOfItsKey(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	server.Life = time.Hour
	host := agenttest.NewHost(t, server, "first")
	before := mustEnrol(t, host)
	first := agenttest.Receive(t, server.Enrols)
	host.Clock.Advance(2 * time.Hour)

	// The server says that it is the host's clock that is wrong, or does not know of this: the agent goes on with what it has.
	for _, code := range []string{codeNotExpired, "token_unknown"} {
		server.OnEnrol = func(wire.EnrollRequest) error { return agenttest.Refuse(409, code) }
		if same := mustEnrol(t, host); !same.Certificate.Leaf.Equal(before.Certificate.Leaf) {
			t.Errorf("%s: another certificate", code)
		}
		agenttest.Receive(t, server.Enrols)
	}
	server.OnEnrol = nil
	after := mustEnrol(t, host)
	ask := agenttest.Receive(t, server.Enrols)
	if ask.Token != "" || ask.AgentSN != before.AgentSN() || fingerprintOf(t, ask.CSR) != fingerprintOf(t, first.CSR) {
		t.Errorf("asked %+v", ask)
	}
	if after.Certificate.Leaf.Equal(before.Certificate.Leaf) || after.AgentSN() != before.AgentSN() {
		t.Error("the certificate is still the expired one, or that of another agent")
	}
	if kept, err := load(host.Store.Path(state.IdentityFile), after.CAs); err != nil || !kept.Certificate.Leaf.Equal(after.Certificate.Leaf) {
		t.Errorf("it is not on the disk: %v", err)
	}

	// While the agent runs, the attempt to renew it does the same.
	host.Clock.Advance(2 * time.Hour)
	again, err := enroller(host).Renew(t.Context(), nil, "", after)
	if err != nil || again.Certificate.Leaf.Equal(after.Certificate.Leaf) {
		t.Errorf("the renewal: %v", err)
	}
}

func TestAnotherServerMakesTheAgentForgetTheFirst(t *testing.T) {
	first := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, first, "one")
	mustEnrol(t, host)
	if err := host.Store.Update(func(v *state.Values) { v.Step = 5; v.Servers = []string{"old:1"} }); err != nil {
		t.Fatal(err)
	}
	journal := host.Store.Path(state.JournalFile)
	if err := os.WriteFile(journal, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	second := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host.Bootstrap(second, "two")
	identity := mustEnrol(t, host)
	if ask := agenttest.Receive(t, second.Enrols); ask.AgentSN != "" {
		t.Errorf("told the second server the first one's serial number %s", ask.AgentSN)
	}
	if link.Pin(identity.CAs[0].Raw) != second.CA.Pin {
		t.Error("the CA is still the first server's")
	}
	if known := host.Store.Values(); known.Step != 0 || known.Servers != nil || known.CAPin != second.CA.Pin {
		t.Errorf("remembered %+v", known)
	}
	if _, err := os.Stat(journal); !errors.Is(err, os.ErrNotExist) {
		t.Error("the first server's results are still there")
	}
}

func TestAnotherServerWithoutATokenMakesTheAgentWaitThere(t *testing.T) {
	first := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, first, "one")
	mustEnrol(t, host)
	second := agenttest.NewServer(t, agenttest.NewAuthority(t))
	second.OnEnrol = func(wire.EnrollRequest) error { return agenttest.Refuse(403, codePending) }
	host.Bootstrap(second, "")
	_, stop := start(t, host)
	if ask := agenttest.Receive(t, second.Enrols); ask.Token != "" || ask.AgentSN != "" {
		t.Errorf("asked %+v", ask)
	}
	host.Clock.Waiting()
	stop()
	second.OnEnrol = nil
	if identity := mustEnrol(t, host); link.Pin(identity.CAs[0].Raw) != second.CA.Pin {
		t.Error("the CA is still the first server's")
	}
	if known := host.Store.Values(); known.CAPin != second.CA.Pin {
		t.Errorf("remembered %+v", known)
	}
}

func TestACertificateThatDoesNotFitIsRefused(t *testing.T) {
	ca, other := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
	mine, err := newRequest("node1")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := newRequest("node1")
	if err != nil {
		t.Fatal(err)
	}
	certificate, _ := link.Pinned(ca.PEM, ca.Pin)
	for name, text := range map[string][]byte{
		"another key": ca.Sign(t, stranger.csr, "sn", time.Hour),
		"another CA":  other.Sign(t, mine.csr, "sn", time.Hour),
		"no name":     ca.Sign(t, mine.csr, "", time.Hour),
		"nothing":     nil,
	} {
		path := t.TempDir() + "/identity.pem"
		if _, err := mine.keep(path, string(text), []*x509.Certificate{certificate}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: it was written", name)
		}
	}
}

func TestRenewalIsDueAtTwoThirdsOfLife(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	server.Life = 30 * time.Hour
	host := agenttest.NewHost(t, server, "secret")
	identity := mustEnrol(t, host)
	due := identity.RenewAt.Sub(identity.Certificate.Leaf.NotBefore)
	if due < 20*time.Hour-time.Minute || due > 20*time.Hour+95*time.Minute {
		t.Errorf("due after %v, want 20h to 21h30m", due)
	}
}

func TestTheCAIsFetchedAgainWhenItsFileIsGone(t *testing.T) {
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, server, "secret")
	mustEnrol(t, host)
	if err := os.WriteFile(host.Settings().CAFile(), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustEnrol(t, host)
	if ca, _ := os.ReadFile(host.Settings().CAFile()); string(ca) != string(server.CA.PEM) {
		t.Errorf("CA file is %q", ca)
	}
	if n := len(server.Enrols); n != 1 {
		t.Errorf("enrolled %d times, want once", n)
	}
}
