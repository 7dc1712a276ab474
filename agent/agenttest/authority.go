package agenttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"hostler/agent/link"
)

// Authority is a CA that exists as long as its test.
type Authority struct {
	Pin string // as agent.ini has it
	PEM []byte

	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// NewAuthority makes a CA.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "Hostler CA"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * 365 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.Pin = link.Pin(der)
	return a
}

// Sign signs a certificate request (PEM) for the named agent, valid for life from now on.
func (a *Authority) Sign(t testing.TB, csr []byte, agentSN string, life time.Duration) []byte {
	t.Helper()
	block, _ := pem.Decode(csr)
	if block == nil {
		t.Errorf("the certificate request is no PEM: %q", csr)
		return nil
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = request.CheckSignature()
	}
	if err != nil {
		t.Errorf("cannot use the certificate request: %v", err)
		return nil
	}
	der := a.sign(t, &x509.Certificate{
		Subject:     pkix.Name{CommonName: agentSN},
		DNSNames:    request.DNSNames,
		IPAddresses: request.IPAddresses,
		NotAfter:    time.Now().Add(life),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, request.PublicKey)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// ServerCertificate makes a certificate for servers on loopback.
func (a *Authority) ServerCertificate(t testing.TB) tls.Certificate {
	key := newKey(t)
	der := a.sign(t, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "hostler"},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter:    time.Now().Add(24 * 365 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, key.Public())
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Certificate is the CA's own.
func (a *Authority) Certificate() *x509.Certificate { return a.certificate }

func (a *Authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func (a *Authority) sign(t testing.TB, template *x509.Certificate, public any) []byte {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now()
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
	if err != nil {
		t.Errorf("cannot sign a certificate: %v", err)
	}
	return der
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// SignSum signs the sum of what agents are to run: base64 of an ASN.1 ECDSA signature.
func (a *Authority) SignSum(t testing.TB, sum []byte) string {
	t.Helper()
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, sum)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(signature)
}
