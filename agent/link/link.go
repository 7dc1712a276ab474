// Package link speaks JSON over HTTPS with the server: one bounded request, one bounded answer, and the
// server's refusals as values that the caller can act on.
//
// It never retries, never follows a redirect and never goes through a proxy; Backoff only says how long to
// wait.
package link

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"hostler/agent/wire"
)

// MaxBody bounds the body of every answer, in bytes.
const MaxBody = 1 << 20

// Time limits of one exchange. A server that is alive answers within milliseconds; one that is starting
// again under the load of its whole fleet may need some seconds.
const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 10 * time.Second
	exchangeTimeout  = 30 * time.Second
)

// idleTimeout closes a connection that nothing was sent on for so long: with a step of some seconds it
// stays open, with a long one no server has to keep it.
const idleTimeout = 90 * time.Second

// ErrTooLarge is returned when an answer's body exceeds MaxBody.
var ErrTooLarge = errors.New("the answer is too large")

// Refusal is an answer other than 2xx.
type Refusal struct {
	Status     int           // HTTP status
	Cause      wire.Error    // the server's own words; Code is empty when it sent none
	RetryAfter time.Duration // what the server asked for; 0 when it did not ask
}

// Error says what the server said, with its code and hint.
func (r *Refusal) Error() string { return "the server refused: " + describe(&r.Cause) }

// Unwrap gives the server's cause, for errors.As.
func (r *Refusal) Unwrap() error { return &r.Cause }

// Failure is a failure that the agent found itself, told as the server tells its own.
type Failure struct {
	Cause wire.Error
}

// Error says what failed, with its code and hint.
func (f *Failure) Error() string { return describe(&f.Cause) }

// Unwrap gives the cause, for errors.As.
func (f *Failure) Unwrap() error { return &f.Cause }

// describe writes a cause with its code and its hint on one line.
func describe(cause *wire.Error) string {
	text := cause.Message
	if cause.Code != "" {
		text += " [" + cause.Code + "]"
	}
	if cause.Hint != "" {
		text += "; " + cause.Hint
	}
	return text
}

// Code returns the code of the wire.Error in err's chain, or "".
func Code(err error) string {
	var cause *wire.Error
	if errors.As(err, &cause) {
		return cause.Code
	}
	return ""
}

// AsRefusal returns the refusal in err's chain. An error without one means that no server answered, or that
// what did is none.
func AsRefusal(err error) (*Refusal, bool) {
	var refusal *Refusal
	ok := errors.As(err, &refusal)
	return refusal, ok
}

// NewClient makes a client with connections of its own. Close its idle connections when done with it.
func NewClient(config *tls.Config) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return &http.Client{
		Timeout: exchangeTimeout,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        config,
			TLSHandshakeTimeout:    handshakeTimeout,
			IdleConnTimeout:        idleTimeout,
			MaxIdleConnsPerHost:    1,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Post sends in as JSON and decodes a 2xx answer into out. It returns a *Refusal for any other answer and
// ErrTooLarge for one without end.
func Post(ctx context.Context, client *http.Client, url string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("cannot encode the request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("cannot make the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	// An empty key is not sent. It lets net/http repeat the request on a new connection when the server has
	// closed the idle one; every message of the protocol may arrive twice.
	request.Header["Idempotency-Key"] = []string{}
	answer, err := exchange(client, request)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("cannot understand the answer: %w", err)
	}
	return nil
}

// Get returns the body of a 2xx answer.
func Get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot make the request: %w", err)
	}
	return exchange(client, request)
}

func exchange(client *http.Client, request *http.Request) ([]byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the server: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer: %w", err)
	}
	if len(body) > MaxBody {
		return nil, ErrTooLarge
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, refusal(response, body)
	}
	return body, nil
}

func refusal(response *http.Response, body []byte) *Refusal {
	var reply wire.ErrorReply
	if json.Unmarshal(body, &reply) != nil || reply.Error.Message == "" {
		reply.Error.Message = response.Status
	}
	result := &Refusal{Status: response.StatusCode, Cause: reply.Error}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		result.RetryAfter = time.Duration(min(seconds, 3600)) * time.Second
	}
	return result
}
