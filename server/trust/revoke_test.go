package trust_test

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
	"hostler/server/trust"
)

func (r *rig) revoke(hosts ...string) []db.Certificate {
	r.Helper()
	revoked, err := r.ca.Revoke(r.Context(), trust.RevokeRequest{Hosts: hosts}, "alice")
	r.must(err)
	return revoked
}

func serial(c *x509.Certificate) string { return c.SerialNumber.Text(16) }

func TestRevokeByHostTakesAllItsCertificates(t *testing.T) {
	r := newRig(t)
	reply, first := r.enrol("node1", "", r.token(trust.TokenSpec{Hostname: "node1"}))
	_, second := r.enrol("node1", reply.AgentSN, r.token(trust.TokenSpec{Hostname: "node1"}))
	_, other := r.enrol("node2", "", r.token(trust.TokenSpec{}))
	var told []string
	defer r.ca.OnRevoked(func(serials []string) { told = append(told, serials...) })()
	if revoked := r.revoke("NODE1"); len(revoked) != 2 || len(told) != 2 || r.ca.Denied() != 2 {
		t.Errorf("revoked %+v, told of %v", revoked, told)
	}
	for _, c := range []*x509.Certificate{first, second} {
		if err := r.ca.CheckRevoked(serial(c)); code(err) != "certificate_revoked" {
			t.Errorf("in memory: %v", err)
		}
		if _, err := r.ca.Identify(t.Context(), c); code(err) != "certificate_revoked" {
			t.Errorf("in the database: %v", err)
		}
	}
	if _, err := r.ca.Identify(t.Context(), other); err != nil || r.ca.CheckRevoked(serial(other)) != nil {
		t.Errorf("another host: %v", err)
	}
	if revoked := r.revoke("node1"); len(revoked) != 0 || len(told) != 2 {
		t.Errorf("a second time it revoked %+v", revoked)
	}
}

func TestRevokeKnowsWhatItRevokes(t *testing.T) {
	r := newRig(t)
	_, c := r.enrol("node1", "", r.token(trust.TokenSpec{}))
	var wrong *trust.FieldError
	for _, ask := range []trust.RevokeRequest{
		{},
		{Hosts: []string{" ", ""}},
		{Hosts: []string{"node1", "node2"}},
		{Hosts: []string{"node1"}, Serials: []string{"ff"}},
		{Serials: many(trust.MaxRevoke + 1)},
	} {
		if _, err := r.ca.Revoke(t.Context(), ask, "alice"); !errors.As(err, &wrong) {
			t.Errorf("%.80v: %v", ask, err)
		}
	}
	if r.ca.Denied() != 0 {
		t.Error("a refused request revoked something")
	}
	r.clock.Advance(c.NotAfter.Sub(r.clock.Now()) + time.Second)
	if revoked := r.revoke("node1"); len(revoked) != 0 {
		t.Errorf("an expired certificate was revoked: %+v", revoked)
	}
}

func many(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = strconv.FormatInt(int64(i), 16)
	}
	return values
}

func TestAttackRenewalOfARevokedCertificate(t *testing.T) {
	r := newRig(t)
	_, c := r.enrol("node1", "", r.token(trust.TokenSpec{}))
	record, err := r.ca.Identify(t.Context(), c) // as it was remembered before the revocation
	r.must(err)
	r.clock.Advance(c.NotAfter.Sub(r.clock.Now()) * 2 / 3)
	r.revoke("node1")
	if _, err := r.ca.Renew(t.Context(), record, wire.RenewRequest{CSR: request(t, newKey(t), nil)}); code(err) != "certificate_revoked" {
		t.Errorf("a revoked certificate was renewed: %v", err)
	}
}

// TestRevocationBesideRenewal holds that a host which renews while it is revoked is left with nothing.
func TestRevocationBesideRenewal(t *testing.T) {
	r := newRig(t)
	_, c := r.enrol("node1", "", r.token(trust.TokenSpec{}))
	record, err := r.ca.Identify(t.Context(), c)
	r.must(err)
	r.clock.Advance(c.NotAfter.Sub(r.clock.Now()) * 2 / 3)
	csr, turn := request(t, newKey(t), nil), make(chan int, 8)
	for i := range cap(turn) {
		turn <- i
	}
	for _, err := range atOnce(t.Context(), cap(turn), func(ctx context.Context) error {
		if <-turn == 4 {
			_, err := r.ca.Revoke(ctx, trust.RevokeRequest{Hosts: []string{"node1"}}, "alice")
			return err
		}
		_, err := r.ca.Renew(ctx, record, wire.RenewRequest{CSR: csr})
		return err
	}) {
		if err != nil && code(err) != "certificate_revoked" {
			t.Error(err)
		}
	}
	valid, _, err := r.db.Certificates(t.Context(), db.CertificateQuery{State: db.CertificateValid, Now: r.clock.Now()})
	r.must(err)
	if len(valid) != 0 {
		t.Errorf("%d certificates are left", len(valid))
	}
}

