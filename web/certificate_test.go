package web

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
	"hostler/server/trust"
)

// serial is the serial number of a client's certificate.
func serial(t *testing.T, c *http.Client) string {
	t.Helper()
	der := c.Transport.(*http.Transport).TLSClientConfig.Certificates[0].Certificate[0]
	return serialOf(must[*x509.Certificate](t)(x509.ParseCertificate(der)))
}

func (s *server) revoke(body string) revokedReply {
	s.t.Helper()
	r := s.api(post, api+"/certificates/revoke", body)
	if r.status != http.StatusOK {
		s.t.Fatalf("the revocation answered %d %s", r.status, r.body)
	}
	var reply revokedReply
	r.json(s.t, &reply)
	return reply
}

// openConnection makes a connection as an agent keeps it, and one request on it, so that the server knows whose it is.
func (s *server) openConnection(c *http.Client) net.Conn {
	s.t.Helper()
	config := c.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "127.0.0.1"
	conn := must[*tls.Conn](s.t)(tls.Dial("tcp", s.secured.Listener.Addr().String(), config))
	s.t.Cleanup(func() { _ = conn.Close() })
	body := `{"hostname":"node1.lab.test"}`
	request := must[*http.Request](s.t)(http.NewRequestWithContext(s.t.Context(), post, s.secured.URL+wire.PathStatus, strings.NewReader(body)))
	if err := request.Write(conn); err != nil {
		s.t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(waitMost)); err != nil {
		s.t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 4096)); err != nil || n == 0 {
		s.t.Fatalf("the connection does not serve: %v", err)
	}
	return conn
}

// cut waits for a connection's end.
func cut(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the connection is still open")
	}
}

func TestAttackRevokedCertificateWithinTheCacheTime(t *testing.T) {
	s := newServer(t)
	c, id := s.register("node1.lab.test")
	other, _ := s.register("node2.lab.test")
	reply := s.revoke(toJSON(t, trust.RevokeRequest{Hosts: []string{"Node1.lab.test."}}))
	if len(reply.Revoked) != 1 || reply.Revoked[0].State != db.CertificateRevoked || reply.Revoked[0].RevokedBy != "token:ci" {
		t.Fatalf("revoked is %+v", reply)
	}
	c.CloseIdleConnections() // they were cut; the client may not know it yet
	for _, r := range routes {
		if r.on != secured || r.path == wire.PathWake {
			continue
		}
		got := send(t, c, r.method, s.secured.URL+concrete(r), strings.NewReader(`{"hostname":"node1.lab.test"}`), nil)
		if got.status != http.StatusForbidden || got.failure(t).Code != "certificate_revoked" {
			t.Errorf("%s answered a revoked certificate with %d %s", r.path, got.status, got.body)
		}
	}
	s.beat(other, "node2.lab.test")
	events := s.events(event.CertificateRevoked)
	if len(events) != 1 || events[0].Actor != "token:ci" || events[0].HostID == nil || *events[0].HostID != id || events[0].Params["serial"] != reply.Revoked[0].Serial {
		t.Errorf("recorded are %+v", events)
	}
	if again := s.revoke(`{"hosts":["node1.lab.test"]}`); len(again.Revoked) != 0 || len(s.events(event.CertificateRevoked)) != 1 {
		t.Errorf("a second time it revoked %+v", again)
	}
}

func TestAttackRevokedCertificateOnAnOpenConnection(t *testing.T) {
	s := newServer(t)
	c, _ := s.register("node1.lab.test")
	other, _ := s.register("node2.lab.test")
	conn := s.openConnection(c)
	_, told := s.openWake(c)
	_, otherTold := s.openWake(other)
	for _, channel := range []<-chan error{told, otherTold} {
		if err := woken(t, channel); err != nil {
			t.Fatal(err)
		}
	}
	s.revoke(`{"serials":["` + strings.ToUpper(serial(t, c)) + `"]}`)
	cut(t, conn)
	if err := woken(t, told); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("the wake channel ended with %v", err)
	}
	dialer := websocket.Dialer{TLSClientConfig: c.Transport.(*http.Transport).TLSClientConfig}
	_, answer, err := dialer.DialContext(t.Context(), "wss"+strings.TrimPrefix(s.secured.URL, "https")+wire.PathWake, nil)
	if err == nil || answer == nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("it opened a new one: %v, %v", answer, err)
	}
	if answer != nil {
		_ = answer.Body.Close()
	}
	if len(otherTold) != 0 {
		t.Error("another host's channel ended, too")
	}
}

// TestRevocationElsewhere is what a second server on the same bus and database does.
func TestRevocationElsewhere(t *testing.T) {
	s := newServer(t)
	c, _ := s.register("node1.lab.test")
	conn := s.openConnection(c)
	first := s.web.CA
	s.restart()
	if _, err := s.web.CA.Revoke(t.Context(), trust.RevokeRequest{Hosts: []string{"node1.lab.test"}}, "admin"); err != nil {
		t.Fatal(err)
	}
	cut(t, conn)
	if first.CheckRevoked(serial(t, c)) == nil {
		t.Error("the first server still takes the certificate")
	}
}

