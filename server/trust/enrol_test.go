package trust_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/bearer"
	"hostler/server/trust"
)

func TestEnrol(t *testing.T) {
	r := newRig(t)
	task, draft := int64(3), int64(4)
	token := r.token(trust.TokenSpec{Hostname: "Node1.Lab.Test", Cluster: "lab", TaskID: &task, DraftID: &draft})
	if kept, err := r.db.EnrolToken(t.Context(), token); err == nil {
		t.Errorf("the token itself is in the database: %+v", kept)
	}
	key := newKey(t)
	reply, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{
		Hostname: " Node1.LAB.test. ", Token: token,
		CSR: request(t, key, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Node1.lab.test."}, DNSNames: []string{"NODE1.lab.test"}}),
	}, here)
	r.must(err)
	c := leaf(t, reply)
	if c.Subject.CommonName != reply.AgentSN || uuid.Validate(reply.AgentSN) != nil {
		t.Errorf("the common name is %q, the serial number %q", c.Subject.CommonName, reply.AgentSN)
	}
	if !key.PublicKey.Equal(c.PublicKey) || c.IsCA || len(c.DNSNames) != 1 || c.DNSNames[0] != "node1.lab.test" {
		t.Errorf("got %+v", c)
	}
	now := r.clock.Now()
	if !c.NotAfter.Equal(now.Add(7*day).Truncate(time.Second)) || now.Sub(c.NotBefore) < trust.MaxClockSkew {
		t.Errorf("it is valid from %s to %s", c.NotBefore, c.NotAfter)
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: r.ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: r.ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Error("an agent's certificate would do for a server")
	}
	if reply.CA != string(r.ca.PEM()) {
		t.Error("the answer lacks the authority's certificate")
	}
	record, err := r.ca.Identify(t.Context(), c)
	r.must(err)
	sum := sha256.Sum256(c.Raw)
	if record.AgentSN != reply.AgentSN || record.Hostname != "node1.lab.test" || record.Fingerprint != hex.EncodeToString(sum[:]) ||
		*record.TaskID != task || *record.DraftID != draft || record.Cluster != "lab" || !record.NotAfter.Equal(c.NotAfter) {
		t.Errorf("the record is %+v", record)
	}
}

func TestAnAddressIsANameToo(t *testing.T) {
	for _, address := range []string{"10.1.2.3", "2001:db8::1"} {
		r := newRig(t)
		csr := request(t, newKey(t), &x509.CertificateRequest{IPAddresses: []net.IP{net.ParseIP(address)}})
		reply, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: address, Token: r.token(trust.TokenSpec{Hostname: address}), CSR: csr}, here)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if c := leaf(t, reply); len(c.DNSNames) > 0 || len(c.IPAddresses) != 1 || c.IPAddresses[0].String() != address {
			t.Errorf("%s became the names %v and the addresses %v", address, c.DNSNames, c.IPAddresses)
		}
	}
}

func TestEnrolRefusesTokens(t *testing.T) {
	r := newRig(t)
	used := r.token(trust.TokenSpec{})
	r.enrol("node9.lab.test", "", used)
	short := r.token(trust.TokenSpec{Lifetime: time.Minute})
	r.clock.Advance(time.Minute)
	for name, c := range map[string]struct{ token, code, says string }{
		"none":          {"", "approval_pending", "waits for somebody"},
		"invented":      {bearer.New(), "token_unknown", "does not know"},
		"expired":       {short, "token_expired", "expired at"},
		"used up":       {used, "token_used", "used already"},
		"another's":     {r.token(trust.TokenSpec{Hostname: "node2.lab.test"}), "token_scope", "is for node2.lab.test, not for node1.lab.test"},
		"its hash":      {bearer.Hash(r.token(trust.TokenSpec{})), "token_unknown", "does not know"},
		"with a prefix": {"x" + r.token(trust.TokenSpec{}), "token_unknown", "does not know"},
	} {
		_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1.lab.test", Token: c.token, CSR: request(t, newKey(t), nil)}, here)
		if code(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %q %v, want %s", name, code(err), err, c.code)
		}
	}
}

