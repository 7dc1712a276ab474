package trust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/testclock"
	"hostler/server/trust"
)

func TestAuthorityIsMadeOnce(t *testing.T) {
	r := newRig(t)
	block, rest := pem.Decode(r.ca.PEM())
	if block == nil || len(rest) > 0 {
		t.Fatalf("not one PEM block: %s", r.ca.PEM())
	}
	sum := sha256.Sum256(block.Bytes)
	if want := hex.EncodeToString(sum[:]); r.ca.Pin() != want {
		t.Errorf("the pin is %s, the SHA-256 of the DER %s", r.ca.Pin(), want)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	r.must(err)
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() || !c.IsCA || !c.MaxPathLenZero || c.KeyUsage&x509.KeyUsageCertSign == 0 {
		t.Errorf("not an authority with a P-256 key: %+v", c)
	}
	if c.NotBefore.After(r.clock.Now()) || c.NotAfter.Before(r.clock.Now().AddDate(9, 0, 0)) {
		t.Errorf("it is valid from %s to %s", c.NotBefore, c.NotAfter)
	}
	for name, want := range map[string]os.FileMode{"ca.key": 0o600, "ca.pem": 0o644} {
		s, err := os.Stat(filepath.Join(r.dir, name))
		r.must(err)
		if got := s.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	if files, err := os.ReadDir(r.dir); err != nil || len(files) != 2 {
		t.Errorf("the directory holds %v: %v", files, err)
	}
	if again := r.open(r.db); again.Pin() != r.ca.Pin() {
		t.Error("opening it again made another authority")
	}
}

func TestDigestsAreSignedForThoseWhoTrustTheAuthorityAlone(t *testing.T) {
	r := newRig(t)
	block, _ := pem.Decode(r.ca.PEM())
	c, err := x509.ParseCertificate(block.Bytes)
	r.must(err)
	digest, other := sha256.Sum256([]byte("an agent")), sha256.Sum256([]byte("another"))
	text, err := r.ca.SignDigest(digest)
	r.must(err)
	signature, err := base64.StdEncoding.DecodeString(text)
	r.must(err)
	key := c.PublicKey.(*ecdsa.PublicKey)
	if !ecdsa.VerifyASN1(key, digest[:], signature) || ecdsa.VerifyASN1(key, other[:], signature) {
		t.Error("the signature is not that of the digest alone")
	}
}

func TestInterruptedFirstStartBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{"ca.key": "half a k", ".new-123": "half a c"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := dbtest.Open(t)
	first, err := trust.OpenCA(d, dir, masterKey, testclock.New(db.Now()).Now)
	if err != nil {
		t.Fatal(err)
	}
	second, err := trust.OpenCA(d, dir, masterKey, testclock.New(db.Now()).Now)
	if err != nil || second.Pin() != first.Pin() {
		t.Errorf("the authority made then cannot be opened again: %v", err)
	}
}

func TestDamagedAuthorityIsRefusedAndKept(t *testing.T) {
	other := newRig(t)
	foreign, err := os.ReadFile(filepath.Join(other.dir, "ca.key"))
	other.must(err)
	for name, c := range map[string]struct{ file, body, want string }{
		"the key of another authority": {"ca.key", string(foreign), "does not belong to"},
		"no PEM in the key":            {"ca.key", "garbage", "no key in PEM"},
		"no key in the PEM":            {"ca.key", encode("PRIVATE KEY", []byte("garbage")), "ca.key"},
		"no PEM in the certificate":    {"ca.pem", "garbage", "no certificate in PEM"},
		"another kind of PEM":          {"ca.pem", string(foreign), "no certificate in PEM"},
		"no certificate in the PEM":    {"ca.pem", encode("CERTIFICATE", []byte("garbage")), "ca.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			path := filepath.Join(r.dir, c.file)
			r.must(os.WriteFile(path, []byte(c.body), 0o600))
			_, err := trust.OpenCA(r.db, r.dir, masterKey, r.clock.Now)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if body, err := os.ReadFile(path); err != nil || string(body) != c.body {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

func TestAuthorityWithoutItsKeyIsRefused(t *testing.T) {
	r := newRig(t)
	r.must(os.Remove(filepath.Join(r.dir, "ca.key")))
	if _, err := trust.OpenCA(r.db, r.dir, masterKey, r.clock.Now); err == nil || !strings.Contains(err.Error(), "ca.key") {
		t.Errorf("got %v", err)
	}
	if got, err := os.ReadFile(filepath.Join(r.dir, "ca.pem")); err != nil || string(got) != string(r.ca.PEM()) {
		t.Errorf("the certificate was changed: %v", err)
	}
}

func TestAuthorityNeedsADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.OpenCA(dbtest.Open(t), filepath.Join(file, "ca"), masterKey, testclock.New(db.Now()).Now); err == nil {
		t.Error("an authority was opened below a file")
	}
}
