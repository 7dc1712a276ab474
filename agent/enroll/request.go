package enroll

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"hostler/agent/state"
)

// pinHeader names, in the file of a key, the server that it is for: no two servers get to see one key.
const pinHeader = "Server"

// request is a key pair and the certificate request made with it.
type request struct {
	key         []byte // PEM
	csr         []byte // PEM
	fingerprint string // of the public key: what a person compares
}

func newRequest(hostname string) (*request, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	return requestWith(key, hostname)
}

func requestWith(key *ecdsa.PrivateKey, hostname string) (*request, error) {
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the key: %w", err)
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: hostname}}
	if ip := net.ParseIP(hostname); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{hostname}
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("cannot make a certificate request: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("cannot encode the public key: %w", err)
	}
	return &request{
		fingerprint: fingerprint(public),
		key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
		csr:         pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}),
	}, nil
}

// keep checks the certificate that answers the request and writes it with its key to path.
func (r *request) keep(path, certificate string, cas []*x509.Certificate) (*Identity, error) {
	text := append(append([]byte{}, r.key...), certificate...)
	identity, err := parse(text, cas)
	if err != nil {
		return nil, err
	}
	if err := state.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	return identity, nil
}

// pending is the request that was begun before, perhaps before a restart, or a new one. The key is on the disk before
// the server sees it: whoever approves a host must not find it with another fingerprint after a restart.
func pending(path, pin, hostname string) (*request, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the key: %w", err)
	}
	if block, _ := pem.Decode(text); block != nil && block.Headers[pinHeader] == pin {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := key.(*ecdsa.PrivateKey); ok {
				return requestWith(key, hostname)
			}
		}
	}
	r, err := newRequest(hostname)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(r.key)
	block.Headers = map[string]string{pinHeader: pin}
	return r, state.WriteFile(path, pem.EncodeToMemory(block), 0o600)
}

// fingerprint writes the SHA-256 of a public key as people read it out: in capitals, two digits at a time.
func fingerprint(public []byte) string {
	sum := sha256.Sum256(public)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}
