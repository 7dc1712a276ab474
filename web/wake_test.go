package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"hostler/agent/wire"
	"hostler/db"
)

// openWake opens a host's wake channel as its agent does, and returns what comes of it.
func (s *server) openWake(c *http.Client) (*websocket.Conn, <-chan error) {
	s.t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: c.Transport.(*http.Transport).TLSClientConfig, HandshakeTimeout: waitMost}
	ws, answer, err := dialer.DialContext(s.t.Context(), "wss"+strings.TrimPrefix(s.secured.URL, "https")+wire.PathWake, nil)
	if err != nil {
		s.t.Fatalf("the channel was not opened: %v", err)
	}
	_ = answer.Body.Close()
	s.t.Cleanup(func() { _ = ws.Close() })
	told := make(chan error, 100)
	go func() {
		for {
			_, _, err := ws.ReadMessage()
			told <- err
			if err != nil {
				return
			}
		}
	}()
	return ws, told
}

// woken waits for one message of a channel, or its end.
func woken(t *testing.T, told <-chan error) error {
	t.Helper()
	select {
	case err := <-told:
		return err
	case <-time.After(waitMost):
		t.Fatal("nothing was told")
		return nil
	}
}

func TestAJobWakesItsHost(t *testing.T) {
	s := newServer(t)
	c, id := s.register("node1.lab.test")
	other, _ := s.register("node2.lab.test")
	_, told := s.openWake(c)
	_, otherTold := s.openWake(other)
	for what, channel := range map[string]<-chan error{"one": told, "the other": otherTold} {
		if err := woken(t, channel); err != nil { // what was queued before the channel was open
			t.Fatalf("%s: %v", what, err)
		}
	}
	if n := s.web.wakes.connections(); n != 2 {
		t.Errorf("%d channels are open", n)
	}
	job := must[*db.Job](t)(s.web.Jobs.Add(t.Context(), id, wire.Job{Action: wire.ActionStart, Name: "web"}, "admin"))
	if err := woken(t, told); err != nil {
		t.Fatal(err)
	}
	if jobs := s.beat(c, "node1.lab.test").Jobs; len(jobs) != 1 || jobs[0].ID != job.ID {
		t.Errorf("the host was woken for %+v", jobs)
	}
	if r := s.api(post, api+"/jobs/"+job.ID+"/cancel", "{}"); r.status != 200 {
		t.Fatal(r.body)
	}
	if err := woken(t, told); err != nil {
		t.Fatal(err)
	}
	if r := s.api(post, api+"/hosts/1/step", `{"step":20}`); r.status != 200 {
		t.Fatal(r.body)
	}
	if err := woken(t, told); err != nil {
		t.Fatal(err)
	}
	if len(otherTold) != 0 {
		t.Error("another host was woken, too")
	}
}

func TestANewerChannelReplacesTheOlder(t *testing.T) {
	s := newServer(t)
	c, id := s.register("node1.lab.test")
	_, first := s.openWake(c)
	if err := woken(t, first); err != nil {
		t.Fatal(err)
	}
	_, second := s.openWake(c)
	if err := woken(t, second); err != nil {
		t.Fatal(err)
	}
	if err := woken(t, first); err == nil {
		t.Error("the older channel is still open")
	}
	s.web.Jobs.Wake(id)
	if err := woken(t, second); err != nil {
		t.Errorf("the newer one ended with the older: %v", err)
	}
}

func TestChannelsEndWithTheirCertificate(t *testing.T) {
	s := newServer(t)
	c, id := s.register("node1.lab.test")
	_, told := s.openWake(c)
	if err := woken(t, told); err != nil {
		t.Fatal(err)
	}
	s.web.wakes.mu.Lock()
	conn := s.web.wakes.conns[id]
	s.web.wakes.mu.Unlock()
	s.web.wakes.check(conn)
	s.web.Jobs.Wake(id)
	if err := woken(t, told); err != nil {
		t.Fatalf("a good certificate's channel ended: %v", err)
	}
	// The server no longer knows the certificate, since there is a later one: it is refused like one that was revoked.
	later := db.Now().AddDate(1, 0, 0)
	if err := s.db.CreateCertificate(t.Context(), &db.Certificate{Serial: "later", Hostname: "node1.lab.test", NotAfter: later, CreatedAt: later}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.db.DeleteCertificatesBefore(t.Context(), later, 10); n != 1 || err != nil {
		t.Fatalf("%d certificates are forgotten, %v", n, err)
	}
	s.web.agents.known = map[string]known{} // a minute later
	s.web.wakes.check(conn)
	if err := woken(t, told); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("the channel of such a certificate: %v", err)
	}
}

func TestChannelsEndWithTheServer(t *testing.T) {
	s := newServer(t)
	c, _ := s.register("node1.lab.test")
	_, told := s.openWake(c)
	if err := woken(t, told); err != nil {
		t.Fatal(err)
	}
	s.web.Close()
	if err := woken(t, told); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("it ended with %v", err)
	}
	if n := s.web.wakes.connections(); n != 0 {
		t.Errorf("%d channels are left", n)
	}
}

func TestAChannelNeedsARegisteredHost(t *testing.T) {
	s := newServer(t)
	c, _ := s.agent("node1.lab.test")
	dialer := websocket.Dialer{TLSClientConfig: c.Transport.(*http.Transport).TLSClientConfig}
	_, answer, err := dialer.DialContext(t.Context(), "wss"+strings.TrimPrefix(s.secured.URL, "https")+wire.PathWake, nil)
	if err == nil || answer.StatusCode != http.StatusConflict {
		t.Errorf("got %v, %v", answer, err)
	}
	if answer != nil {
		_ = answer.Body.Close()
	}
}
