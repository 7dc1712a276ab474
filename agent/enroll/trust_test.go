package enroll

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/link"
	"hostler/agent/state"
	"hostler/agent/wire"
)

// shortPins are the beginnings of the pins of CAs.
func shortPins(cas []*x509.Certificate) (pins []string) {
	for _, ca := range cas {
		pins = append(pins, link.ShortPin(ca.Raw))
	}
	return pins
}

func bundle(as ...*agenttest.Authority) string {
	var text []byte
	for _, a := range as {
		text = append(text, a.PEM...)
	}
	return string(text)
}

// TestARotationAsTheAgentSeesIt goes through the stages and starts the agent anew after each.
func TestARotationAsTheAgentSeesIt(t *testing.T) {
	old, fresh := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
	server := agenttest.NewServer(t, old)
	host := agenttest.NewHost(t, server, "secret")
	e := enroller(host)
	identity, err := e.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e.Pins() != nil {
		t.Errorf("the server is told of %v although agent.ini says that", e.Pins())
	}
	sn := host.Store.Values().AgentSN

	identity, changed := e.Learn(bundle(old, fresh), identity)
	if !changed || len(identity.CAs) != 2 || len(e.Trusted()) != 2 || len(e.Pins()) != 2 {
		t.Fatalf("it trusts %v, changed %v", shortPins(identity.CAs), changed)
	}
	if file, err := os.ReadFile(host.Settings().CAFile()); err != nil || !bytes.Equal(file, []byte(bundle(old, fresh))) {
		t.Errorf("package managers are not told: %s, %v", file, err)
	}
	if _, changed := e.Learn(bundle(fresh, old), identity); changed {
		t.Error("the same CAs in another order are other ones")
	}

	server.Stop()
	server.CA = fresh
	server.Start()
	e = enroller(host) // another start
	if identity, err = e.Identity(t.Context()); err != nil || len(identity.CAs) != 2 {
		t.Fatalf("after a start it trusts %v: %v", shortPins(identity.CAs), err)
	}

	identity, changed = e.Learn(bundle(fresh), identity)
	if !changed || len(identity.CAs) != 1 || link.Pin(identity.CAs[0].Raw) != fresh.Pin || e.Pins()[0] != fresh.Pin[:16] {
		t.Errorf("it trusts %v", shortPins(identity.CAs))
	}
	if err := os.Remove(host.Store.Path(state.IdentityFile)); err != nil {
		t.Fatal(err)
	}
	again := mustEnrol(t, host) // by a CA that does not have agent.ini's pin
	if len(again.CAs) != 1 || link.Pin(again.CAs[0].Raw) != fresh.Pin {
		t.Errorf("it enrolled with %v", shortPins(again.CAs))
	}

	// agent.ini gets the new pin: it is the same server, whose serial number stays.
	ini, err := os.ReadFile(host.Ini())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(host.Ini(), []byte(strings.Replace(string(ini), old.Pin, fresh.Pin, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := host.Store.Update(func(v *state.Values) { v.AgentSN, v.Step = sn, 17 }); err != nil {
		t.Fatal(err)
	}
	e = enroller(host)
	if _, err := e.Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	if known := host.Store.Values(); known.CAPin != fresh.Pin || known.Step != 17 || e.Pins() != nil {
		t.Errorf("remembered %+v, told %v", known, e.Pins())
	}
}

func TestCAsThatNobodyVouchesForAreNotTrusted(t *testing.T) {
	old := agenttest.NewAuthority(t)
	server := agenttest.NewServer(t, old)
	host := agenttest.NewHost(t, server, "secret")
	e := enroller(host)
	identity, err := e.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leaf := string(old.Sign(t, newCSRText(t), agenttest.AgentSN, 1<<40))
	for name, text := range map[string]string{
		"none of the present ones": bundle(agenttest.NewAuthority(t)),
		"too many":                 bundle(old, agenttest.NewAuthority(t), agenttest.NewAuthority(t), agenttest.NewAuthority(t), agenttest.NewAuthority(t)),
		"no CA":                    bundle(old) + leaf, "no PEM": "garbage", "nothing": "",
	} {
		if got, changed := e.Learn(text, identity); changed || got != identity || len(e.Trusted()) != 1 {
			t.Errorf("%s: it trusts %v", name, shortPins(e.Trusted()))
		}
	}
	if _, err := os.Stat(host.Store.Path(state.TrustFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was kept: %v", err)
	}
}

func newCSRText(t *testing.T) []byte {
	t.Helper()
	r, err := newRequest("node1.lab.test")
	if err != nil {
		t.Fatal(err)
	}
	return r.csr
}

// TestAnotherServersCAsAreWorthNothing points the agent at another server: what the former one has told of must not count there.
func TestAnotherServersCAsAreWorthNothing(t *testing.T) {
	old, fresh := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
	host := agenttest.NewHost(t, agenttest.NewServer(t, old), "secret")
	e := enroller(host)
	identity, err := e.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, changed := e.Learn(bundle(old, fresh), identity); !changed {
		t.Fatal("it did not learn")
	}
	other := agenttest.NewServer(t, agenttest.NewAuthority(t))
	ini, err := os.ReadFile(agenttest.NewHost(t, other, "secret").Ini())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(host.Ini(), ini, 0o600); err != nil {
		t.Fatal(err)
	}
	e = New(host.Settings(), host.Store, host.Clock.Clock(), host.Log.Logger(), nil)
	if cas, err := e.authorities(t.Context()); err != nil || len(cas) != 1 || link.Pin(cas[0].Raw) != other.CA.Pin {
		t.Errorf("it trusts %v: %v", shortPins(cas), err)
	}
}

// TestWhoWaitsForApprovalLearnsOfARotation is for hosts that wait longer than a rotation takes.
func TestWhoWaitsForApprovalLearnsOfARotation(t *testing.T) {
	old, fresh := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
	server := agenttest.NewServer(t, old)
	server.OnAuthorities = func() []byte { return []byte(bundle(old, fresh)) }
	server.OnEnrol = func(wire.EnrollRequest) error { return agenttest.Refuse(http.StatusForbidden, codePending) }
	host := agenttest.NewHost(t, server, "")
	_, stop := start(t, host)
	host.Clock.Waiting()
	stop()
	if cas := enroller(host).learned(); len(cas) != 2 {
		t.Errorf("it trusts %v", shortPins(cas))
	}
}
