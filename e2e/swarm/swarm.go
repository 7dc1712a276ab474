// Package swarm plays agents, for benchmarks and load: each enrols with a token of its own, registers and
// sends heartbeats over the real protocol, but runs nothing and stores nothing. It is no test of the agent.
package swarm

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"hostler/agent/wire"
)

// Server is where the agents report.
type Server struct {
	Name      string                                                               // that its certificate is for
	Handshake int                                                                  // port
	Secured   int                                                                  // port
	CA        []byte                                                               // PEM
	Dial      func(ctx context.Context, network, address string) (net.Conn, error) `json:"-"`
}

// Agent is one that has enrolled and registered.
type Agent struct {
	server   Server
	client   *http.Client
	hostname string
	started  time.Time
}

// Applicant is a host with its key and the request for its certificate.
type Applicant struct {
	hostname string
	key      *ecdsa.PrivateKey
	csr      string // PEM
}

// Apply makes a host's key and its request.
func Apply(hostname string) (*Applicant, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: hostname}}, key)
	if err != nil {
		return nil, err
	}
	return &Applicant{hostname, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}))}, nil
}

// Join enrols a host with a token and registers it.
func Join(ctx context.Context, s Server, hostname, token string) (*Agent, error) {
	p, err := Apply(hostname)
	if err != nil {
		return nil, err
	}
	return p.Join(ctx, s, token)
}

// Join enrols the host with a token and registers it.
func (p *Applicant) Join(ctx context.Context, s Server, token string) (*Agent, error) {
	a := &Agent{server: s, hostname: p.hostname, started: time.Now()}
	request := wire.EnrollRequest{Hostname: p.hostname, Token: token, CSR: p.csr}
	var enrolled wire.EnrollReply
	first := a.newClient(nil)
	defer first.CloseIdleConnections()
	if err := a.post(ctx, first, s.Handshake, wire.PathEnroll, request, &enrolled); err != nil {
		return nil, fmt.Errorf("cannot enrol %s: %w", p.hostname, err)
	}
	block, _ := pem.Decode([]byte(enrolled.Certificate))
	if block == nil {
		return nil, errors.New("cannot enrol: the answer holds no certificate")
	}
	a.client = a.newClient(&tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: p.key})
	var registered wire.RegisterReply
	err := a.post(ctx, a.client, s.Secured, wire.PathRegister, wire.RegisterRequest{Hostname: p.hostname, AgentSN: enrolled.AgentSN}, &registered)
	if err != nil {
		return nil, fmt.Errorf("cannot register %s: %w", p.hostname, err)
	}
	return a, nil
}

// Beat sends one heartbeat.
func (a *Agent) Beat(ctx context.Context) error {
	now := time.Now()
	request := wire.StatusRequest{
		Hostname: a.hostname, Version: "swarm", Uptime: int64(now.Sub(a.started).Seconds()), Timestamp: now.Unix(), Step: 10,
		Agents: []wire.ChildAgent{},
	}
	var reply wire.StatusReply
	return a.post(ctx, a.client, a.server.Secured, wire.PathStatus, request, &reply)
}

// Hold keeps a connection open, on which the agent has reported once, until the server closes it. open is called when it is.
func (a *Agent) Hold(ctx context.Context, open func()) error {
	config := a.client.Transport.(*http.Transport).TLSClientConfig.Clone()
	address := net.JoinHostPort(a.server.Name, fmt.Sprint(a.server.Secured))
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	body := fmt.Sprintf(`{"hostname":%q,"step":10,"agents":[]}`, a.hostname)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+wire.PathStatus, strings.NewReader(body))
	if err != nil {
		return err
	}
	if err := r.Write(conn); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the heartbeat was answered with %s: %w", answer.Status, err)
	}
	open()
	if _, err := in.ReadByte(); err == nil {
		return errors.New("the server went on talking")
	}
	return nil
}

// Close ends the agent's connection.
func (a *Agent) Close() { a.client.CloseIdleConnections() }

func (a *Agent) newClient(cert *tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.server.CA)
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: a.server.Name}
	if cert != nil {
		config.Certificates = []tls.Certificate{*cert}
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DialContext: a.server.Dial}}
}

func (a *Agent) post(ctx context.Context, c *http.Client, port int, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	url := fmt.Sprintf("https://%s%s", net.JoinHostPort(a.server.Name, fmt.Sprint(port)), path)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode/100 != 2 {
		var e wire.ErrorReply
		if err := json.NewDecoder(answer.Body).Decode(&e); err != nil || e.Error.Message == "" {
			return fmt.Errorf("the server answered %s", answer.Status)
		}
		return &e.Error
	}
	return json.NewDecoder(answer.Body).Decode(out)
}