func TestAttackRevokedHostComesBackWithItsToken(t *testing.T) {
	r := newRig(t)
	token := r.token(trust.TokenSpec{Uses: 5})
	r.enrol("node1", "", token)
	r.revoke("node1")
	if got := r.refusal(wire.EnrollRequest{Hostname: "node1", Token: token, CSR: request(t, newKey(t), nil)}); got != "host_revoked" {
		t.Errorf("it was admitted again: %q", got)
	}
	if n := r.usesLeft(token); n != 4 {
		t.Errorf("the token has %d uses left", n)
	}
	r.enrol("node2", "", token)
	r.clock.Advance(time.Second)
	// A person who makes a new token for it has approved it anew.
	r.enrol("node1", "", r.token(trust.TokenSpec{Hostname: "node1"}))
}

// TestAttackRevokedHostComesBackWithAnyToken holds that a host that was turned away is known again by its name, its key and
// its machine, and that nothing but a token for just its name, made since, takes it back.
func TestAttackRevokedHostComesBackWithAnyToken(t *testing.T) {
	r := newRig(t)
	key, machine := newKey(t), &wire.Facts{MachineID: "C0FFEE"}
	earlier := r.token(trust.TokenSpec{Uses: 9})
	named := r.token(trust.TokenSpec{Hostname: "node1"})
	_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1", Token: r.token(trust.TokenSpec{}), CSR: request(t, key, nil), Facts: machine}, here)
	r.must(err)
	r.revoke("node1")
	r.clock.Advance(time.Second)
	later, pattern := r.token(trust.TokenSpec{Uses: 9}), r.token(trust.TokenSpec{Hostname: "node*", Uses: 9})
	for name, ask := range map[string]wire.EnrollRequest{
		"its name, another token of before":      {Hostname: "node1", Token: earlier, CSR: request(t, newKey(t), nil)},
		"its name, a named token of before":      {Hostname: "node1", Token: named, CSR: request(t, newKey(t), nil)},
		"its name, a token of since for any":     {Hostname: "node1", Token: later, CSR: request(t, newKey(t), nil)},
		"its name, a token of since for many":    {Hostname: "node1", Token: pattern, CSR: request(t, newKey(t), nil)},
		"its key under another name":             {Hostname: "node2", Token: later, CSR: request(t, key, nil)},
		"its machine under another name":         {Hostname: "node2", Token: later, CSR: request(t, newKey(t), nil), Facts: machine},
		"its machine, written in another way":    {Hostname: "node2", Token: later, CSR: request(t, newKey(t), nil), Facts: &wire.Facts{MachineID: "c0ffee"}},
		"its key and machine, a token of before": {Hostname: "node3", Token: earlier, CSR: request(t, key, nil), Facts: machine},
	} {
		if got := r.refusal(ask); got != "host_revoked" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if left := r.usesLeft(earlier) + r.usesLeft(later); left != 18 {
		t.Errorf("the tokens have %d uses left", left)
	}
	_, err = r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1", Token: r.token(trust.TokenSpec{Hostname: "node1"}), CSR: request(t, newKey(t), nil), Facts: machine}, here)
	r.must(err)
	// It is back: from now on it is a host like others.
	r.clock.Advance(time.Second)
	_, err = r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1", Token: later, CSR: request(t, newKey(t), nil), Facts: machine}, here)
	r.must(err)
}

// refusal is the code with which a host is refused; "" when it is admitted.
func (r *rig) refusal(ask wire.EnrollRequest) string {
	r.Helper()
	_, err := r.ca.Enrol(r.Context(), ask, here)
	if err == nil {
		return ""
	}
	return code(err)
}

func TestRevokedHostKeepsItsNumberWhenItIsApprovedAnew(t *testing.T) {
	r := newRig(t)
	first, _ := r.enrol("node1", "", r.token(trust.TokenSpec{Hostname: "node1"}))
	r.host("node1", first.AgentSN)
	r.revoke("node1")
	r.clock.Advance(time.Second)
	if again, _ := r.enrol("node1", first.AgentSN, r.token(trust.TokenSpec{Hostname: "node1"})); again.AgentSN != first.AgentSN {
		t.Errorf("it was %s and is %s", first.AgentSN, again.AgentSN)
	}
}

// TestServersFollowEachOther is two servers on one database and one bus, of which one was away for a while.
func TestServersFollowEachOther(t *testing.T) {
	r := newRig(t)
	bus, err := event.OpenBus("", slog.New(slog.DiscardHandler))
	r.must(err)
	t.Cleanup(bus.Close)
	follow := func(ca *trust.CA) {
		stop, err := ca.Follow(t.Context(), bus, slog.New(slog.DiscardHandler))
		r.must(err)
		t.Cleanup(stop)
	}
	follow(r.ca)
	_, before := r.enrol("node1", "", r.token(trust.TokenSpec{}))
	_, after := r.enrol("node2", "", r.token(trust.TokenSpec{}))
	r.revoke("node1")
	other := r.open(r.db)
	follow(other)
	if code(other.CheckRevoked(serial(before))) != "certificate_revoked" {
		t.Error("what was revoked before it started is served")
	}
	told := make(chan []string, 1)
	defer other.OnRevoked(func(serials []string) { told <- serials })()
	r.revoke("node2")
	select {
	case serials := <-told:
		if len(serials) != 1 || serials[0] != serial(after) || code(other.CheckRevoked(serial(after))) != "certificate_revoked" {
			t.Errorf("told of %v", serials)
		}
	case <-time.After(time.Minute):
		t.Fatal("the other server was not told")
	}
}
