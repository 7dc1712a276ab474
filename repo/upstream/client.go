// Package upstream reads package repositories of others, for apt and for yum: it fetches their index, holds it against
// their signature, understands it, and chooses packages with everything that they need. Whoever answers is believed
// nothing that no signature covers, and gets the server to ask no address of its own. The package stores nothing.
package upstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

const (
	// fetchers is how many files are fetched at the same time.
	fetchers = 4
	// attempts is how often a file is asked for before it is given up.
	attempts = 5
	// stall is how long a transfer may bring nothing.
	stall = 60 * time.Second
	// burst is the most bytes that are read at once where the bandwidth is bounded.
	burst = 64 << 10
)

// Options are how upstreams are reached.
type Options struct {
	Proxy     string         // URL; "" for none
	Bandwidth int64          // bytes a second, of all transfers together; 0: as fast as it goes
	Allow     []netip.Prefix // addresses that are asked although they are the server's own
	// Pause waits before another attempt, the first being 1. Nil: a second, and each time twice as long.
	Pause func(ctx context.Context, attempt int) error
}

// Client fetches from upstreams. It is safe for concurrent use.
type Client struct {
	guard *guard
	http  *http.Client
	limit *rate.Limiter
	pause func(ctx context.Context, attempt int) error
}

// NewClient returns a client. Close releases it.
func NewClient(o Options) (*Client, error) {
	c := &Client{guard: &guard{allow: o.Allow}, pause: o.Pause}
	if o.Proxy != "" {
		u, err := ParseURL(o.Proxy)
		if err != nil {
			return nil, fmt.Errorf("cannot use the proxy: %w", err)
		}
		c.guard.proxy = u
	}
	if o.Bandwidth > 0 {
		c.limit = rate.NewLimiter(rate.Limit(o.Bandwidth), burst)
	}
	if c.pause == nil {
		c.pause = pause
	}
	c.http = &http.Client{Transport: c.guard.transport(), CheckRedirect: c.guard.redirect}
	return c, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(time.Second << (attempt - 1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Sum is what a file must be: its size and the digest that the index tells.
type Sum struct {
	Kind string // sha256 or sha512
	Hex  string
	Size int64
}

func (s Sum) hash() hash.Hash {
	if s.Kind == "sha512" {
		return sha512.New()
	}
	return sha256.New()
}

// known says whether a digest is of a kind that vouches for a file.
func (s Sum) known() bool {
	want := map[string]int{"sha256": sha256.Size, "sha512": sha512.Size}[s.Kind]
	raw, err := hex.DecodeString(s.Hex)
	return err == nil && want > 0 && len(raw) == want && s.Size >= 0
}

// join is the address of a path below an upstream's.
func join(base, path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.TrimRight(base, "/") + "/" + strings.Join(parts, "/")
}

// small fetches a file of unknown size, such as the one that is signed.
func (c *Client) small(ctx context.Context, address string) ([]byte, error) {
	var data []byte
	err := c.again(ctx, address, func(ctx context.Context) error {
		answer, err := c.ask(ctx, address, 0)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }() // only read
		data, err = io.ReadAll(io.LimitReader(c.paced(ctx, answer.Body), mostSigned+1))
		if err == nil && len(data) > mostSigned {
			return problem(CodeUnreadable, address, "it has more than %d bytes", mostSigned)
		}
		return err
	})
	return data, err
}

// again does something until it succeeds, fails for good or was tried too often.
func (c *Client) again(ctx context.Context, what string, do func(ctx context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := do(ctx)
		if err == nil || ctx.Err() != nil || final(err) {
			return err
		}
		if attempt == attempts {
			return &Problem{Code: CodeUnreachable, What: what, Cause: fmt.Sprintf("it could not be read, %d times", attempts), Err: err}
		}
		if err := c.pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// final says whether trying again would change nothing.
func final(err error) bool {
	var p *Problem
	return errors.As(err, &p)
}

// ask begins to read a file at an offset. Where the answer begins is in its status: 206 for the offset, 200 for the start.
func (c *Client) ask(ctx context.Context, address string, offset int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, &Problem{Code: CodeAddress, What: address, Cause: "this is no address", Err: err}
	}
	if err := c.guard.checkURL(req.URL); err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "hostler-mirror")
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if err := understand(answer, address, offset); err != nil {
		_ = answer.Body.Close() // nothing of it is wanted
		return nil, err
	}
	return answer, nil
}

// understand tells answers that are no file.
func understand(answer *http.Response, address string, offset int64) error {
	switch status := answer.StatusCode; {
	case status == http.StatusPartialContent && offset > 0:
		if !strings.HasPrefix(answer.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)) {
			return problem(CodeUnreadable, address, "it answers with another part than the one that was asked for")
		}
	case status == http.StatusOK:
	case status == http.StatusNotFound || status == http.StatusGone:
		return problem(CodeMissing, address, "there is no such file")
	case status == http.StatusTooManyRequests || status >= 500 || status == http.StatusRequestTimeout:
		return fmt.Errorf("%s answers %s", address, answer.Status)
	default:
		return problem(CodeRefused, address, "it answers %s", answer.Status)
	}
	if kind := answer.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/html") || strings.HasPrefix(kind, "application/xhtml") {
		return problem(CodePage, address, "a web page came instead of a file")
	}
	return nil
}

