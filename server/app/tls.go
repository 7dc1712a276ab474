package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"hostler/server/trust"
)

// ciphers are those of TLS 1.2 that authenticate what they encrypt; those of TLS 1.3 all do.
var ciphers = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// tlsFor gives a listener certificates of the internal authority that signs.
func (a *App) tlsFor() (*tls.Config, error) {
	cert, err := a.ca.ServerCertificate(trust.LocalNames(a.opts.Advertise))
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: ciphers, GetCertificate: cert.Get}, nil
}

// securedTLS wants certificates of clients, of the authorities that are trusted when the connection begins.
func (a *App) securedTLS(internal *tls.Config) *tls.Config {
	base := internal.Clone()
	base.MinVersion, base.ClientAuth, base.ClientCAs = tls.VersionTLS13, tls.RequireAndVerifyClientCert, a.ca.Pool()
	var mu sync.Mutex
	present := map[*x509.CertPool]*tls.Config{}
	outer := base.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool := a.ca.Pool()
		mu.Lock()
		defer mu.Unlock()
		c, ok := present[pool]
		if !ok {
			c = base.Clone()
			c.ClientCAs, c.NextProtos = pool, outer.NextProtos
			clear(present)
			present[pool] = c
		}
		return c, nil
	}
	return outer
}

// publicTLS takes the operator's certificate, or one of the internal authority.
func (a *App) publicTLS(internal *tls.Config) (*tls.Config, error) {
	c := internal.Clone()
	if a.opts.TLSCert == "" {
		return c, nil
	}
	var err error
	if a.given, err = openGiven(a.opts.TLSCert, a.opts.TLSKey, a.log); err != nil {
		return nil, err
	}
	c.GetCertificate = a.given.get
	return c, nil
}

// Reload reads again what an operator may have replaced: the certificate that was given.
func (a *App) Reload() {
	if a.given != nil {
		a.given.look(true)
	}
}

// lookEach is how often files are looked at, at most, to see whether they were replaced.
const lookEach = time.Second

// givenCertificate is an operator's certificate, read again when its files change. What cannot be used then is told, and the former
// one goes on serving.
type givenCertificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	cert   *tls.Certificate
	state  [2]fileState // of what was read last, of use or not
	looked time.Time
}

// fileState tells a file that was replaced or written.
type fileState struct {
	modified time.Time
	size     int64
}

func openGiven(certFile, keyFile string, log *slog.Logger) (*givenCertificate, error) {
	g := &givenCertificate{certFile: certFile, keyFile: keyFile, log: log}
	g.state, g.looked = g.stat(), time.Now()
	if err := g.read(); err != nil {
		return nil, fmt.Errorf("cannot use tls-cert and tls-key: %w", err)
	}
	return g, nil
}

func (g *givenCertificate) stat() (state [2]fileState) {
	for i, name := range []string{g.certFile, g.keyFile} {
		if info, err := os.Stat(name); err == nil {
			state[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return state
}

func (g *givenCertificate) read() error {
	cert, err := tls.LoadX509KeyPair(g.certFile, g.keyFile)
	if err == nil {
		g.cert = &cert
	}
	return err
}

// get is for tls.Config.GetCertificate.
func (g *givenCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	g.look(false)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cert == nil {
		return nil, errors.New("there is no certificate")
	}
	return g.cert, nil
}

// look reads the files again if they changed, or in any case.
func (g *givenCertificate) look(always bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if !always && now.Sub(g.looked) < lookEach {
		return
	}
	g.looked = now
	state := g.stat()
	if !always && state == g.state {
		return
	}
	g.state = state
	if err := g.read(); err != nil {
		g.log.Error("the certificate of pages and API is not replaced; the former one goes on serving", "file", g.certFile, "err", err)
		return
	}
	g.log.Info("the certificate of pages and API is replaced", "file", g.certFile, "expires", g.cert.Leaf.NotAfter)
}
