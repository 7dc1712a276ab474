package agenttest

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"
	"time"

	"hostler/agent/link"
)

// Session is one of an enrolled agent with the server.
func (s *Server) Session(t testing.TB) *link.Session {
	t.Helper()
	key := newKey(t)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: AgentSN}}, key)
	if err != nil {
		t.Fatal(err)
	}
	request := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	block, _ := pem.Decode(s.CA.Sign(t, request, AgentSN, time.Hour))
	session := link.NewSession()
	session.Set(s.Secured, &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: s.CA.pool(),
		Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}},
	})
	return session
}
