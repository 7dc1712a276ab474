// Package agenttest is what the agent's tests talk to: a server with a CA of its own that speaks the agent
// protocol over real TLS on loopback, and a clock that the test moves. No product code imports it.
package agenttest

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"hostler/agent/link"
	"hostler/agent/wire"
)

// AgentSN is the serial number that the server gives to agents that do not ask for one.
const AgentSN = "bfdcc18c-b6b9-4725-9c47-37fd93dba5b6"

// Server answers on a handshake and a secured port. What arrives is put into the channels; a hook decides
// the answer, and where there is none the server grants what is asked. Set hooks before the agent runs.
type Server struct {
	CA        *Authority
	Handshake string // "127.0.0.1:port"
	Secured   string
	Life      time.Duration // of the certificates that it issues

	Enrols     chan wire.EnrollRequest
	Registers  chan wire.RegisterRequest
	Statuses   chan wire.StatusRequest
	Results    chan []wire.JobResult
	Renews     chan wire.RenewRequest
	Events     chan []wire.Event
	Outputs    chan []wire.OutputChunk
	Uploads    chan Upload
	Wakes      chan struct{}            // a wake channel has been opened
	Handshakes chan tls.ConnectionState // of secured connections

	OnEnrol    func(wire.EnrollRequest) error
	OnRegister func(wire.RegisterRequest) (wire.RegisterReply, error)
	OnStatus   func(wire.StatusRequest) (wire.StatusReply, error)
	OnResults  func([]wire.JobResult) (wire.ResultReply, error)
	OnRenew    func(wire.RenewRequest) error
	// OnAuthorities answers with the CAs to trust; without it there is just the server's.
	OnAuthorities func() []byte
	OnEvents      func([]wire.Event) (wire.ResultReply, error)
	OnOutput      func([]wire.OutputChunk) (wire.ResultReply, error)
	// OnFile answers GET for a job's file; without it there is none.
	OnFile func(w http.ResponseWriter, r *http.Request, job string)
	// OnUpload is called when a fetch begins to send, before its body is read.
	OnUpload func()
	// NoWake makes the server one that has no wake channel.
	NoWake bool

	t           testing.TB
	mu          sync.Mutex
	running     []*http.Server
	serving     sync.WaitGroup
	connections map[net.Conn]http.ConnState
	wakers      []*websocket.Conn
}

// NewServer starts a server that ends with its test.
func NewServer(t testing.TB, ca *Authority) *Server {
	t.Helper()
	s := &Server{
		CA: ca, Handshake: "127.0.0.1:0", Secured: "127.0.0.1:0", Life: 30 * 24 * time.Hour, t: t,
		connections: map[net.Conn]http.ConnState{},
		Enrols:      make(chan wire.EnrollRequest, 100),
		Registers:   make(chan wire.RegisterRequest, 100),
		Statuses:    make(chan wire.StatusRequest, 100),
		Results:     make(chan []wire.JobResult, 100),
		Renews:      make(chan wire.RenewRequest, 100),
		Events:      make(chan []wire.Event, 100),
		Outputs:     make(chan []wire.OutputChunk, 100),
		Uploads:     make(chan Upload, 100),
		Wakes:       make(chan struct{}, 100),
		Handshakes:  make(chan tls.ConnectionState, 100),
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start listens, again on the same ports after a Stop.
func (s *Server) Start() {
	s.t.Helper()
	certificate := s.CA.ServerCertificate(s.t)
	s.Handshake = s.serve(s.Handshake, s.handshake(), &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate},
	})
	s.Secured = s.serve(s.Secured, s.secured(), &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: s.CA.pool(),
		VerifyConnection: func(state tls.ConnectionState) error { s.Handshakes <- state; return nil },
	})
}

// Stop ends the server and every connection to it.
func (s *Server) Stop() {
	s.mu.Lock()
	running, wakers := s.running, s.wakers
	s.running, s.wakers = nil, nil
	s.mu.Unlock()
	for _, connection := range wakers {
		_ = connection.Close() // the agent may have closed it
	}
	for _, server := range running {
		_ = server.Close() // its listener may have failed already
	}
	s.serving.Wait()
}

// CloseIdle waits for a connection that no request is under way on and closes it, as a server does to idle ones.
func (s *Server) CloseIdle() {
	s.t.Helper()
	Eventually(s.t, "an idle connection", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for connection, state := range s.connections {
			if state == http.StateIdle {
				_ = connection.Close()
				return true
			}
		}
		return false
	})
}

func (s *Server) track(connection net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateClosed {
		delete(s.connections, connection)
		return
	}
	s.connections[connection] = state
}

func (s *Server) serve(address string, handler http.Handler, config *tls.Config) string {
	s.t.Helper()
	listener, err := new(net.ListenConfig).Listen(s.t.Context(), "tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	server := &http.Server{Handler: handler, TLSConfig: config, ConnState: s.track, ReadHeaderTimeout: time.Minute, ErrorLog: quiet}
	s.mu.Lock()
	s.running = append(s.running, server)
	s.mu.Unlock()
	s.serving.Go(func() {
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			s.t.Errorf("the server ended: %v", err)
		}
	})
	return listener.Addr().String()
}

