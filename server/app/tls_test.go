package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a certificate and its key, last changed at a time.
func writePair(t *testing.T, dir, name string, changed time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAGivenCertificateIsReplacedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	began := time.Now().Add(-time.Hour)
	writePair(t, dir, "first", began)
	var log strings.Builder
	g, err := openGiven(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		t.Helper()
		c, err := g.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.Subject.CommonName
	}
	writePair(t, dir, "second", began.Add(time.Minute))
	if got := shown(); got != "first" {
		t.Errorf("it looked again within a second, and shows %s", got)
	}
	g.looked = g.looked.Add(-lookEach)
	if got := shown(); got != "second" || !strings.Contains(log.String(), "is replaced") {
		t.Errorf("it shows %s; %s", got, log.String())
	}

	// One file of two: the pair does not fit, and the former one goes on serving until it does.
	other := t.TempDir()
	writePair(t, other, "third", began)
	half, err := os.ReadFile(filepath.Join(other, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.certFile, half, 0o600); err != nil {
		t.Fatal(err)
	}
	g.looked = g.looked.Add(-lookEach)
	if got := shown(); got != "second" || !strings.Contains(log.String(), "goes on serving") {
		t.Errorf("half a replacement: it shows %s; %s", got, log.String())
	}
	if g.look(true); strings.Count(log.String(), "goes on serving") != 2 {
		t.Errorf("when told to, it does not look: %s", log.String())
	}
	whole, err := os.ReadFile(filepath.Join(other, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.keyFile, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	g.looked = g.looked.Add(-lookEach)
	if got := shown(); got != "third" {
		t.Errorf("the other half: it shows %s", got)
	}
	if _, err := openGiven(g.certFile, filepath.Join(dir, "none.pem"), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "tls-key") {
		t.Errorf("a missing file: %v", err)
	}
}
