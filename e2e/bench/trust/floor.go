package main

import (
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
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"hostler/agent/wire"
	"hostler/e2e/swarm"
)

// bare is the peer that enrolments are measured beside: a server of Go's standard library that does what no server can
// leave out. It accepts the two TLS connections of a host, checks the signature of the request, signs the certificate and
// answers; it looks nothing up, decides nothing and keeps nothing. It is a process of its own, as "hostler serve" is:
// this program, called with bareWord.
type bare struct {
	cmd *exec.Cmd
	to  swarm.Server
}

const bareWord = "bare-server"

// startBare starts it and reads from it where it listens.
func startBare(ctx context.Context) (*bare, error) {
	b := &bare{cmd: exec.CommandContext(ctx, os.Args[0], bareWord)}
	b.cmd.Stderr = os.Stderr
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(out).Decode(&b.to); err != nil {
		b.stop()
		return nil, fmt.Errorf("the bare server does not start: %w", err)
	}
	return b, nil
}

func (b *bare) stop() {
	_ = b.cmd.Process.Kill() // it keeps nothing
	_ = b.cmd.Wait()         // it was killed
}

// authority is the bare server's CA.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  string
}

func newAuthority() (*authority, error) {
	a := &authority{}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	template := certificate("bare CA")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	a.cert, err = x509.ParseCertificate(der)
	return a, err
}

func certificate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// runBare is the bare server's process.
func runBare() error {
	a, err := newAuthority()
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := certificate("bare server")
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	identity := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	mux := http.NewServeMux()
	mux.HandleFunc(wire.PathEnroll, a.enrol)
	mux.HandleFunc(wire.PathRegister, register)
	to := swarm.Server{Name: "127.0.0.1", CA: []byte(a.pem)}
	failed := make(chan error, 2)
	for port, config := range map[*int]*tls.Config{
		&to.Handshake: {MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{identity}},
		&to.Secured:   {MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{identity}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots},
	} {
		l, err := tls.Listen("tcp", "127.0.0.1:0", config)
		if err != nil {
			return err
		}
		*port = l.Addr().(*net.TCPAddr).Port
		s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		go func() { failed <- s.Serve(l) }()
	}
	if err := json.NewEncoder(os.Stdout).Encode(to); err != nil {
		return err
	}
	return <-failed
}

func (a *authority) enrol(w http.ResponseWriter, r *http.Request) {
	var in wire.EnrollRequest
	reply, err := wire.EnrollReply{AgentSN: "bare", CA: a.pem}, json.NewDecoder(r.Body).Decode(&in)
	if err == nil {
		reply.Certificate, err = a.sign(in.CSR)
	}
	answer(w, reply, err)
}

func (a *authority) sign(csr string) (string, error) {
	block, _ := pem.Decode([]byte(csr))
	if block == nil {
		return "", errors.New("no request")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return "", err
	}
	if err := request.CheckSignature(); err != nil {
		return "", err
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate(request.Subject.CommonName), a.cert, request.PublicKey, a.key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), err
}

func register(w http.ResponseWriter, r *http.Request) {
	var in wire.RegisterRequest
	err := json.NewDecoder(r.Body).Decode(&in)
	answer(w, wire.RegisterReply{AgentSN: in.AgentSN, Step: 10}, err)
}

func answer(w http.ResponseWriter, reply any, err error) {
	if err == nil {
		err = json.NewEncoder(w).Encode(reply)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}
