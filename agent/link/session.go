package link

import (
	"crypto/tls"
	"net/http"
	"sync"
)

// Session is the secured port of the server in use and the identity that is shown there. Report sets it; whatever
// needs a connection of its own looks it up here. Its methods may be called from any goroutine.
type Session struct {
	mu      sync.Mutex
	address string
	config  *tls.Config
	changed chan struct{}
}

// NewSession makes one that has no server yet.
func NewSession() *Session { return &Session{changed: make(chan struct{})} }

// Set makes the next connections ones to address ("host:port") with this configuration.
func (s *Session) Set(address string, config *tls.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.address == address && s.config == config {
		return
	}
	s.address, s.config = address, config
	close(s.changed)
	s.changed = make(chan struct{})
}

// Get returns where to connect to and how, and a channel that is closed when that changes. The address is empty
// while no server has answered.
func (s *Session) Get() (address string, config *tls.Config, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.address, s.config, s.changed
}

// Transfer returns a client for bodies of any length: it has no time limit for the whole, only for every silence
// before the answer. Close its idle connections when done with it.
func Transfer(config *tls.Config) *http.Client {
	client := NewClient(config)
	client.Timeout = 0
	if transport, ok := client.Transport.(*http.Transport); ok {
		transport.ResponseHeaderTimeout = exchangeTimeout
	}
	return client
}
