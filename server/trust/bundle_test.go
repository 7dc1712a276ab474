package trust_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"io"
	"testing"

	"hostler/db"
	"hostler/server/trust"
)

// unpack reads a bundle: the content of each file by its name.
func unpack(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if header.Mode&0o077 != 0 && header.FileInfo().Name() != "ca.pem" {
			t.Errorf("others may read %s", header.Name)
		}
		files[header.Name] = string(body)
	}
}

func TestBundleMakesHosts(t *testing.T) {
	r := newRig(t)
	settings := trust.BundleFiles{Settings: func(host string) []byte { return []byte("hostname = " + host) }}
	archive, made, err := r.ca.Presign(t.Context(), []string{"Node1.test", "node2.test", "node1.test"}, settings)
	if err != nil || len(made) != 2 {
		t.Fatalf("made are %+v, %v", made, err)
	}
	files := unpack(t, archive)
	if len(files) != 6 || files["node1.test/agent.ini"] != "hostname = node1.test" || files["node2.test/ca.pem"] != string(r.ca.PEM()) {
		t.Errorf("the bundle holds %v", files)
	}
	addr := r.secured()
	for i, host := range []string{"node1.test", "node2.test"} {
		text := []byte(files[host+"/identity.pem"])
		pair, err := tls.X509KeyPair(text, text)
		r.must(err)
		got, err := call(addr, &tls.Config{
			MinVersion: tls.VersionTLS13, ServerName: "localhost", RootCAs: r.ca.Pool(), Time: r.clock.Now, Certificates: []tls.Certificate{pair},
		})
		if err != nil || got != made[i].AgentSN+" "+host {
			t.Errorf("%s is %q, %v", host, got, err)
		}
	}
	var wrong *trust.FieldError
	for _, hosts := range [][]string{nil, {"node1.test"}, {"node3.test", "a b"}, many(trust.MaxPresign + 1)} {
		if _, _, err := r.ca.Presign(t.Context(), hosts, settings); !errors.As(err, &wrong) || wrong.Field != "hosts" || wrong.Code == "" {
			t.Errorf("%.80v: %v", hosts, err)
		}
	}
	if left, _, err := r.db.Certificates(t.Context(), db.CertificateQuery{Search: "node3.test"}); err != nil || len(left) != 0 {
		t.Errorf("a bundle that was refused made %+v, %v", left, err)
	}
}