// TestAttackRequestsForMore asks for another host's certificate, and for what no agent has.
func TestAttackRequestsForMore(t *testing.T) {
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	factors, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := request(t, newKey(t), nil)
	asking := func(template x509.CertificateRequest) string { return request(t, newKey(t), &template) }
	keyed := func(key crypto.Signer) string { return request(t, key, nil) }
	extended := func(id string, value any) string {
		der, err := asn1.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var oid asn1.ObjectIdentifier
		for word := range strings.SplitSeq(id, ".") {
			n, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			oid = append(oid, n)
		}
		return asking(x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: oid, Value: der}}})
	}
	r := newRig(t)
	token := r.token(trust.TokenSpec{})
	for name, c := range map[string]struct{ csr, says string }{
		"another host's name":        {asking(x509.CertificateRequest{DNSNames: []string{"node1.lab.test", "node2.lab.test"}}), "another host's name: node2.lab.test"},
		"another host's common name": {asking(x509.CertificateRequest{Subject: pkix.Name{CommonName: "node2.lab.test"}}), "another host's name: node2.lab.test"},
		"CA rights":                  {extended("2.5.29.19", asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: []byte{1, 1, 0xff}}), "extension that agents do not have: 2.5.29.19"},
		"a key for certificates":     {extended("2.5.29.15", asn1.BitString{Bytes: []byte{4}, BitLength: 6}), "extension that agents do not have: 2.5.29.15"},
		"a server's certificate":     {extended("2.5.29.37", []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 1}}), "extension that agents do not have: 2.5.29.37"},
		"an unknown extension":       {extended("1.2.3.4", 1), "extension that agents do not have: 1.2.3.4"},
		"a name of another kind":     {extended("2.5.29.17", []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 8, Bytes: []byte{0x2a, 3}}}), "no host names"},
		"names that are none":        {extended("2.5.29.17", "node1.lab.test"), "cannot be read"},
		"any name":                   {asking(x509.CertificateRequest{DNSNames: []string{"*.lab.test"}}), "another host's name"},
		"another host's address":     {asking(x509.CertificateRequest{IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}}), "another host's address: 10.0.0.1"},
		"a person's address":         {asking(x509.CertificateRequest{EmailAddresses: []string{"a@lab.test"}}), "no host names"},
		"a URI":                      {asking(x509.CertificateRequest{URIs: []*url.URL{{Scheme: "spiffe", Host: "lab.test"}}}), "no host names"},
		"RSA":                        {keyed(factors), "not ECDSA"},
		"Ed25519":                    {keyed(edwards), "not ECDSA"},
		"a weak curve":               {keyed(weak), "not ECDSA"},
		"a wrong signature":          {tamper(t, good), "possession"},
		"too large":                  {asking(x509.CertificateRequest{Subject: pkix.Name{CommonName: strings.Repeat("x", 9000)}}), "too large"},
		"empty":                      {"", "not a PEM"},
		"garbage":                    {"garbage", "not a PEM"},
		"garbage in PEM":             {encode("CERTIFICATE REQUEST", []byte("garbage")), "cannot be read"},
		"a certificate":              {string(r.ca.PEM()), "not a PEM"},
	} {
		_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1.lab.test", Token: token, CSR: c.csr}, here)
		if code(err) != "csr_invalid" || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %q %v, want %q", name, code(err), err, c.says)
		}
	}
	if n := r.usesLeft(token); n != 1 {
		t.Errorf("refused requests used the token; it has %d uses left", n)
	}
}

