// Package trust is the internal certificate authority: its key and certificate, the certificates of servers
// and agents, and the tokens that admit an agent. It decides who an agent is; what the agent may do
// is decided elsewhere.
package trust

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"hostler/db"
)

// Lifetimes. Agents renew at two thirds of theirs.
const (
	caLifetime     = 10 * 365 * 24 * time.Hour
	agentLifetime  = 7 * 24 * time.Hour // unless SetLifetime says otherwise
	serverLifetime = 90 * 24 * time.Hour
	backdate       = 5 * time.Minute // hosts' clocks may be a little behind
)

// MaxClockSkew is how far a host's clock may be off before certificates fail it.
const MaxClockSkew = backdate

// CA signs certificates. Its files are DIR/ca.key (0600) and DIR/ca.pem.
type CA struct {
	db   *db.DB
	now  func() time.Time
	key  crypto.Signer
	cert *x509.Certificate
	pem  []byte

	admitting sync.Mutex // held from the choice of a serial number until its certificate is recorded
	denied    *denyList
	publish   func([]db.Denial) // tells other servers, see Follow

	lifetime time.Duration                  // of agents' certificates
	program  string                         // decides on hosts without a token; "" for none
	programs chan struct{}                  // holds one for each that runs
	told     func(context.Context, Verdict) // see OnVerdict
}

// OpenCA reads the authority in dir, or makes one at first start. now is the clock.
func OpenCA(d *db.DB, dir string, now func() time.Time) (*CA, error) {
	c := &CA{db: d, now: now, denied: newDenyList(), publish: func([]db.Denial) {}, told: func(context.Context, Verdict) {}, lifetime: agentLifetime}
	keyFile, certFile := filepath.Join(dir, "ca.key"), filepath.Join(dir, "ca.pem")
	_, err := os.Stat(certFile)
	if errors.Is(err, os.ErrNotExist) {
		err = c.create(dir, keyFile, certFile)
	}
	if err == nil {
		err = c.load(keyFile, certFile)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the certificate authority in %s: %w", dir, err)
	}
	return c, nil
}

func (c *CA) create(dir, keyFile, certFile string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	serial, err := newSerial()
	if err != nil {
		return err
	}
	now := c.now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Hostler CA " + serial.Text(16)[:8]},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(caLifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	// The certificate comes last: as long as it is missing, an interrupted first start begins anew.
	if err := writeFile(keyFile, pemBlock("PRIVATE KEY", keyDER), 0o600); err != nil {
		return err
	}
	return writeFile(certFile, pemBlock("CERTIFICATE", der), 0o644)
}

func (c *CA) load(keyFile, certFile string) error {
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	c.key, err = parseKey(keyPEM)
	if err != nil {
		return fmt.Errorf("%s: %w", keyFile, err)
	}
	c.pem, err = os.ReadFile(certFile)
	if err != nil {
		return err
	}
	c.cert, err = parseCertificate(c.pem)
	if err != nil {
		return fmt.Errorf("%s: %w", certFile, err)
	}
	public, ok := c.cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || !public.Equal(c.key.Public()) {
		return fmt.Errorf("%s does not belong to %s", keyFile, certFile)
	}
	return nil
}

// SetLifetime sets how long the certificates of agents live that are signed from now on. Call it before anything is served.
func (c *CA) SetLifetime(d time.Duration) { c.lifetime = d }

// PEM is the authority's certificate.
func (c *CA) PEM() []byte { return c.pem }

// Pin is the lower-case hex SHA-256 of the certificate's DER, by which a host that knows nothing yet tells
// that it talks to this authority.
func (c *CA) Pin() string {
	sum := sha256.Sum256(c.cert.Raw)
	return hex.EncodeToString(sum[:])
}

// Pool holds the authority's certificate alone.
func (c *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	return pool
}

// SignDigest signs the SHA-256 of something that hosts are to run, for those who trust the authority alone: base64 of an
// ASN.1 ECDSA signature.
func (c *CA) SignDigest(digest [sha256.Size]byte) (string, error) {
	signature, err := c.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("cannot sign a digest: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// sign issues a certificate for a public key.
func (c *CA) sign(template *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, public, c.key)
	if err != nil {
		return nil, fmt.Errorf("cannot sign certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

func newSerial() (*big.Int, error) {
	limit := new(big.Int).Lsh(big.NewInt(1), 127)
	n, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return nil, err
	}
	return n.Add(n, limit), nil // a fixed length: RFC 5280 allows 20 octets, and it must be positive
}
