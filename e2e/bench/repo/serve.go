package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"hostler/e2e/bench/rig"
)

// serving has all clients fetch one large package at the same time, over TLS.
func serving(ctx context.Context, s *rig.Local, dir string) (rig.Row, error) {
	const name = "large-1.0.tar.gz"
	fmt.Fprintf(os.Stderr, "serving %d bytes\n", int64(served))
	if err := writeArchive(filepath.Join(dir, name), served/clients); err != nil {
		return rig.Row{}, err
	}
	if err := errors.Join(create(ctx, s, "large", "archive"), upload(ctx, s, "large", filepath.Join(dir, name))); err != nil {
		return rig.Row{}, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.CA) {
		return rig.Row{}, errors.New("the server's authority has no certificate")
	}
	status := fmt.Sprintf("/proc/%d/status", s.PID)
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.PID), []byte("5"), 0); err != nil { // forget the peak so far (proc(5))
		return rig.Row{}, err
	}
	began := time.Now()
	ended := make(chan error, clients)
	for range clients {
		go func() { ended <- fetch(ctx, "https://"+s.Handshake+"/repo/large/"+name, roots) }()
	}
	var failed error
	for range clients {
		failed = errors.Join(failed, <-ended)
	}
	took := time.Since(began)
	text, err := os.ReadFile(status)
	if err := errors.Join(failed, err); err != nil {
		return rig.Row{}, err
	}
	peak := rig.Peak(string(text))
	return rig.Row{
		What: fmt.Sprintf("peak memory while 1 GB goes to %d clients", clients), Got: fmt.Sprintf("%s (%.0f MB/s)", rig.Megabytes(peak), served/took.Seconds()/1e6), Wanted: "150 MB",
	}, nil
}

// fetch reads a package as one client, with a connection of its own.
func fetch(ctx context.Context, url string, roots *x509.CertPool) error {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || n < served/clients {
		return fmt.Errorf("the server answered %s with %d bytes", answer.Status, n)
	}
	return nil
}

// writeArchive makes an archive of a size, of what does not compress.
func writeArchive(file string, size int64) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	zipped := gzip.NewWriter(out)
	w := tar.NewWriter(zipped)
	err = w.WriteHeader(&tar.Header{Name: "content", Mode: 0o644, Size: size})
	if err == nil {
		_, err = io.CopyN(w, rand.NewChaCha8([32]byte{1}), size)
	}
	return errors.Join(err, w.Close(), zipped.Close(), out.Close())
}