func TestEnrolRefusesNames(t *testing.T) {
	r := newRig(t)
	token := r.token(trust.TokenSpec{})
	for _, name := range []string{"", " . ", strings.Repeat("x", 254), "nöde1.lab.test", "node1 lab", "node1\n[agent]", "<b>node1</b>", "a/b", "--help"} {
		_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: name, Token: token, CSR: request(t, newKey(t), nil)}, here)
		if code(err) != "csr_invalid" || !strings.Contains(err.Error(), "host name") {
			t.Errorf("%q: got %q %v", name, code(err), err)
		}
	}
	if n := r.usesLeft(token); n != 1 {
		t.Errorf("refused names used the token; it has %d uses left", n)
	}
}

// tamper changes the last bit of a request's signature.
func tamper(t *testing.T, csr string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(csr))
	if block == nil {
		t.Fatal("no request in PEM")
	}
	block.Bytes[len(block.Bytes)-1] ^= 1
	return encode(block.Type, block.Bytes)
}

func TestSerialNumbers(t *testing.T) {
	const mine, other = "7f7f6c2e-4a51-4c0e-9a0b-0f6f8f1f0a01", "7f7f6c2e-4a51-4c0e-9a0b-0f6f8f1f0a02"
	for name, c := range map[string]struct {
		host, holds string // a host that is registered already
		wish        string
		token       string // the name the token is for
		want        string // "" for a number that nobody had
	}{
		"a first one":                     {},
		"the wish":                        {wish: mine, want: mine},
		"the wish in capitals":            {wish: strings.ToUpper(mine), want: mine},
		"a wish that is no UUID":          {wish: "node1"},
		"its own, by a token for it":      {host: "node1", holds: mine, wish: mine, token: "node1", want: mine},
		"its own, by a token for anybody": {host: "node1", holds: mine, wish: mine},
		"another host's":                  {host: "node2", holds: other, wish: other},
		"another host's, with its token":  {host: "node2", holds: other, wish: other, token: "node1"},
		"given back by a token for it":    {host: "node1", holds: mine, token: "node1", want: mine},
		"given back instead of another's": {host: "node1", holds: mine, wish: "node1", token: "node1", want: mine},
		"not given to anybody":            {host: "node1", holds: mine},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if c.host != "" {
				r.host(c.host, c.holds)
			}
			reply, _ := r.enrol("node1", c.wish, r.token(trust.TokenSpec{Hostname: c.token}))
			if c.want != "" && reply.AgentSN != c.want {
				t.Errorf("got %s, want %s", reply.AgentSN, c.want)
			}
			if c.want == "" && (reply.AgentSN == c.wish || reply.AgentSN == c.holds || uuid.Validate(reply.AgentSN) != nil) {
				t.Errorf("got %q, want a new number", reply.AgentSN)
			}
		})
	}
}

func TestClonesGetTheirOwnNumbers(t *testing.T) {
	const disk = "7f7f6c2e-4a51-4c0e-9a0b-0f6f8f1f0a01"
	r := newRig(t)
	token := r.token(trust.TokenSpec{Uses: 20})
	var n atomic.Int32
	numbers := make(chan string, 10)
	for _, err := range atOnce(t.Context(), 10, func(ctx context.Context) error {
		name := fmt.Sprintf("clone%d", n.Add(1))
		reply, err := r.ca.Enrol(ctx, wire.EnrollRequest{Hostname: name, AgentSN: disk, Token: token, CSR: request(t, newKey(t), nil)}, here)
		numbers <- reply.AgentSN
		return err
	}) {
		r.must(err)
	}
	close(numbers)
	seen := map[string]bool{}
	for sn := range numbers {
		seen[sn] = true
	}
	if len(seen) != 10 || !seen[disk] {
		t.Errorf("ten clones of one disk got %d numbers", len(seen))
	}
}

