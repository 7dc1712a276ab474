package app

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestAClientThatDoesNotReadIsLetGo(t *testing.T) {
	const most = 200 * time.Millisecond
	ended := make(chan error, 1)
	s := httptest.NewServer(whileReading(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for {
			if _, err := w.Write(block); err != nil {
				ended <- err
				return
			}
		}
	}), most))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("it holds its connection for ever")
	}
}

func TestASlowClientGetsTheWhole(t *testing.T) {
	const most, pace, pieces = 3 * time.Second, 500 * time.Millisecond, 8
	next := make(chan struct{})
	s := httptest.NewServer(whileReading(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range pieces {
			<-next
			if _, err := io.WriteString(w, "x\n"); err != nil {
				t.Error(err)
			}
			w.(http.Flusher).Flush()
		}
	}), most))
	defer s.Close()
	go func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for range pieces {
			<-tick.C
			next <- struct{}{}
		}
	}()
	r, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	lines := 0
	for in := bufio.NewScanner(r.Body); in.Scan(); lines++ {
	}
	if lines != pieces {
		t.Errorf("of %d pieces %d arrived, though none came late", pieces, lines)
	}
}
