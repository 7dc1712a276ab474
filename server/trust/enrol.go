package trust

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/audit"
)

// maxRequest bounds a CSR in bytes; a P-256 one has about 500.
const maxRequest = 8 << 10

// hostPattern holds what names and addresses are made of. It lets more pass than RFC 1123 does, because hosts
// that are installed by hand bring the name they have, but nothing that a certificate cannot carry or that a program would
// take for an option.
var hostPattern = regexp.MustCompile(`^[a-z0-9._:][a-z0-9._:-]{0,252}$`)

// Canonical is the form under which a host is known.
func Canonical(hostname string) string {
	return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(hostname), "."))
}

// Enrol admits an agent that comes from an address: it checks the request and the token and signs a certificate for the
// serial number that the agent asks for, or for a new one when it may not have that number. An agent without a token waits
// for a person. Refusals are *wire.Error, that of who waits is a *Waiting around one.
func (c *CA) Enrol(ctx context.Context, r wire.EnrollRequest, from netip.Addr) (wire.EnrollReply, error) {
	hostname := Canonical(r.Hostname)
	public, err := checkRequest(r.CSR, hostname)
	if err != nil {
		return wire.EnrollReply{}, err
	}
	by := claim{wish: r.AgentSN, hostname: hostname, keyHash: keyHash(public), machine: machineOf(r.Facts)}
	if r.Token == "" {
		return c.wait(ctx, r, public, by, from)
	}
	t, err := c.admit(ctx, r.Token, hostname, from)
	var refused *wire.Error
	if errors.As(err, &refused) && t != nil {
		return c.waitAllTheSame(ctx, r, by, from, t, refused)
	}
	if err != nil {
		return wire.EnrollReply{}, err
	}
	by.named = t.Hostname == hostname
	a := &admission{by: by, public: public, token: t}
	if err := c.admissions.Do(ctx, a); err != nil {
		return wire.EnrollReply{}, err
	}
	if a.refused != nil {
		return c.waitAllTheSame(ctx, r, by, from, t, a.refused)
	}
	return c.tell(ctx, a.record, a.text), nil
}

// Renew signs a new certificate for an agent that proved its identity with the old one. Before half of that one's
// life is over it is refused, so that an agent gone astray cannot fill the database.
func (c *CA) Renew(ctx context.Context, old *db.Certificate, r wire.RenewRequest) (wire.EnrollReply, error) {
	public, err := checkRequest(r.CSR, old.Hostname)
	if err != nil {
		return wire.EnrollReply{}, err
	}
	if early := old.NotBefore.Add(old.NotAfter.Sub(old.NotBefore) / 2); c.now().Before(early) && !c.wantsRenewal(old) {
		return wire.EnrollReply{}, &wire.Error{
			Code: "too_early", Message: "this certificate is to be renewed after " + early.Format(time.RFC3339) + ", not before",
			Hint: "check the host's clock",
		}
	}
	c.admitting.Lock()
	defer c.admitting.Unlock()
	if err := c.Check(old); err != nil {
		return wire.EnrollReply{}, err
	}
	return c.issue(ctx, public, old)
}

// checkReturn refuses a host that somebody has turned away, as far as it is known again: by its name, by its key, by its
// machine. The newest certificate of each decides. Only a token that was made since, and for just this name, says that
// a person wants it back.
func checkReturn(latest []db.Certificate, t *db.EnrolToken, by claim) error {
	for i := range latest {
		revoked := latest[i].RevokedAt
		if revoked == nil || by.named && t.CreatedAt.After(*revoked) {
			continue
		}
		return errTurnedAway(by, &latest[i])
	}
	return nil
}

func errTurnedAway(by claim, revoked *db.Certificate) error {
	message := fmt.Sprintf("the certificate of %s was revoked", revoked.Hostname)
	if revoked.Hostname != by.hostname {
		message += fmt.Sprintf(", and %s has its key or its machine id", by.hostname)
	}
	return &wire.Error{
		Code: "host_revoked", Message: message,
		Hint: "to take the host back, make a token for just this name, or bootstrap it again; a clone needs a machine id of its own",
	}
}

// machineOf is what a host says its machine id is; "" when it says nothing.
func machineOf(f *wire.Facts) string {
	if f == nil || len(f.MachineID) > 64 {
		return ""
	}
	return strings.ToLower(f.MachineID)
}

// Identify finds the record of a client certificate that TLS has verified already. Refusals are *wire.Error.
func (c *CA) Identify(ctx context.Context, leaf *x509.Certificate) (*db.Certificate, error) {
	r, err := c.db.Certificate(ctx, leaf.SerialNumber.Text(16))
	if errors.Is(err, db.ErrNotFound) {
		return nil, &wire.Error{Code: "certificate_unknown", Message: "the server has no record of this certificate", Hint: "enrol the host again"}
	}
	if err != nil {
		return nil, err
	}
	if r.RevokedAt != nil {
		return nil, errRevoked()
	}
	return r, nil
}

// claim is which serial number an agent asks for, and what speaks for its having it.
type claim struct {
	wish     string // as sent; any text
	hostname string
	keyHash  string // of the key that the request proves to be held
	machine  string // as the host says; "" when it says nothing
	named    bool   // a person wants just the host of this name: the token was made for it, or its request was chosen
}