func TestNameAndNumberProveNothing(t *testing.T) {
	for _, registered := range []bool{false, true} {
		r := newRig(t)
		token, key := r.token(trust.TokenSpec{Uses: 9}), newKey(t)
		ask := func(hostname, sn, token string, key *ecdsa.PrivateKey) string {
			reply, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: hostname, AgentSN: sn, Token: token, CSR: request(t, key, nil)}, here)
			r.must(err)
			return reply.AgentSN
		}
		sn := ask("node1", "", token, key)
		if registered {
			r.host("node1", sn)
		}
		if got := ask("node1", sn, token, newKey(t)); got == sn {
			t.Errorf("registered %t: who knows a host's name and number becomes that host", registered)
		}
		if got := ask("node2", sn, token, key); got == sn {
			t.Errorf("registered %t: a key is good for another name", registered)
		}
		if got := ask("node1", sn, r.token(trust.TokenSpec{}), key); got != sn {
			t.Errorf("registered %t: the host's own key and another token got it %s", registered, got)
		}
		if got := ask("node1", sn, r.token(trust.TokenSpec{Hostname: "node1"}), newKey(t)); got != sn {
			t.Errorf("registered %t: a token for the host got it %s", registered, got)
		}
	}
}

func TestNumberIsFreeAfterTheCertificate(t *testing.T) {
	r := newRig(t)
	token := r.token(trust.TokenSpec{Uses: 2, Lifetime: 60 * day})
	first, _ := r.enrol("node1", "", token)
	r.clock.Advance(8 * day)
	if renamed, _ := r.enrol("node2", first.AgentSN, token); renamed.AgentSN != first.AgentSN {
		t.Errorf("a number that nobody can use is not given away: %s", renamed.AgentSN)
	}
}

func TestOneUseAdmitsOne(t *testing.T) {
	r := newRig(t)
	token := r.token(trust.TokenSpec{Uses: 1})
	admitted := 0
	for _, err := range atOnce(t.Context(), 10, func(ctx context.Context) error {
		csr := request(t, newKey(t), nil)
		_, err := r.ca.Enrol(ctx, wire.EnrollRequest{Hostname: "node1.lab.test", Token: token, CSR: csr}, here)
		return err
	}) {
		switch {
		case err == nil:
			admitted++
		case code(err) != "token_used":
			t.Error(err)
		}
	}
	if admitted != 1 {
		t.Errorf("a token for one host admitted %d", admitted)
	}
}

func TestManyUses(t *testing.T) {
	r := newRig(t)
	token := r.token(trust.TokenSpec{Uses: 3})
	numbers := map[string]bool{}
	for _, name := range []string{"node1", "node2", "node3"} {
		reply, _ := r.enrol(name, "", token)
		numbers[reply.AgentSN] = true
	}
	if len(numbers) != 3 || r.usesLeft(token) != 0 {
		t.Errorf("three hosts got %v, %d uses are left", numbers, r.usesLeft(token))
	}
}

func TestTokenAdmitsOrKeepsItsUse(t *testing.T) {
	r := newRig(t)
	token, csr := r.token(trust.TokenSpec{Hostname: "node1"}), request(t, newKey(t), nil)
	allow := dbtest.Refuse(t, r.url, "INSERT", "certificates", "TRUE")
	if _, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1", Token: token, CSR: csr}, here); err == nil {
		t.Fatal("a host was admitted without a record")
	}
	if n := r.usesLeft(token); n != 1 {
		t.Errorf("a token that admitted nobody has %d uses left", n)
	}
	allow()
	r.enrol("node1", "", token)
}

func TestTokensOfADraftEnd(t *testing.T) {
	r := newRig(t)
	draft, other := int64(4), int64(5)
	ended, kept := r.token(trust.TokenSpec{DraftID: &draft, Uses: 2}), r.token(trust.TokenSpec{DraftID: &other, Uses: 2})
	admitted, _ := r.enrol("node1", "", ended)
	r.must(r.ca.EndTokens(t.Context(), draft))
	_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node2", Token: ended, CSR: request(t, newKey(t), nil)}, here)
	if code(err) != "token_ended" {
		t.Errorf("a token that was ended: %v", err)
	}
	r.enrol("node3", "", kept)
	if _, err := r.ca.Identify(t.Context(), leaf(t, admitted)); err != nil {
		t.Errorf("a host that came in time: %v", err)
	}
}

