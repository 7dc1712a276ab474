package enroll

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"hostler/agent/link"
)

// Identity is what the agent proves itself with, and whom it proves it to.
type Identity struct {
	Certificate tls.Certificate     // Leaf is set
	CAs         []*x509.Certificate // one of them signed the server's certificate, that of agent.ini's pin or what took its place
	RenewAt     time.Time           // 2/3 of the certificate's life, later by up to 1/20 of it
}

// AgentSN is the serial number that the certificate carries.
func (id *Identity) AgentSN() string { return id.Certificate.Leaf.Subject.CommonName }

// TLS is a configuration for connections to the secured port. Each one has a session cache of its own,
// because a resumed session would go on being the certificate it began with.
func (id *Identity) TLS() *tls.Config {
	config := serverTLS(id.CAs)
	config.Certificates = []tls.Certificate{id.Certificate}
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	return config
}

// serverTLS trusts the given CAs and nothing else.
func serverTLS(cas []*x509.Certificate) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: link.Pool(cas)}
}

// load reads key and certificate from the one file they share, so that no crash can pair one with
// another's. It does not mind an expired certificate: the server's clock decides that, not the host's.
func load(path string, cas []*x509.Certificate) (*Identity, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate: %w", err)
	}
	return parse(text, cas)
}

// parse checks that certificate and key belong together and that one of the CAs signed the certificate for a client.
func parse(text []byte, cas []*x509.Certificate) (*Identity, error) {
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, fmt.Errorf("cannot use the certificate: %w", err)
	}
	between := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if certificate, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(certificate)
		}
	}
	leaf := pair.Leaf
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots:         link.Pool(cas),
		Intermediates: between,
		CurrentTime:   leaf.NotBefore,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot use the certificate: %w", err)
	}
	if leaf.Subject.CommonName == "" {
		return nil, errors.New("cannot use the certificate: it names no agent")
	}
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	renewAt := leaf.NotBefore.Add(life/3*2 + link.Jitter(life/20))
	return &Identity{Certificate: pair, CAs: cas, RenewAt: renewAt}, nil
}
