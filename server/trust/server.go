package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// ServerCertificate gives TLS listeners a certificate for a set of names, made in memory and renewed before
// it ends and when another authority signs, so that no file can go stale.
type ServerCertificate struct {
	ca    *CA
	names []string

	mu     sync.Mutex
	cert   *tls.Certificate
	issuer *authority
}

// ServerCertificate returns certificates for names: DNS names and IP addresses.
func (c *CA) ServerCertificate(names []string) (*ServerCertificate, error) {
	s := &ServerCertificate{ca: c, names: names}
	_, err := s.Get(nil)
	return s, err
}

// Get is for tls.Config.GetCertificate.
func (s *ServerCertificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, signs := s.ca.now(), s.ca.inForce.Load().signs
	if s.cert != nil && s.issuer == signs && now.Before(s.cert.Leaf.NotAfter.Add(-serverLifetime/3)) {
		return s.cert, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make the server's key: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: s.names[0]},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(serverLifetime),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range s.names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	leaf, err := signs.sign(template, key.Public())
	if err != nil {
		return nil, err
	}
	s.cert = &tls.Certificate{Certificate: [][]byte{leaf.Raw, signs.cert.Raw}, PrivateKey: key, Leaf: leaf}
	s.issuer = signs
	return s.cert, nil
}

// NotAfter is when the certificate now in use ends.
func (s *ServerCertificate) NotAfter() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cert.Leaf.NotAfter
}

// LocalNames are the names and addresses that this machine may be called by: first, then "localhost" and the
// addresses of its interfaces.
func LocalNames(first ...string) []string {
	names := append(slices.Clone(first), "localhost", "127.0.0.1", "::1")
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
				names = append(names, n.IP.String())
			}
		}
	}
	unique := names[:0]
	for _, n := range names {
		if n != "" && !slices.Contains(unique, n) {
			unique = append(unique, n)
		}
	}
	return unique
}
