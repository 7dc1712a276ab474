package web

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
)

// peers knows which open connection of the secured port belongs to which certificate. Wake channels leave it: the hub
// has them.
type peers struct {
	mu      sync.Mutex
	serials map[net.Conn]string   // "" before the first request
	conns   map[string][]net.Conn // by serial number
}

func newPeers() *peers {
	return &peers{serials: map[net.Conn]string{}, conns: map[string][]net.Conn{}}
}

type connKey struct{}

// WatchSecured makes the server that serves Secured tell of its connections, so that those of a revoked certificate can
// be cut.
func (w *Web) WatchSecured(s *http.Server) {
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		w.peers.add(c)
		return context.WithValue(ctx, connKey{}, c)
	}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			w.peers.remove(c)
		}
	}
}

func (p *peers) add(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serials[c] = ""
}

// note says which certificate a request's connection showed. A connection has the same one as long as it lives.
func (p *peers) note(ctx context.Context, serial string) {
	c, ok := ctx.Value(connKey{}).(net.Conn)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, open := p.serials[c]; !open || known != "" {
		return
	}
	p.serials[c] = serial
	p.conns[serial] = append(p.conns[serial], c)
}

func (p *peers) remove(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	serial := p.serials[c]
	delete(p.serials, c)
	left := slices.DeleteFunc(p.conns[serial], func(other net.Conn) bool { return other == c })
	if len(left) == 0 {
		delete(p.conns, serial)
		return
	}
	p.conns[serial] = left
}

// cut closes the connections of certificates at once, and does not wait for what is being written there.
func (p *peers) cut(serials []string) {
	var found []net.Conn
	p.mu.Lock()
	for _, serial := range serials {
		found = append(found, p.conns[serial]...)
	}
	p.mu.Unlock()
	for _, c := range found {
		if secured, ok := c.(*tls.Conn); ok {
			c = secured.NetConn()
		}
		_ = c.Close() // an error says that it is closed already
	}
}
