package enroll

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"slices"
	"sync/atomic"

	"hostler/agent/link"
	"hostler/agent/state"
	"hostler/agent/wire"
)

// anchorHeader names, with each CA that the server has told of, the pin of agent.ini by which the agent came to that server. With
// another pin there is another server, and what this one told is worth nothing.
const anchorHeader = "Anchor"

// maxCAs bounds how many CAs a server may tell of; it needs two.
const maxCAs = 4

// trusted is the CAs of the server in use, for whoever needs them now.
type trusted struct {
	set atomic.Pointer[[]*x509.Certificate]
}

// Trusted is the CAs that are trusted now.
func (e *Enroller) Trusted() []*x509.Certificate {
	if set := e.trusted.set.Load(); set != nil {
		return *set
	}
	return nil
}

// Pins are the CAs that are trusted now as the server is told of them; nil when that is just the one of agent.ini.
func (e *Enroller) Pins() []string {
	set := e.Trusted()
	if len(set) == 1 && link.Pin(set[0].Raw) == e.settings.CAPin {
		return nil
	}
	pins := make([]string, len(set))
	for i, ca := range set {
		pins[i] = link.ShortPin(ca.Raw)
	}
	return pins
}

// authorities are the CAs to trust: those that the server has told of, or else the one that has the pin.
func (e *Enroller) authorities(ctx context.Context) ([]*x509.Certificate, error) {
	cas := e.learned()
	if cas == nil {
		ca, err := e.authority(ctx)
		if err != nil {
			return nil, err
		}
		cas = []*x509.Certificate{ca}
	}
	e.trusted.set.Store(&cas)
	return cas, nil
}

// learned reads the CAs that the server of agent.ini's pin has told of before; nil when there are none.
func (e *Enroller) learned() []*x509.Certificate {
	text, err := os.ReadFile(e.store.Path(state.TrustFile))
	if err != nil {
		return nil
	}
	anchor, cas := parseTrust(text)
	switch {
	case len(cas) == 0:
		return nil
	case anchor == e.settings.CAPin:
		return cas
	case !slices.ContainsFunc(cas, func(ca *x509.Certificate) bool { return link.Pin(ca.Raw) == e.settings.CAPin }):
		return nil
	}
	// The same server, by the pin that its change of CAs has led to: what is remembered of it stays.
	if err := e.keepTrust(cas); err != nil {
		e.log.Warn("the server's CA certificates are not kept", "error", err)
		return nil
	}
	if e.store.Values().CAPin == anchor {
		if err := e.store.Update(func(v *state.Values) { v.CAPin = e.settings.CAPin }); err != nil {
			e.log.Error("the server's new pin is not remembered", "error", err)
		}
	}
	return cas
}

func parseTrust(text []byte) (anchor string, cas []*x509.Certificate) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		ca, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil || !ca.IsCA {
			return "", nil
		}
		if len(cas) > 0 && block.Headers[anchorHeader] != anchor {
			return "", nil
		}
		anchor = block.Headers[anchorHeader]
		cas = append(cas, ca)
	}
	return anchor, cas
}

// keepTrust writes CAs down, first for the agent itself and then for package managers.
func (e *Enroller) keepTrust(cas []*x509.Certificate) error {
	var own, plain bytes.Buffer
	for _, ca := range cas {
		_ = pem.Encode(&own, &pem.Block{Type: "CERTIFICATE", Headers: map[string]string{anchorHeader: e.settings.CAPin}, Bytes: ca.Raw}) // a buffer takes it
		_ = pem.Encode(&plain, &pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
	}
	if err := state.WriteFile(e.store.Path(state.TrustFile), own.Bytes(), 0o600); err != nil {
		return err
	}
	return state.WriteFile(e.settings.CAFile(), plain.Bytes(), 0o644)
}

// learn takes over the CAs that a server tells of which present ones vouch for. At least one of those must stay: whoever answers
// proved to be the server by one of them. What cannot be used changes nothing.
func (e *Enroller) learn(text string, present []*x509.Certificate) []*x509.Certificate {
	_, told := parseTrust([]byte(text))
	same := func(ca *x509.Certificate) bool { return slices.ContainsFunc(present, ca.Equal) }
	if len(told) == 0 || len(told) > maxCAs || len(told) == len(present) && !slices.ContainsFunc(told, func(ca *x509.Certificate) bool { return !same(ca) }) {
		return present
	}
	if !slices.ContainsFunc(told, same) {
		e.log.Error("the server tells of CAs that none of the present ones is among; they are not trusted")
		return present
	}
	if err := e.keepTrust(told); err != nil {
		e.log.Error("the server's CA certificates are not kept; it will tell of them again", "error", err)
		return present
	}
	e.trusted.set.Store(&told)
	e.log.Info("the server has other CA certificates", "before", len(present), "now", len(told))
	return told
}

// Learn is learn for who has an identity; changed says that connections have to be made anew.
func (e *Enroller) Learn(text string, current *Identity) (identity *Identity, changed bool) {
	cas := e.learn(text, current.CAs)
	if len(cas) == len(current.CAs) && !slices.ContainsFunc(cas, func(ca *x509.Certificate) bool { return !slices.ContainsFunc(current.CAs, ca.Equal) }) {
		return current, false
	}
	next := *current
	next.CAs = cas
	return &next, true
}

// ask looks whether there are other CAs by now: a host may wait for days, and must not miss a change of them.
func (e *Enroller) ask(ctx context.Context, cas []*x509.Certificate) {
	client := link.NewClient(serverTLS(cas))
	defer client.CloseIdleConnections()
	text, err := link.Get(ctx, client, e.handshakeURL(wire.PathCAs))
	if err != nil {
		return // an older server has none; one that does not answer is told of elsewhere
	}
	e.learn(string(text), cas)
}
