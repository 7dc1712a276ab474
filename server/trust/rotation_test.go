package trust_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/trust"
)

// nobody is behind.
func nobody(string, string) trust.BehindError { return trust.BehindError{} }

// advance goes on from a stage and wants to be in another.
func (r *rig) advance(from, to trust.Stage) {
	r.Helper()
	got, err := r.ca.Advance(r.Context(), from, nobody, false)
	r.must(err)
	if got.Stage != to {
		r.Fatalf("from %s it went to %s, want %s", from, got.Stage, to)
	}
}

func (r *rig) back(from, to trust.Stage) {
	r.Helper()
	got, err := r.ca.Back(from)
	r.must(err)
	if got.Stage != to {
		r.Fatalf("back from %s it went to %s, want %s", from, got.Stage, to)
	}
}

func pins(t *testing.T, bundle []byte) (all []string) {
	t.Helper()
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		sum := sha256.Sum256(block.Bytes)
		all = append(all, string(sum[:]))
	}
	return all
}

// issuer is who signed a certificate, of the authority before and the one after.
func verifiedBy(c *x509.Certificate, pemText []byte, at time.Time) bool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pemText)
	_, err := c.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

func TestTheStagesOfARotation(t *testing.T) {
	r := newRig(t)
	server, err := r.ca.ServerCertificate([]string{"localhost"})
	r.must(err)
	shown := func() *x509.Certificate {
		c, err := server.Get(nil)
		r.must(err)
		return c.Leaf
	}
	oldPEM := r.ca.PEM()
	before := shown()

	r.advance(trust.StageNone, trust.StageStandby)
	newPin := r.ca.Rotation().New.Pin
	if r.ca.Pin() == newPin || len(pins(t, r.ca.Bundle())) != 1 || shown() != before {
		t.Error("a new authority that nobody knows yet changed something")
	}

	r.advance(trust.StageStandby, trust.StageTrusted)
	if !bytes.Equal(r.ca.PEM(), oldPEM) || len(pins(t, r.ca.Bundle())) != 2 || shown() != before {
		t.Error("the old one does not sign any more, or hosts are not told of both")
	}
	_, first := r.enrol("first.lab.test", "", r.token(trust.TokenSpec{}))
	if !verifiedBy(first, oldPEM, r.clock.Now()) {
		t.Error("a certificate was not signed by the old one")
	}

	r.advance(trust.StageTrusted, trust.StageSigning)
	if r.ca.Pin() != newPin || bytes.Equal(r.ca.PEM(), oldPEM) || pins(t, r.ca.Bundle())[0] != pins(t, r.ca.PEM())[0] || len(pins(t, r.ca.Bundle())) != 2 {
		t.Error("the new one is not the one that signs, or hosts are not told of both")
	}
	_, second := r.enrol("second.lab.test", "", r.token(trust.TokenSpec{}))
	for _, c := range []*x509.Certificate{second, shown()} {
		if verifiedBy(c, oldPEM, r.clock.Now()) || !verifiedBy(c, r.ca.PEM(), r.clock.Now()) {
			t.Error("a certificate was not signed by the new one")
		}
	}
	if record, err := r.ca.Identify(t.Context(), first); err != nil || r.ca.Check(record) != nil {
		t.Errorf("a certificate of the old one is refused while that is trusted: %v", err)
	}

	var cut []string
	defer r.ca.OnRevoked(func(serials []string) { cut = append(cut, serials...) })()
	r.advance(trust.StageSigning, trust.StageNone)
	if r.ca.Pin() != newPin || len(pins(t, r.ca.Bundle())) != 1 {
		t.Error("the old one is still there")
	}
	record, err := r.ca.Identify(t.Context(), first)
	r.must(err)
	if code(r.ca.Check(record)) != "certificate_untrusted" || len(cut) != 1 || cut[0] != serial(first) {
		t.Errorf("a certificate of the old one is not refused, or its connections were not cut: %v", cut)
	}
	if record, err = r.ca.Identify(t.Context(), second); err != nil || r.ca.Check(record) != nil {
		t.Errorf("a certificate of the new one is refused: %v", err)
	}
	if again := r.open(r.db); again.Pin() != newPin || again.Rotation().Stage != trust.StageNone {
		t.Error("a restart does not find the new one alone")
	}
	if files, err := os.ReadDir(r.dir); err != nil || len(files) != 2 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestARotationHasAWayBackAndOutlivesRestarts(t *testing.T) {
	r := newRig(t)
	oldPin := r.ca.Pin()
	stages := []trust.Stage{trust.StageNone, trust.StageStandby, trust.StageTrusted, trust.StageSigning}
	for i := range len(stages) - 1 {
		r.advance(stages[i], stages[i+1])
		r.back(stages[i+1], stages[i])
		if r.ca.Pin() != oldPin {
			t.Errorf("back in %s another authority signs", stages[i])
		}
		r.advance(stages[i], stages[i+1])
		pin, bundle := r.ca.Pin(), r.ca.Bundle()
		r.ca = r.open(r.db)
		if r.ca.Rotation().Stage != stages[i+1] || r.ca.Pin() != pin || !bytes.Equal(r.ca.Bundle(), bundle) {
			t.Errorf("after a restart it is in %s", r.ca.Rotation().Stage)
		}
	}
	_, signed := r.enrol("new.lab.test", "", r.token(trust.TokenSpec{}))
	r.back(trust.StageSigning, trust.StageTrusted)
	if record, err := r.ca.Identify(t.Context(), signed); err != nil || r.ca.Check(record) != nil {
		t.Errorf("what the new one has signed is refused while it is trusted: %v", err)
	}
	r.back(trust.StageTrusted, trust.StageStandby)
	r.back(trust.StageStandby, trust.StageNone)
	if files, err := os.ReadDir(r.dir); err != nil || len(files) != 2 || r.ca.Pin() != oldPin {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestADropThatIsCutShortIsFinished(t *testing.T) {
	for name, moved := range map[string][]string{"before the files": nil, "between key and certificate": {"key"}, "after the files": {"key", "pem"}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.advance(trust.StageNone, trust.StageStandby)
			r.advance(trust.StageStandby, trust.StageTrusted)
			r.advance(trust.StageTrusted, trust.StageSigning)
			r.must(os.WriteFile(filepath.Join(r.dir, "rotation"), []byte("dropping\n"), 0o600))
			for _, kind := range moved {
				r.must(os.Rename(filepath.Join(r.dir, "next."+kind), filepath.Join(r.dir, "ca."+kind)))
			}
			again := r.open(r.db)
			if again.Pin() != r.ca.Pin() || again.Rotation().Stage != trust.StageNone {
				t.Errorf("it is in %s", again.Rotation().Stage)
			}
		})
	}
}

func TestARotationRefusesToLoseHosts(t *testing.T) {
	r := newRig(t)
	r.advance(trust.StageNone, trust.StageStandby)
	r.advance(trust.StageStandby, trust.StageTrusted)
	var lost *trust.BehindError
	behind := func(lost trust.BehindError) trust.Progress {
		return func(string, string) trust.BehindError { return lost }
	}
	if _, err := r.ca.Advance(t.Context(), trust.StageTrusted, behind(trust.BehindError{Untrusting: 1}), false); !errors.As(err, &lost) || r.ca.Rotation().Stage != trust.StageTrusted {
		t.Errorf("while a host does not trust it: %v", err)
	}
	var elsewhere *trust.StageError
	if _, err := r.ca.Advance(t.Context(), trust.StageStandby, nobody, true); !errors.As(err, &elsewhere) || elsewhere.Is != trust.StageTrusted {
		t.Errorf("a second click: %v", err)
	}
	if _, err := r.ca.Advance(t.Context(), trust.StageTrusted, behind(trust.BehindError{Old: 5}), false); err != nil {
		t.Errorf("the certificates of the old one are no hindrance yet: %v", err)
	}
	if _, err := r.ca.Advance(t.Context(), trust.StageSigning, behind(trust.BehindError{Old: 1}), false); !errors.As(err, &lost) || r.ca.Rotation().Stage != trust.StageSigning {
		t.Errorf("while a host has a certificate of the old one: %v", err)
	}
	if _, err := r.ca.Advance(t.Context(), trust.StageSigning, behind(trust.BehindError{Old: 1}), true); err != nil || r.ca.Rotation().Stage != trust.StageNone {
		t.Errorf("told to go on: %v", err)
	}
	if _, err := r.ca.Back(trust.StageNone); !errors.As(err, &elsewhere) {
		t.Errorf("back after the drop: %v", err)
	}
}

// TestOpenConnectionsMeetTheAuthoritiesOfTheirTime holds TLS to the stages.
func TestOpenConnectionsMeetTheAuthoritiesOfTheirTime(t *testing.T) {
	r := newRig(t)
	config, reply := r.credentials("node1.lab.test")
	r.advance(trust.StageNone, trust.StageStandby)
	r.advance(trust.StageStandby, trust.StageTrusted)
	r.advance(trust.StageTrusted, trust.StageSigning)
	both := x509.NewCertPool()
	both.AppendCertsFromPEM(r.ca.Bundle())
	knows := config.Clone()
	knows.RootCAs = both
	addr := r.secured() // with the pool of this stage
	if got, err := call(addr, knows); err != nil || got != reply.AgentSN+" node1.lab.test" {
		t.Errorf("who trusts both: got %q, %v", got, err)
	}
	var unknown *tls.CertificateVerificationError
	if _, err := call(addr, config); !errors.As(err, &unknown) {
		t.Errorf("who trusts the old one alone took the new one's certificate: %v", err)
	}
}

// quiet says whether a host is told nothing.
func quiet(a trust.Advice) bool { return a.CA == "" && !a.Renew }

func TestAdvice(t *testing.T) {
	r := newRig(t)
	_, c := r.enrol("node1.lab.test", "", r.token(trust.TokenSpec{}))
	record, err := r.ca.Identify(t.Context(), c)
	r.must(err)
	oldShort := r.ca.Rotation().Old.Short
	if a := r.ca.Advise(record, nil); !quiet(a) {
		t.Errorf("without a rotation: %+v", a)
	}
	r.advance(trust.StageNone, trust.StageStandby)
	newShort := r.ca.Rotation().New.Short
	if a := r.ca.Advise(record, nil); !quiet(a) {
		t.Errorf("in standby: %+v", a)
	}
	r.advance(trust.StageStandby, trust.StageTrusted)
	if a := r.ca.Advise(record, nil); a.CA != string(r.ca.Bundle()) || a.Renew {
		t.Errorf("to a host that knows the old one: %+v", a)
	}
	if a := r.ca.Advise(record, []string{newShort, oldShort}); !quiet(a) {
		t.Errorf("to a host that knows both: %+v", a)
	}
	r.back(trust.StageTrusted, trust.StageStandby)
	if a := r.ca.Advise(record, []string{oldShort, newShort}); a.CA != string(r.ca.Bundle()) || len(a.Trusts) != 1 || a.Trusts[0] != oldShort {
		t.Errorf("to a host that trusts one which nobody is to trust any more: %+v", a)
	}
	r.advance(trust.StageStandby, trust.StageTrusted)
	r.advance(trust.StageTrusted, trust.StageSigning)
	if a := r.ca.Advise(record, []string{oldShort, newShort}); a.CA != "" || !a.Renew {
		t.Errorf("to a host with a certificate of the old one: %+v", a)
	}
	renewed, err := r.ca.Renew(t.Context(), record, wire.RenewRequest{CSR: request(t, newKey(t), nil)})
	r.must(err)
	record, err = r.ca.Identify(t.Context(), leaf(t, renewed))
	r.must(err)
	if a := r.ca.Advise(record, []string{oldShort, newShort}); !quiet(a) {
		t.Errorf("to a host with a certificate of the new one: %+v", a)
	}
	if _, err := r.ca.Renew(t.Context(), record, wire.RenewRequest{CSR: request(t, newKey(t), nil)}); code(err) != "too_early" {
		t.Errorf("it was renewed once more: %v", err)
	}
	r.advance(trust.StageSigning, trust.StageNone)
	if a := r.ca.Advise(record, []string{oldShort, newShort}); a.CA != string(r.ca.Bundle()) {
		t.Errorf("to a host that still trusts the old one: %+v", a)
	}
	if a := r.ca.Advise(record, []string{newShort}); !quiet(a) {
		t.Errorf("to a host that has forgotten the old one: %+v", a)
	}
}

func TestRenewalsAreSpread(t *testing.T) {
	r := newRig(t)
	_, c := r.enrol("node1.lab.test", "", r.token(trust.TokenSpec{}))
	_, err := r.ca.AskRenewal(t.Context(), trust.RenewRequest{Hosts: []string{"node1.lab.test"}})
	r.must(err)
	record, err := r.ca.Identify(t.Context(), c)
	r.must(err)
	told := func() (n int) {
		for range 1000 {
			if r.ca.Advise(record, nil).Renew {
				n++
			}
		}
		return n
	}
	if n := told(); n != 50 {
		t.Errorf("%d at once", n)
	}
	r.clock.Advance(time.Second)
	if n := told(); n != 50 {
		t.Errorf("%d in the next second", n)
	}
}

func TestAskingForRenewal(t *testing.T) {
	r := newRig(t)
	_, c := r.enrol("node1.lab.test", "", r.token(trust.TokenSpec{}))
	record, err := r.ca.Identify(t.Context(), c)
	r.must(err)
	csr := wire.RenewRequest{CSR: request(t, newKey(t), nil)}
	if _, err := r.ca.Renew(t.Context(), record, csr); code(err) != "too_early" {
		t.Errorf("nobody asked: %v", err)
	}
	var wrong *trust.FieldError
	if _, err := r.ca.AskRenewal(t.Context(), trust.RenewRequest{Hosts: []string{"node1.lab.test", "other.lab.test"}}); !errors.As(err, &wrong) || wrong.Field != "hosts" {
		t.Errorf("for a host that has none: %v", err)
	}
	if record, err = r.ca.Identify(t.Context(), c); err != nil || record.RenewAskedAt != nil {
		t.Errorf("the other was asked all the same: %v", err)
	}
	asked, err := r.ca.AskRenewal(t.Context(), trust.RenewRequest{Hosts: []string{" NODE1.lab.test. "}})
	if err != nil || len(asked) != 1 || asked[0].Serial != record.Serial {
		t.Fatalf("asked %v: %v", asked, err)
	}
	record, err = r.ca.Identify(t.Context(), c)
	r.must(err)
	if !r.ca.Advise(record, nil).Renew {
		t.Error("the host is not told")
	}
	reply, err := r.ca.Renew(t.Context(), record, csr)
	r.must(err)
	next, err := r.ca.Identify(t.Context(), leaf(t, reply))
	r.must(err)
	if next.RenewAskedAt != nil || r.ca.Advise(next, nil).Renew {
		t.Error("the new one is to be renewed at once, too")
	}
}

func TestCertificatesOfFormerVersionsGetTheirAuthority(t *testing.T) {
	r := newRig(t)
	r.must(r.db.CreateCertificate(t.Context(), &db.Certificate{Serial: "1f", AgentSN: "sn", Hostname: "old.lab.test", NotAfter: r.clock.Now().Add(day), CreatedAt: r.clock.Now()}))
	ca := r.open(r.db)
	c, err := r.db.Certificate(t.Context(), "1f")
	if err != nil || c.Authority != ca.Rotation().Old.Short {
		t.Errorf("it is of %q: %v", c.Authority, err)
	}
}
