package link

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
)

// Pinned returns the first certificate in the PEM text whose pin is the given one, and its PEM block alone;
// nil when there is none. Whatever else the text holds is worth nothing.
func Pinned(text []byte, pin string) (*x509.Certificate, []byte) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" || Pin(block.Bytes) != pin {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err == nil && certificate.IsCA {
			return certificate, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})
		}
	}
	return nil, nil
}

// Pool holds the given certificates alone.
func Pool(certificates []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return pool
}

// ShortPin is the beginning of a certificate's pin, by which agent and server tell the CAs of one server apart.
func ShortPin(der []byte) string { return Pin(der)[:16] }

// Pin is the pin of a certificate: its DER's SHA-256 in lower-case hex.
func Pin(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