// quiet drops what net/http has to say of connections that tests break.
var quiet = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

func (s *Server) handshake() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+wire.PathCA, func(w http.ResponseWriter, _ *http.Request) { s.write(w, s.CA.PEM) })
	mux.HandleFunc("GET "+wire.PathCAs, func(w http.ResponseWriter, _ *http.Request) {
		if s.OnAuthorities == nil {
			s.write(w, s.CA.PEM)
			return
		}
		s.write(w, s.OnAuthorities())
	})
	mux.HandleFunc("POST "+wire.PathEnroll, handle(s, s.Enrols, func(r *http.Request, ask wire.EnrollRequest) (wire.EnrollReply, error) {
		if s.OnEnrol != nil {
			if err := s.OnEnrol(ask); err != nil {
				return wire.EnrollReply{}, err
			}
		}
		return s.issue(ask.CSR, ask.AgentSN), nil
	}))
	return mux
}

func (s *Server) secured() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathRegister, handle(s, s.Registers, func(r *http.Request, ask wire.RegisterRequest) (wire.RegisterReply, error) {
		if s.OnRegister != nil {
			return s.OnRegister(ask)
		}
		return wire.RegisterReply{AgentSN: ask.AgentSN}, nil
	}))
	mux.HandleFunc("POST "+wire.PathStatus, handle(s, s.Statuses, func(r *http.Request, ask wire.StatusRequest) (wire.StatusReply, error) {
		if s.OnStatus != nil {
			return s.OnStatus(ask)
		}
		return wire.StatusReply{}, nil
	}))
	mux.HandleFunc("POST "+wire.PathJobResult, handle(s, s.Results, func(r *http.Request, ask []wire.JobResult) (wire.ResultReply, error) {
		if s.OnResults != nil {
			return s.OnResults(ask)
		}
		return wire.ResultReply{}, nil
	}))
	mux.HandleFunc("POST "+wire.PathEvents, handle(s, s.Events, func(r *http.Request, ask []wire.Event) (wire.ResultReply, error) {
		if s.OnEvents != nil {
			return s.OnEvents(ask)
		}
		return wire.ResultReply{}, nil
	}))
	mux.HandleFunc("POST "+wire.PathOutput, handle(s, s.Outputs, func(r *http.Request, ask []wire.OutputChunk) (wire.ResultReply, error) {
		if s.OnOutput != nil {
			return s.OnOutput(ask)
		}
		return wire.ResultReply{}, nil
	}))
	s.files(mux)
	mux.HandleFunc("GET "+wire.PathWake, s.openWake)
	mux.HandleFunc("POST "+wire.PathRenew, handle(s, s.Renews, func(r *http.Request, ask wire.RenewRequest) (wire.EnrollReply, error) {
		if s.OnRenew != nil {
			if err := s.OnRenew(ask); err != nil {
				return wire.EnrollReply{}, err
			}
		}
		return s.issue(ask.CSR, r.TLS.PeerCertificates[0].Subject.CommonName), nil
	}))
	return mux
}

func (s *Server) issue(csr, agentSN string) wire.EnrollReply {
	if agentSN == "" {
		agentSN = AgentSN
	}
	certificate := s.CA.Sign(s.t, []byte(csr), agentSN, s.Life)
	return wire.EnrollReply{AgentSN: agentSN, Certificate: string(certificate), CA: string(s.CA.PEM)}
}

func (s *Server) write(w io.Writer, body []byte) {
	if _, err := w.Write(body); err != nil {
		s.t.Logf("the agent did not wait for its answer: %v", err)
	}
}

// handle decodes a request, answers it and then tells the test; an error that is no *link.Refusal becomes
// a 500.
func handle[In, Out any](s *Server, arrived chan<- In, answer func(*http.Request, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&in); err != nil {
			s.t.Errorf("cannot decode a request to %s: %v", r.URL, err)
		}
		out, err := answer(r, in)
		status, reply := http.StatusOK, any(out)
		if err != nil {
			status, reply = http.StatusInternalServerError, nil
		}
		if refusal, ok := link.AsRefusal(err); ok {
			status, reply = refusal.Status, wire.ErrorReply{Error: refusal.Cause}
			if refusal.RetryAfter > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(int(refusal.RetryAfter.Seconds())))
			}
		}
		body, err := json.Marshal(reply)
		if err != nil {
			s.t.Errorf("cannot encode an answer: %v", err)
		}
		w.WriteHeader(status)
		s.write(w, body)
		arrived <- in
	}
}

// Refuse is a hook's refusal with a code.
func Refuse(status int, code string) *link.Refusal {
	return &link.Refusal{Status: status, Cause: wire.Error{Code: code, Message: "refused by the test", Hint: "none"}}
}
