package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hostler/internal/seal"
	"hostler/internal/whole"
)

// keyPurpose is what the keys of authorities are sealed for.
const keyPurpose = "certificate authority"

// authority is a key that signs certificates, and its own certificate. Its files are NAME.key (0600, sealed) and NAME.pem.
type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
	pem  []byte
	pin  string // lower-case hex SHA-256 of the certificate's DER
}

func keyFile(dir, name string) string  { return filepath.Join(dir, name+".key") }
func certFile(dir, name string) string { return filepath.Join(dir, name+".pem") }

// makeAuthority makes the files of an authority. The certificate comes last: as long as it is missing, there is none.
func makeAuthority(dir, name string, master seal.Key, now time.Time) error {
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
	sealed, err := master.Seal(pemBlock("PRIVATE KEY", keyDER), keyPurpose)
	if err != nil {
		return err
	}
	if err := whole.WriteFile(keyFile(dir, name), sealed, 0o600); err != nil {
		return err
	}
	return whole.WriteFile(certFile(dir, name), pemBlock("CERTIFICATE", der), 0o644)
}

// openAuthority reads the files of an authority. A key that is not sealed, as former versions kept it, is sealed.
func openAuthority(dir, name string, master seal.Key) (*authority, error) {
	keyPath, certPath := keyFile(dir, name), certFile(dir, name)
	keyText, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, err
	}
	plain := keyText
	_, sealed := seal.IsSealed(keyText)
	if sealed {
		if plain, err = master.Open(keyText, keyPurpose); err != nil {
			return nil, fmt.Errorf("%s: %w", keyPath, err)
		}
	}
	a := &authority{}
	if a.key, err = parseKey(plain); err != nil {
		return nil, fmt.Errorf("%s: %w", keyPath, err)
	}
	if a.pem, err = os.ReadFile(certPath); err != nil {
		return nil, err
	}
	if a.cert, err = parseCertificate(a.pem); err != nil {
		return nil, fmt.Errorf("%s: %w", certPath, err)
	}
	public, ok := a.cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || !public.Equal(a.key.Public()) {
		return nil, fmt.Errorf("%s does not belong to %s", keyPath, certPath)
	}
	sum := sha256.Sum256(a.cert.Raw)
	a.pin = hex.EncodeToString(sum[:])
	if sealed {
		return a, nil
	}
	if keyText, err = master.Seal(plain, keyPurpose); err != nil {
		return nil, err
	}
	return a, whole.WriteFile(keyPath, keyText, 0o600)
}
