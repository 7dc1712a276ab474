// Package download reads a file from an http, https or ftp URL, or from the server's own repository, and holds it
// against its checksum.
//
// Every silence and the whole have a bound. It follows redirects to http and https only, a few of them, goes
// through no proxy, keeps nothing and resumes nothing: a file that did not arrive whole is read again by whoever
// wants it.
package download

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hostler/agent/link"
)

const (
	// idleTimeout is how long a server may be silent.
	idleTimeout = 60 * time.Second
	// dialTimeout is how long a connection may take.
	dialTimeout = 15 * time.Second
	// maxRedirects bounds the redirects of one download.
	maxRedirects = 5
)

// Errors of Get; others are w's.
var (
	ErrRead     = errors.New("the URL cannot be read")
	ErrURL      = errors.New("the URL cannot be used")
	ErrChecksum = errors.New("the checksum does not match")
	ErrTooLarge = errors.New("the file is too large")
)

// Downloader reads files. The zero value works, and trusts no server of Hostler's.
type Downloader struct {
	Server string                     // "host:port" of the handshake port, for URLs that are only a path
	Ours   func(host string) bool     // whether a host is a server of Hostler's: its certificate may be one of CAs, too
	CAs    func() []*x509.Certificate // nil: none
	Idle   time.Duration              // how long a server may be silent; 0: a minute
}

// Source is what to read.
type Source struct {
	URL      string
	Checksum string // "SHA256:<hex>"
	Most     int64  // bytes
}

// ParseChecksum returns the sum of "SHA256:<hex>".
func ParseChecksum(text string) ([]byte, error) {
	kind, digits, _ := strings.Cut(text, ":")
	sum, err := hex.DecodeString(digits)
	if !strings.EqualFold(kind, "SHA256") || err != nil || len(sum) != sha256.Size {
		return nil, fmt.Errorf("the checksum must be SHA256: and 64 hexadecimal digits, not %.80q", text)
	}
	return sum, nil
}

// Get writes the file to w and returns its size. What w has got is worth nothing if there is an error. ErrURL
// says that nothing was tried.
func (d *Downloader) Get(ctx context.Context, source Source, w io.Writer) (int64, error) {
	want, err := ParseChecksum(source.Checksum)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrURL, err)
	}
	address, err := d.parse(source.URL)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body, err := d.open(ctx, address)
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrRead, address.Redacted(), err)
	}
	defer func() { _ = body.Close() }() // only read
	size, err := Copy(ctx, cancel, w, body, want, source.Most, d.idle())
	if err != nil {
		return size, fmt.Errorf("%s: %w", address.Redacted(), err)
	}
	return size, nil
}

// Copy copies a body of at most most bytes and checks its sum. cancel, ctx's own, is called when the body is
// silent for idle.
func Copy(ctx context.Context, cancel context.CancelCauseFunc, w io.Writer, body io.Reader, want []byte, most int64, idle time.Duration) (int64, error) {
	silence := time.AfterFunc(idle, func() { cancel(fmt.Errorf("nothing came for %v", idle)) })
	defer silence.Stop()
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(w, sum), &watched{from: io.LimitReader(body, most+1), silence: silence, idle: idle})
	if err != nil && context.Cause(ctx) != nil && !errors.Is(err, context.Cause(ctx)) {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		return size, err
	}
	if size > most {
		return size, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, most)
	}
	return size, check(sum, want)
}

func check(sum hash.Hash, want []byte) error {
	if got := sum.Sum(nil); string(got) != string(want) {
		return fmt.Errorf("%w: it is SHA256:%x, not SHA256:%x", ErrChecksum, got, want)
	}
	return nil
}

// watched puts the end of the silence off whenever something comes.
type watched struct {
	from    io.Reader
	silence *time.Timer
	idle    time.Duration
}

func (r *watched) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if n > 0 {
		r.silence.Reset(r.idle)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", ErrRead, err)
	}
	return n, err
}

// parse checks a URL. One that is only a path is in the server's repository.
func (d *Downloader) parse(text string) (*url.URL, error) {
	if strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") && d.Server != "" {
		text = "https://" + d.Server + text
	}
	address, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %.200q", ErrURL, text) // url's own error would show a password in it
	}
	switch address.Scheme {
	case "http", "https", "ftp":
	default:
		return nil, fmt.Errorf("%w: %q is none of http, https and ftp", ErrURL, address.Scheme)
	}
	if address.Hostname() == "" {
		return nil, fmt.Errorf("%w: it names no host", ErrURL)
	}
	return address, nil
}

func (d *Downloader) open(ctx context.Context, address *url.URL) (io.ReadCloser, error) {
	if address.Scheme == "ftp" {
		return openFTP(ctx, address, d.idle())
	}
	return d.openHTTP(ctx, address)
}

func (d *Downloader) openHTTP(ctx context.Context, address *url.URL) (io.ReadCloser, error) {
	client := link.Transfer(d.tls(address.Hostname()))
	client.CheckRedirect = d.redirect
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		client.CloseIdleConnections()
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // its text would repeat the URL
		}
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		client.CloseIdleConnections()
		return nil, errors.Join(fmt.Errorf("the server answers %s", response.Status), response.Body.Close())
	}
	return &body{response.Body, client}, nil
}

// body closes its connection, too.
type body struct {
	io.ReadCloser
	client *http.Client
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.client.CloseIdleConnections()
	return err
}

// redirect follows to http and https only, and not for ever.
func (d *Downloader) redirect(next *http.Request, before []*http.Request) error {
	switch {
	case next.URL.Scheme != "http" && next.URL.Scheme != "https":
		return fmt.Errorf("the server redirects to %s, which is not followed", next.URL.Redacted())
	case len(before) > maxRedirects:
		return fmt.Errorf("the server redirects more than %d times", maxRedirects)
	}
	return nil
}

// tls trusts what the system trusts, and for Hostler's server its CA as well.
func (d *Downloader) tls(host string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.CAs == nil || !d.Ours(host) {
		return config
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	for _, ca := range d.CAs() {
		roots.AddCert(ca)
	}
	config.RootCAs = roots
	return config
}

func (d *Downloader) idle() time.Duration {
	if d.Idle > 0 {
		return d.Idle
	}
	return idleTimeout
}