func TestRenew(t *testing.T) {
	r := newRig(t)
	task := int64(5)
	reply, old := r.enrol("node1.lab.test", "", r.token(trust.TokenSpec{TaskID: &task, Cluster: "lab"}))
	record, err := r.ca.Identify(t.Context(), old)
	r.must(err)
	r.clock.Advance(3 * day)
	if _, err := r.ca.Renew(t.Context(), record, wire.RenewRequest{CSR: request(t, newKey(t), nil)}); code(err) != "too_early" {
		t.Errorf("a renewal in the first half of the certificate's life: %v", err)
	}
	r.clock.Advance(2 * day)
	key := newKey(t)
	renewed, err := r.ca.Renew(t.Context(), record, wire.RenewRequest{CSR: request(t, key, nil)})
	r.must(err)
	c := leaf(t, renewed)
	if renewed.AgentSN != reply.AgentSN || c.Subject.CommonName != reply.AgentSN || !key.PublicKey.Equal(c.PublicKey) {
		t.Errorf("the renewed certificate is %+v", c)
	}
	if !c.NotAfter.Equal(r.clock.Now().Add(7 * day).Truncate(time.Second)) {
		t.Errorf("it ends at %s", c.NotAfter)
	}
	next, err := r.ca.Identify(t.Context(), c)
	r.must(err)
	if next.Hostname != "node1.lab.test" || *next.TaskID != task || next.Cluster != "lab" || next.Serial == record.Serial {
		t.Errorf("the record is %+v", next)
	}
	if again, err := r.ca.Identify(t.Context(), old); err != nil || again.Serial != record.Serial {
		t.Errorf("the old certificate ended before its time: %v", err)
	}
	_, err = r.ca.Renew(t.Context(), record, wire.RenewRequest{
		CSR: request(t, newKey(t), &x509.CertificateRequest{DNSNames: []string{"node2.lab.test"}}),
	})
	if code(err) != "csr_invalid" {
		t.Errorf("a renewal for another host: %v", err)
	}
}

func TestIdentifyRefusesUnknownAndRevoked(t *testing.T) {
	r := newRig(t)
	elsewhere := &rig{T: t, db: dbtest.Open(t), dir: r.dir, clock: r.clock}
	elsewhere.ca = elsewhere.open(elsewhere.db)
	_, c := elsewhere.enrol("node1.lab.test", "", elsewhere.token(trust.TokenSpec{}))
	if _, err := r.ca.Identify(t.Context(), c); code(err) != "certificate_unknown" {
		t.Errorf("a certificate without a record: %v", err)
	}
	now := r.clock.Now()
	r.must(r.db.CreateCertificate(t.Context(), &db.Certificate{
		Serial: c.SerialNumber.Text(16), AgentSN: c.Subject.CommonName, Hostname: "node1.lab.test",
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, RevokedAt: &now, CreatedAt: now,
	}))
	if _, err := r.ca.Identify(t.Context(), c); code(err) != "certificate_revoked" {
		t.Errorf("a revoked certificate: %v", err)
	}
}

func TestLostAnswerIsGivenAgain(t *testing.T) {
	r := newRig(t)
	token, key := r.token(trust.TokenSpec{Hostname: "node1"}), newKey(t)
	ask := func(key *ecdsa.PrivateKey) (wire.EnrollReply, error) {
		csr := request(t, key, &x509.CertificateRequest{DNSNames: []string{"node1"}})
		return r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1", Token: token, CSR: csr}, here)
	}
	first, err := ask(key)
	r.must(err)
	again, err := ask(key)
	r.must(err)
	if again.AgentSN != first.AgentSN {
		t.Errorf("the second answer names %s, the first %s", again.AgentSN, first.AgentSN)
	}
	if _, err := ask(newKey(t)); code(err) != "token_used" {
		t.Errorf("another key with a used token: %v", err)
	}
}