// serialFor decides which serial number an agent gets: the one it asks for if that is a UUID that nobody holds, be
// it a registered host or an enrolled one, or that is its own. A host that lost its state (a new installation) gets
// its old number back if the token was made for its name, because then a person asked for just this host. taken are
// numbers that were given away and are not recorded yet.
func (c *CA) serialFor(ctx context.Context, by claim, taken map[string]bool) (string, error) {
	id, err := uuid.Parse(by.wish)
	if err == nil && !taken[id.String()] {
		by.wish = id.String()
		granted, err := c.grants(ctx, by)
		if err != nil {
			return "", err
		}
		if granted {
			return by.wish, nil
		}
	}
	if by.named {
		h, err := c.db.HostByName(ctx, by.hostname)
		if err == nil && !taken[h.AgentSN] {
			return h.AgentSN, nil
		}
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return "", err
		}
	}
	return uuid.NewString(), nil
}

// grants reports whether a host may have the serial number that it asks for. Name and number are no secrets: whoever
// sends those of a known host must also have its key, or a token that was made for it.
func (c *CA) grants(ctx context.Context, by claim) (bool, error) {
	proven, err := c.db.KeyCertified(ctx, by.wish, by.hostname, by.keyHash)
	if err != nil || proven {
		return proven, err
	}
	h, err := c.db.HostBySN(ctx, by.wish)
	if err == nil {
		return by.named && h.Name == by.hostname, nil
	}
	if !errors.Is(err, db.ErrNotFound) {
		return false, err
	}
	but := ""
	if by.named {
		but = by.hostname
	}
	held, err := c.db.SerialNumberHeld(ctx, by.wish, but, c.now())
	return !held, err
}

// issue signs a certificate for whom like names, and records it. c.admitting is held.
func (c *CA) issue(ctx context.Context, public *ecdsa.PublicKey, like *db.Certificate) (wire.EnrollReply, error) {
	record, text, err := c.certify(public, like)
	if err != nil {
		return wire.EnrollReply{}, err
	}
	// The record comes before the answer: a certificate that nobody recorded would be refused.
	if err := c.db.CreateCertificate(ctx, record); err != nil {
		return wire.EnrollReply{}, err
	}
	return c.tell(ctx, record, text), nil
}

// tell is the answer with a certificate that is recorded. The audit log is told of it.
func (c *CA) tell(ctx context.Context, record *db.Certificate, text string) wire.EnrollReply {
	audit.About(ctx, record.Hostname, nil, map[string]any{"agentsn": record.AgentSN, "serial": record.Serial, "token": record.TokenID})
	return wire.EnrollReply{AgentSN: record.AgentSN, Certificate: text, CA: string(c.Bundle())}
}

// keyHash tells public keys apart: hex SHA-256 of the SubjectPublicKeyInfo.
func keyHash(public *ecdsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil { // the key was parsed from just this form
		return ""
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// checkRequest takes the public key out of a CSR that asks for nothing but the host's own name.
func checkRequest(csr, hostname string) (*ecdsa.PublicKey, error) {
	invalid := func(why string) error {
		return &wire.Error{Code: "csr_invalid", Message: "the certificate request is refused: " + why, Hint: "install the agent that this server offers"}
	}
	if !hostPattern.MatchString(hostname) {
		return nil, invalid("the host name is empty, longer than 253 characters or no host name")
	}
	if len(csr) > maxRequest {
		return nil, invalid("it is too large")
	}
	block, _ := pem.Decode([]byte(csr))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, invalid("it is not a PEM certificate request")
	}
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, invalid("it cannot be read")
	}
	if err := r.CheckSignature(); err != nil {
		return nil, invalid("its signature does not prove possession of the key")
	}
	public, ok := r.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve.Params().BitSize < 256 {
		return nil, invalid("its key is not ECDSA with 256 bits or more")
	}
	if why := checkExtensions(r.Extensions); why != "" {
		return nil, invalid(why)
	}
	if name := r.Subject.CommonName; name != "" && Canonical(name) != hostname {
		return nil, invalid("it asks for another host's name: " + name)
	}
	for _, name := range r.DNSNames {
		if Canonical(name) != hostname {
			return nil, invalid("it asks for another host's name: " + name)
		}
	}
	for _, ip := range r.IPAddresses {
		if ip.String() != hostname {
			return nil, invalid("it asks for another host's address: " + ip.String())
		}
	}
	return public, nil
}

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// checkExtensions says what a request asks for besides the host's names, "" for nothing. The certificate would not have it
// in any case; whoever asks for it is no agent.
func checkExtensions(extensions []pkix.Extension) (why string) {
	for _, e := range extensions {
		if !e.Id.Equal(oidSubjectAltName) {
			return "it asks for an extension that agents do not have: " + e.Id.String()
		}
		if !namesHostsOnly(e.Value) {
			return "it asks for names that are no host names"
		}
	}
	return ""
}

// namesHostsOnly says whether a subjectAltName (RFC 5280, 4.2.1.6) has nothing but names and addresses of hosts. Others, of
// which crypto/x509 does not even tell some, are e-mail addresses, URIs, directory names, and whatever otherName holds.
func namesHostsOnly(subjectAltName []byte) bool {
	const dnsName, ipAddress = 2, 7
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(subjectAltName, &names); err != nil || len(rest) > 0 {
		return false
	}
	return !slices.ContainsFunc(names, func(n asn1.RawValue) bool {
		return n.Class != asn1.ClassContextSpecific || n.Tag != dnsName && n.Tag != ipAddress
	})
}