func TestPeersAreForgotten(t *testing.T) {
	w := &Web{peers: newPeers()}
	l := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { w.peers.note(r.Context(), "1a") }))
	w.WatchSecured(l.Config)
	ended := make(chan struct{}, 10)
	tell := l.Config.ConnState
	l.Config.ConnState = func(c net.Conn, state http.ConnState) {
		tell(c, state)
		if state == http.StateClosed {
			ended <- struct{}{}
		}
	}
	l.Start()
	defer l.Close()
	known := func() (conns, serials int) {
		w.peers.mu.Lock()
		defer w.peers.mu.Unlock()
		return len(w.peers.serials), len(w.peers.conns)
	}
	for range 2 { // on one connection
		send(t, l.Client(), get, l.URL, nil, nil)
	}
	if conns, serials := known(); conns != 1 || serials != 1 {
		t.Fatalf("it knows %d connections of %d certificates", conns, serials)
	}
	l.Client().CloseIdleConnections()
	select {
	case <-ended:
	case <-time.After(waitMost):
		t.Fatal("the connection did not end")
	}
	if conns, serials := known(); conns+serials != 0 {
		t.Errorf("after its end it knows %d connections of %d certificates", conns, serials)
	}
}

func TestRevocationIsRefused(t *testing.T) {
	s := newServer(t)
	c, _ := s.register("node1.lab.test")
	for body, field := range map[string]string{
		`{}`: "hosts",
		`{"hosts":["node1.lab.test","node9.lab.test"]}`: "hosts",
		`{"hosts":["node1.lab.test"],"serials":["ff"]}`: "serials",
	} {
		r := s.api(post, api+"/certificates/revoke", body)
		if r.status != http.StatusUnprocessableEntity || r.failure(t).Fields[field] == "" {
			t.Errorf("%s answered %d %s", body, r.status, r.body)
		}
	}
	s.beat(c, "node1.lab.test")
	if r := s.api(get, api+"/certificates?state=good", ""); r.status != http.StatusBadRequest {
		t.Errorf("an unknown state answered %d %s", r.status, r.body)
	}
}

func TestCertificatesPageByKey(t *testing.T) {
	s := newServer(t)
	for _, name := range []string{"node3", "node1", "node2", "10.0.0.7"} {
		s.agent(name)
	}
	var names []string
	for next := ""; ; {
		var reply certificatesReply
		s.api(get, api+"/certificates?limit=2&state=valid&after="+next, "").json(t, &reply)
		for _, c := range reply.Items {
			names = append(names, c.Host)
		}
		if next = reply.Next; next == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "10.0.0.7 node1 node2 node3" {
		t.Errorf("the pages list %s", got)
	}
}

func TestTrustPage(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	if r := b.get("/trust"); !strings.Contains(r.body, "No certificates yet") {
		t.Errorf("the empty page answered %d", r.status)
	}
	c, _ := s.register("node1.lab.test")
	number := serial(t, c)
	path := "/trust/certificates/" + number + "/revoke"
	if r := b.get("/trust"); !strings.Contains(r.body, path) || !strings.Contains(r.body, "node1.lab.test") || !strings.Contains(r.body, s.web.CA.Pin()) {
		t.Errorf("the page shows no certificate to revoke: %d", r.status)
	}
	if r := b.get(path); r.status != http.StatusOK || !strings.Contains(r.body, "node1.lab.test will be cut off") {
		t.Errorf("the question answered %d", r.status)
	}
	s.beat(c, "node1.lab.test") // to look is to change nothing
	for range 2 {               // a double click
		if r := b.post(path, map[string][]string{"scope": {"host"}}); r.location() != "/trust?search=node1.lab.test" {
			t.Fatalf("the revocation answered %d %s", r.status, r.location())
		}
	}
	c.CloseIdleConnections() // it was cut; the client may not know it yet
	if r := send(t, c, post, s.secured.URL+wire.PathStatus, strings.NewReader(`{"hostname":"node1.lab.test"}`), nil); r.failure(t).Code != "certificate_revoked" {
		t.Errorf("the certificate answered %d %s", r.status, r.body)
	}
	if r := b.get("/trust?state=valid"); strings.Contains(r.body, path) {
		t.Error("a revoked certificate is listed as valid")
	}
	if r := b.get(path); strings.Contains(r.body, `name="scope"`) {
		t.Error("a revoked certificate can be revoked again")
	}
	events := s.events(event.CertificateRevoked)
	if len(events) != 1 || events[0].Actor != testUser {
		t.Errorf("recorded are %+v", events)
	}
}
