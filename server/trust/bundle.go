package trust

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"

	"hostler/db"
)

// MaxPresign bounds how many hosts one bundle is for.
const MaxPresign = 1000

// BundleFiles are what a bundle has for a host beside its key and certificate.
type BundleFiles struct {
	Settings func(hostname string) []byte // agent.ini
}

// Presign makes keys and certificates for hosts that have neither, and puts them into one archive (tar, gzip): for each host
// a directory with identity.pem (key and certificate), ca.pem and agent.ini. The archive is all that there is of the keys:
// the server keeps none. Names must be in the form in which hosts are known; what is wrong is a *FieldError.
func (c *CA) Presign(ctx context.Context, hosts []string, files BundleFiles) ([]byte, []db.Certificate, error) {
	hosts = clean(hosts, Canonical)
	switch {
	case len(hosts) == 0:
		return nil, nil, &FieldError{Field: "hosts", Code: "required", Message: "say which hosts"}
	case len(hosts) > MaxPresign:
		return nil, nil, &FieldError{Field: "hosts", Code: "enrol_presign", Message: fmt.Sprintf("a bundle is for at most %d hosts", MaxPresign)}
	}
	var archive bytes.Buffer
	zipped := gzip.NewWriter(&archive)
	w := tar.NewWriter(zipped)
	c.admitting.Lock()
	defer c.admitting.Unlock()
	records := make([]db.Certificate, len(hosts))
	given := map[string]bool{}
	for i, host := range hosts {
		if !hostPattern.MatchString(host) {
			return nil, nil, &FieldError{Field: "hosts", Code: "enrol_host", Message: "this is no host name: " + clipWord(host)}
		}
		// A second click, or a known host: what has a certificate must not have another that somebody carries around.
		latest, err := c.db.LatestCertificates(ctx, db.Traces{Hostname: host})
		if err != nil {
			return nil, nil, err
		}
		if len(latest) > 0 && latest[0].State(c.now()) == db.CertificateValid {
			return nil, nil, &FieldError{Field: "hosts", Code: "enrol_known", Message: host + " has a certificate: clean it first, or leave it out"}
		}
		record, identity, err := c.presignOne(ctx, host, given)
		if err != nil {
			return nil, nil, err
		}
		records[i] = *record
		for _, f := range []struct {
			name string
			mode int64
			body []byte
		}{{"identity.pem", 0o600, identity}, {"ca.pem", 0o644, c.PEM()}, {"agent.ini", 0o600, files.Settings(host)}} {
			header := &tar.Header{Name: host + "/" + f.name, Mode: f.mode, Size: int64(len(f.body)), ModTime: c.now()}
			if err := w.WriteHeader(header); err != nil {
				return nil, nil, fmt.Errorf("cannot write the bundle: %w", err)
			}
			if _, err := w.Write(f.body); err != nil {
				return nil, nil, fmt.Errorf("cannot write the bundle: %w", err)
			}
		}
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		return nil, nil, fmt.Errorf("cannot write the bundle: %w", err)
	}
	return archive.Bytes(), records, c.db.StoreSigned(ctx, records, nil)
}

// presignOne makes a key and a certificate; given are the numbers that this bundle has given away.
func (c *CA) presignOne(ctx context.Context, host string, given map[string]bool) (*db.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot encode a key: %w", err)
	}
	sn, err := c.serialFor(ctx, claim{hostname: host, keyHash: keyHash(&key.PublicKey), named: true}, given)
	if err != nil {
		return nil, nil, err
	}
	given[sn] = true
	record, text, err := c.certify(&key.PublicKey, &db.Certificate{AgentSN: sn, Hostname: host})
	if err != nil {
		return nil, nil, err
	}
	return record, append(pemBlock("PRIVATE KEY", der), text...), nil
}
