package trust_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/bearer"
	"hostler/internal/seal"
	"hostler/internal/testclock"
	"hostler/server/trust"
)

// masterKey seals the keys of all authorities in tests, so that one may be opened again.
var masterKey = seal.NewKey()

// here is where hosts come from, unless a test says otherwise.
var here = netip.MustParseAddr("192.0.2.7")

// rig is an authority with its parts.
type rig struct {
	*testing.T
	db    *db.DB
	url   string // of db
	dir   string
	clock *testclock.Clock
	ca    *trust.CA
}

func newRig(t *testing.T) *rig {
	t.Helper()
	url := dbtest.Migrated(t)
	r := &rig{T: t, db: dbtest.OpenURL(t, url), url: url, dir: t.TempDir(), clock: testclock.New(db.Now())}
	r.ca = r.open(r.db)
	return r
}

// open opens the rig's authority on a database.
func (r *rig) open(d *db.DB) *trust.CA {
	r.Helper()
	ca, err := trust.OpenCA(d, r.dir, masterKey, r.clock.Now)
	r.must(err)
	return ca
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// token makes a token that admits one host of any name for an hour, unless the spec says otherwise.
func (r *rig) token(s trust.TokenSpec) string {
	r.Helper()
	if s.Lifetime == 0 {
		s.Lifetime = time.Hour
	}
	token, err := r.ca.MintToken(r.Context(), s)
	r.must(err)
	return token
}

// usesLeft reads how many hosts a token still admits.
func (r *rig) tokenID(token string) int64 {
	r.Helper()
	t, err := r.db.EnrolToken(r.Context(), bearer.Hash(token))
	r.must(err)
	return t.ID
}

func (r *rig) usesLeft(token string) int {
	r.Helper()
	t, err := r.db.EnrolToken(r.Context(), bearer.Hash(token))
	r.must(err)
	return t.UsesLeft
}

// enrol admits a host with a new key and returns the answer and its certificate.
func (r *rig) enrol(name, wish, token string) (wire.EnrollReply, *x509.Certificate) {
	r.Helper()
	reply, err := r.ca.Enrol(r.Context(), wire.EnrollRequest{Hostname: name, AgentSN: wish, Token: token, CSR: request(r.T, newKey(r.T), nil)}, here)
	r.must(err)
	return reply, leaf(r.T, reply)
}

// host stores a registered host.
func (r *rig) host(name, sn string) {
	r.Helper()
	r.must(r.db.UpsertHost(r.Context(), &db.Host{AgentSN: sn, Name: name, State: db.HostHealthy}))
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// request makes a certificate request in PEM; nil asks for no names.
func request(t *testing.T, key crypto.Signer, template *x509.CertificateRequest) string {
	t.Helper()
	if template == nil {
		template = &x509.CertificateRequest{}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE REQUEST", der)
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func leaf(t *testing.T, r wire.EnrollReply) *x509.Certificate {
	t.Helper()
	c, err := parse(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parse(r wire.EnrollReply) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(r.Certificate))
	if block == nil {
		return nil, fmt.Errorf("no certificate in PEM: %q", r.Certificate)
	}
	return x509.ParseCertificate(block.Bytes)
}

// code is the code of a refusal, or "" for any other error.
func code(err error) string {
	var refused *wire.Error
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// atOnce runs do n times at once and returns what each got.
func atOnce(ctx context.Context, n int, do func(ctx context.Context) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { <-start; errs[i] = do(ctx) })
	}
	close(start)
	wg.Wait()
	return errs
}
