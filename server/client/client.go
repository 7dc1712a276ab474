// Package client calls a running server's API, for the commands that work on hosts. It holds no rules: the server
// decides, and says what is wrong.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"hostler/agent/wire"
)

const (
	prefix = "/api/v1/"
	// callTimeout bounds a call that moves no file.
	callTimeout = time.Minute
	maxAnswer   = 64 << 20
)

// Client calls the API of one server.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// New makes a client of the server at a URL. caFile, if not empty, holds the certificates (PEM) that its own must go back
// to, in place of the system's.
func New(server, token, caFile string) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("cannot use the server %q: want a URL such as https://hostler.example:8080", server)
	}
	if token == "" {
		return nil, errors.New("there is no token: make one with \"hostler token create NAME\" and give it in HOSTLER_TOKEN or --token-file")
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
	if caFile != "" {
		text, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the server's certificate authority: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("cannot read the server's certificate authority: %s holds no certificate", caFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &Client{base: strings.TrimSuffix(server, "/") + prefix, token: token, http: &http.Client{Transport: transport}}, nil
}

// Refusal is an answer of the server that is no success.
type Refusal struct {
	Status int
	Cause  wire.Error
}

// Error tells the cause, the hint and what is wrong with each field.
func (r *Refusal) Error() string {
	text := r.Cause.Message
	if text == "" {
		text = fmt.Sprintf("the server answered with status %d", r.Status)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Cause.Fields)) {
		text += "\n  " + name + ": " + strings.ReplaceAll(r.Cause.Fields[name], "\n", "\n    ")
	}
	if r.Cause.Hint != "" {
		text += "\n  " + r.Cause.Hint
	}
	return text
}

// Invalid says whether the request itself was wrong.
func (r *Refusal) Invalid() bool {
	return r.Status == http.StatusUnprocessableEntity || r.Status == http.StatusBadRequest
}

// Get reads a resource into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, nil, out)
}

// All reads the items of a list page by page. It ends at the first error.
func All[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		query := maps.Clone(query)
		for {
			var page struct {
				Items []T
				Next  string
			}
			if err := c.Get(ctx, path+"?"+query.Encode(), &page); err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Items {
				if !yield(&page.Items[i], nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			query.Set("after", page.Next)
		}
	}
}

// Post sends in, which may be nil, and reads the answer into out, which may be nil.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	text := []byte("{}")
	if in != nil {
		var err error
		if text, err = json.Marshal(in); err != nil {
			return err
		}
	}
	return c.call(ctx, http.MethodPost, path, text, out)
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := c.send(ctx, method, path, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("cannot read the server's answer: %w", err)
	}
	return nil
}

// send makes a request; an answer that is no success is a *Refusal.
func (c *Client) send(ctx context.Context, method, path, kind string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", kind)
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, unreachable(err)
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }() // only read
	refusal := &Refusal{Status: answer.StatusCode}
	var reply wire.ErrorReply
	if json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&reply) == nil {
		refusal.Cause = reply.Error
	}
	return nil, refusal
}

// unreachable says what to do about a server that does not answer.
func unreachable(err error) error {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return fmt.Errorf("the server's certificate is not trusted: give its authority with --ca (the server's own is ca/ca.pem in its data directory): %w", err)
	}
	return fmt.Errorf("cannot reach the server: %w", err)
}

// Upload stores a file on the server and returns its id.
func (c *Client) Upload(ctx context.Context, file io.Reader) (id string, err error) {
	answer, err := c.send(ctx, http.MethodPost, "files", "application/octet-stream", file)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	var reply struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&reply); err != nil {
		return "", fmt.Errorf("cannot read the server's answer: %w", err)
	}
	return reply.ID, nil
}

// Fetch posts JSON and writes an answer that is none.
func (c *Client) Fetch(ctx context.Context, path string, in any, to io.Writer) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := c.send(ctx, http.MethodPost, path, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // only read
	if _, err := io.Copy(to, answer.Body); err != nil {
		return fmt.Errorf("cannot read the server's answer: %w", err)
	}
	return nil
}

// Download writes a resource that is no JSON.
func (c *Client) Download(ctx context.Context, path string, to io.Writer) (http.Header, error) {
	answer, err := c.send(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // only read
	if _, err := io.Copy(to, answer.Body); err != nil {
		return nil, fmt.Errorf("cannot read the server's answer: %w", err)
	}
	return answer.Header, nil
}
