package trust_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db/dbtest"
	"hostler/server/trust"
)

const day = 24 * time.Hour

func TestServerCertificateNamesAndRenewal(t *testing.T) {
	r := newRig(t)
	s, err := r.ca.ServerCertificate([]string{"hostler.example", "10.1.2.3", "::1"})
	r.must(err)
	first, err := s.Get(nil)
	r.must(err)
	for name, want := range map[string]bool{"hostler.example": true, "10.1.2.3": true, "::1": true, "other.example": false, "10.1.2.4": false} {
		_, err := first.Leaf.Verify(x509.VerifyOptions{DNSName: bracket(name), Roots: r.ca.Pool(), CurrentTime: r.clock.Now()})
		if (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(first.Certificate) != 2 {
		t.Errorf("the chain has %d certificates", len(first.Certificate))
	}
	if end := s.NotAfter(); !end.Equal(r.clock.Now().Add(90 * day).Truncate(time.Second)) {
		t.Errorf("it ends at %s", end)
	}
	r.clock.Advance(59 * day)
	if again, err := s.Get(nil); err != nil || again != first {
		t.Errorf("it was renewed while a third of its life was left: %v", err)
	}
	r.clock.Advance(2 * day)
	got := make(chan *tls.Certificate, 8)
	for _, err := range atOnce(t.Context(), 8, func(context.Context) error { c, err := s.Get(nil); got <- c; return err }) {
		r.must(err)
	}
	renewed := <-got
	if renewed == first || !renewed.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Error("it was not renewed at two thirds of its life")
	}
	for range 7 {
		if c := <-got; c != renewed {
			t.Error("connections at once got different certificates")
		}
	}
	if _, err := trust.OpenCA(r.db, r.dir, masterKey, r.clock.Now); err != nil {
		t.Error(err)
	}
}

// bracket makes x509 take a name for an address where it is one.
func bracket(name string) string {
	if net.ParseIP(name) != nil {
		return "[" + name + "]"
	}
	return name
}

func TestLocalNames(t *testing.T) {
	got := trust.LocalNames("hostler.example", "", "localhost")
	if got[0] != "hostler.example" {
		t.Errorf("the first of %v is not the one given first", got)
	}
	for _, want := range []string{"localhost", "127.0.0.1", "::1"} {
		if !slices.Contains(got, want) {
			t.Errorf("%v lacks %s", got, want)
		}
	}
	sorted := slices.Sorted(slices.Values(got))
	if len(slices.Compact(sorted)) != len(got) || slices.Contains(got, "") {
		t.Errorf("%v has an empty name or one twice", got)
	}
}

// secured is a listener as the server has it for heartbeats: it answers each client with the serial number
// that its certificate stands for.
func (r *rig) secured() net.Addr {
	r.Helper()
	cert, err := r.ca.ServerCertificate([]string{"localhost", "127.0.0.1"})
	r.must(err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13, GetCertificate: cert.Get, ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs: r.ca.Pool(), Time: r.clock.Now,
	})
	r.must(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.answer(c.(*tls.Conn))
		}
	}()
	r.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr()
}

func (r *rig) answer(c *tls.Conn) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if err := c.HandshakeContext(r.Context()); err != nil {
		return
	}
	who, err := r.ca.Identify(r.Context(), c.ConnectionState().PeerCertificates[0])
	if err != nil {
		_, _ = io.WriteString(c, code(err))
		return
	}
	_, _ = io.WriteString(c, who.AgentSN+" "+who.Hostname)
}

// call connects as an agent does and reads the answer.
func call(addr net.Addr, config *tls.Config) (string, error) {
	c, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: config}).Dial("tcp", addr.String())
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	answer, err := io.ReadAll(c)
	if err == nil && len(answer) == 0 {
		err = errors.New("the server said nothing")
	}
	return string(answer), err
}

// credentials enrols a host and returns what its agent connects with.
func (r *rig) credentials(name string) (*tls.Config, wire.EnrollReply) {
	r.Helper()
	key := newKey(r.T)
	reply, err := r.ca.Enrol(r.Context(), wire.EnrollRequest{Hostname: name, Token: r.token(trust.TokenSpec{}), CSR: request(r.T, key, nil)}, here)
	r.must(err)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: "localhost", RootCAs: r.ca.Pool(), Time: r.clock.Now,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf(r.T, reply).Raw}, PrivateKey: key}},
	}, reply
}

func TestBothSidesProveWhoTheyAre(t *testing.T) {
	r := newRig(t)
	addr := r.secured()
	config, reply := r.credentials("node1.lab.test")
	if got, err := call(addr, config); err != nil || got != reply.AgentSN+" node1.lab.test" {
		t.Fatalf("got %q: %v", got, err)
	}
	stranger, _ := newRig(t).credentials("node1.lab.test")
	elsewhere := &rig{T: t, db: dbtest.Open(t), dir: r.dir, clock: r.clock}
	elsewhere.ca = elsewhere.open(elsewhere.db)
	unrecorded, _ := elsewhere.credentials("node1.lab.test")
	if got, err := call(addr, unrecorded); err != nil || got != "certificate_unknown" {
		t.Errorf("a certificate that the database does not know: got %q, %v", got, err)
	}
	for name, change := range map[string]func(*tls.Config){
		"no certificate":                   func(c *tls.Config) { c.Certificates = nil },
		"a certificate of other authority": func(c *tls.Config) { c.Certificates = stranger.Certificates },
		"a server of another authority":    func(c *tls.Config) { c.RootCAs = stranger.RootCAs },
		"a server of another name":         func(c *tls.Config) { c.ServerName = "other.example" },
		"TLS 1.2":                          func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
	} {
		c := config.Clone()
		change(c)
		if got, err := call(addr, c); err == nil {
			t.Errorf("%s was answered %q", name, got)
		}
	}
	r.clock.Advance(8 * day)
	if got, err := call(addr, config); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired certificate: got %q, %v", got, err)
	}
}
