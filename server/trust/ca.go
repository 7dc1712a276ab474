// Package trust is the internal certificate authority: its key and certificate, the certificates of servers
// and agents, and the tokens that admit an agent. It decides who an agent is; what the agent may do
// is decided elsewhere.
package trust

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"hostler/db"
	"hostler/internal/seal"
	"hostler/internal/together"
)

// Lifetimes. Agents renew at two thirds of theirs.
const (
	caLifetime     = 10 * 365 * 24 * time.Hour
	agentLifetime  = 7 * 24 * time.Hour // unless SetLifetime says otherwise
	serverLifetime = 90 * 24 * time.Hour
	backdate       = 5 * time.Minute // hosts' clocks may be a little behind
)

// present is what the files of the authority in force are called.
const present = "ca"

// MaxClockSkew is how far a host's clock may be off before certificates fail it.
const MaxClockSkew = backdate

// CA signs certificates. Its files are DIR/ca.key (0600, sealed) and DIR/ca.pem, and those of package file rotation.go.
type CA struct {
	db     *db.DB
	now    func() time.Time
	dir    string
	master seal.Key

	rotating sync.Mutex                  // held while the authorities change
	inForce  atomic.Pointer[authorities] // never nil

	admitting  sync.Mutex // held from the choice of a serial number until its certificate is recorded
	admissions *together.Group[*admission]
	denied     *denyList
	twins      *twins
	publish    func([]db.Denial) // tells other servers, see Follow

	lifetime time.Duration // of agents' certificates
	program  string        // decides on hosts without a token; "" for none
	programs chan struct{} // holds one for each that runs

	programTime time.Duration // that it has to decide

	renewals *pace                          // how many hosts are told to renew
	told     func(context.Context, Verdict) // see OnVerdict
}

// OpenCA reads the authority in dir, or makes one at first start. master seals its key; now is the clock.
func OpenCA(d *db.DB, dir string, master seal.Key, now func() time.Time) (*CA, error) {
	c := &CA{db: d, now: now, dir: dir, master: master, renewals: newPace(now, renewalsTogether, renewalsEach), denied: newDenyList(), twins: &twins{hosts: map[string]*lives{}}, publish: func([]db.Denial) {}, told: func(context.Context, Verdict) {}, lifetime: agentLifetime, programTime: programTime}
	c.admissions = together.New(c.admitAll)
	_, err := os.Stat(certFile(dir, present))
	if errors.Is(err, os.ErrNotExist) {
		err = makeAuthority(dir, present, master, now())
	}
	if err == nil {
		err = c.openAuthorities(context.Background())
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the certificate authority in %s: %w", dir, err)
	}
	return c, nil
}

// SetLifetime sets how long the certificates of agents live that are signed from now on. Call it before anything is served.
func (c *CA) SetLifetime(d time.Duration) { c.lifetime = d }

// PEM is the certificate of the authority that signs.
func (c *CA) PEM() []byte { return c.inForce.Load().signs.pem }

// Pin is the lower-case hex SHA-256 of that certificate's DER, by which a host that knows nothing yet tells
// that it talks to this authority.
func (c *CA) Pin() string { return c.inForce.Load().signs.pin }

// Pool holds the certificates of the authorities that are trusted. It is another one when they change, and never changed.
func (c *CA) Pool() *x509.CertPool { return c.inForce.Load().pool }

// Bundle is the certificates of the authorities that hosts are to trust, that of the one that signs first.
func (c *CA) Bundle() []byte { return c.inForce.Load().bundle }

// SignDigest signs the SHA-256 of something that hosts are to run, for those who trust the authority alone: base64 of an
// ASN.1 ECDSA signature.
func (c *CA) SignDigest(digest [sha256.Size]byte) (string, error) {
	signature, err := c.inForce.Load().signs.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("cannot sign a digest: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// sign issues a certificate for a public key.
func (a *authority) sign(template *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
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