// paced is a body that is read no faster than allowed, and not waited for without end.
func (c *Client) paced(ctx context.Context, body io.ReadCloser) io.Reader {
	return &pacer{ctx: ctx, body: body, limit: c.limit}
}

type pacer struct {
	ctx   context.Context
	body  io.ReadCloser
	limit *rate.Limiter
}

func (p *pacer) Read(to []byte) (int, error) {
	to = to[:min(len(to), burst)]
	stalled := time.AfterFunc(stall, func() { _ = p.body.Close() }) // the read ends with an error
	n, err := p.body.Read(to)
	if !stalled.Stop() && err != nil {
		err = fmt.Errorf("nothing came for %s", stall)
	}
	if p.limit != nil && n > 0 {
		if err := p.limit.WaitN(p.ctx, n); err != nil {
			return n, err
		}
	}
	return n, err
}

// Open reads a file that must have a sum. It goes on where a connection broke off, and ends with an error unless what
// was read is the file.
func (c *Client) Open(ctx context.Context, address string, want Sum) io.ReadCloser {
	return &transfer{c: c, ctx: ctx, address: address, want: want, sum: want.hash()}
}

type transfer struct {
	c       *Client
	ctx     context.Context
	address string
	want    Sum
	sum     hash.Hash
	got     int64
	answer  *http.Response
	body    io.Reader
	failed  int // attempts that brought nothing
	err     error
}

// Read implements io.Reader.
func (t *transfer) Read(to []byte) (int, error) {
	for t.err == nil {
		if t.answer == nil {
			if err := t.begin(); err != nil {
				t.broken(err)
				continue
			}
		}
		n, err := t.body.Read(to)
		if n > 0 {
			t.failed = 0
			t.sum.Write(to[:n])
			if t.got += int64(n); t.got > t.want.Size {
				err = problem(CodeChanged, t.address, "it has more than the %d bytes that the index tells", t.want.Size)
			}
		}
		switch {
		case errors.Is(err, io.EOF) && t.got == t.want.Size:
			t.err = t.verify()
		case errors.Is(err, io.EOF):
			t.broken(fmt.Errorf("it ended after %d of %d bytes", t.got, t.want.Size))
		case err != nil:
			t.broken(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, t.err
}

func (t *transfer) begin() error {
	answer, err := t.c.ask(t.ctx, t.address, t.got) //nolint:bodyclose // hangUp closes it
	if err != nil {
		return err
	}
	t.answer, t.body = answer, t.c.paced(t.ctx, answer.Body)
	if answer.StatusCode == http.StatusOK && t.got > 0 { // it knows no ranges
		_, err = io.CopyN(io.Discard, t.body, t.got)
	}
	return err
}

// broken ends a connection, and decides whether there is to be another one.
func (t *transfer) broken(err error) {
	t.hangUp()
	t.failed++
	switch {
	case t.ctx.Err() != nil:
		t.err = t.ctx.Err()
	case final(err):
		t.err = err
	case t.failed >= attempts:
		t.err = &Problem{Code: CodeUnreachable, What: t.address, Cause: fmt.Sprintf("it broke off %d times", attempts), Err: err}
	default:
		t.err = t.c.pause(t.ctx, t.failed)
	}
}

func (t *transfer) verify() error {
	if got := hex.EncodeToString(t.sum.Sum(nil)); !strings.EqualFold(got, t.want.Hex) {
		return problem(CodeChanged, t.address, "its %s is not the one that the index tells", t.want.Kind)
	}
	return io.EOF
}

func (t *transfer) hangUp() {
	if t.answer != nil {
		_ = t.answer.Body.Close() // only read
		t.answer, t.body = nil, nil
	}
}

// Close ends the transfer.
func (t *transfer) Close() error {
	t.hangUp()
	return nil
}

// isPage says whether a text is a web page, whatever its sender calls it.
func isPage(data []byte) bool {
	begin := bytes.ToLower(bytes.TrimSpace(data[:min(len(data), 512)]))
	return bytes.HasPrefix(begin, []byte("<!doctype html")) || bytes.HasPrefix(begin, []byte("<html"))
}

// Fetch reads a package of an upstream, as Open does.
func (c *Client) Fetch(ctx context.Context, source *Source, p *Package) io.ReadCloser {
	return c.Open(ctx, join(source.URL, p.Path), p.Sum)
}
