package bootstrap

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"hostler/server/operation"
)

// clientVersion is how the server introduces itself, RFC 4253 section 4.2.
const clientVersion = "SSH-2.0-Hostler"

// target is where one host's SSH server is.
type target struct {
	name    string // what the host is called
	address string // the name or address to connect to
	port    int
	user    string      // who logs in; "" for the user of the credentials
	looking bool        // the host's key is not kept when it is new
	via     *connection // to the jump host; nil when there is none
}

func (t target) String() string { return net.JoinHostPort(t.address, strconv.Itoa(t.port)) }

// key is under which the host's keys are kept.
func (t target) key() string { return strings.ToLower(t.name) + ":" + strconv.Itoa(t.port) }

// redials are the pauses before another attempt when a server drops the connection unseen, as sshd does at
// random when many log in at the same moment (MaxStartups).
var redials = []time.Duration{200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}

// dial connects and logs in. Failures are *operation.Failure; when ctx ends it is ctx's cause.
func (b *Bootstrap) dial(ctx context.Context, t target, c *Credentials, logf func(string, ...any)) (*connection, error) {
	t.user = cmp.Or(t.user, c.User)
	keys, err := b.knownHostKeys(ctx, t)
	if err != nil {
		return nil, err
	}
	for i := 0; ; i++ {
		conn, err := b.dialOnce(ctx, t, c, keys, logf)
		var f *operation.Failure
		if i == len(redials) || !errors.As(err, &f) || f.Code != codeConnectDropped && f.Code != codeJumpBusy {
			return conn, err
		}
		pause := redials[i] + jitter(redials[i])
		logf("%s Trying again in %s", f.Cause, pause.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// jitter spreads attempts that were dropped together over up to limit.
func jitter(limit time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(limit)))
	if err != nil {
		return limit
	}
	return time.Duration(n.Int64())
}

func (b *Bootstrap) dialOnce(ctx context.Context, t target, c *Credentials, keys *hostKeys, logf func(string, ...any)) (*connection, error) {
	dialCtx, cancel := context.WithTimeout(ctx, b.Limits.Dial)
	defer cancel()
	raw, err := b.open(dialCtx, t)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	if t.via == nil && raw.RemoteAddr().String() != t.String() {
		logf("connected to %s", raw.RemoteAddr())
	}
	h := &handshake{bootstrap: b, target: t, credentials: c, keys: keys, wire: &opening{Conn: raw}}
	client, err := h.run(ctx)
	known := len(keys.known) > 0
	if keys.presented != nil && keys.failure == nil && !t.looking {
		if err := keys.keep(ctx, b.DB, logf); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	if err != nil {
		_ = raw.Close()
		if t.via != nil && ctx.Err() == nil && !t.via.answers() {
			return nil, t.via.jumpLost(err)
		}
		return nil, err
	}
	logf("logged in as %s (%s)", t.user, printable(string(client.ServerVersion())))
	conn := newConnection(client, raw, t, b.Limits)
	conn.key, conn.known = keys.row(), known
	return conn, nil
}

// open opens a connection to a host's SSH server. Failures are *operation.Failure unless ctx has ended.
func (b *Bootstrap) open(ctx context.Context, t target) (net.Conn, error) {
	if t.via != nil {
		raw, err := b.dialThrough(ctx, t)
		if err != nil {
			return nil, b.throughFailure(t, err)
		}
		return raw, nil
	}
	raw, err := b.Dial(ctx, "tcp", t.String())
	if err != nil {
		return nil, b.dialFailure(t, err)
	}
	return raw, nil
}

// dialFailure tells apart why there is no TCP connection.
func (b *Bootstrap) dialFailure(t target, err error) error {
	port := strconv.Itoa(t.port)
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &name):
		cause := name.Err
		if name.IsTimeout {
			cause = "the name server does not answer"
		}
		return fail(codeNameUnresolved, err, "host", t.address, "error", printable(cause))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(codePortClosed, err, "host", t.address, "port", port)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL),
		errors.Is(err, syscall.EHOSTDOWN), errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fail(codeNoRoute, err, "host", t.address, "error", cause(err))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT), errors.As(err, &timeout) && timeout.Timeout():
		return fail(codeConnectTimeout, err, "host", t.address, "port", port, "seconds", seconds(b.Limits.Dial))
	case errors.Is(err, syscall.ECONNRESET):
		return fail(codeConnectDropped, err, "host", t.address, "port", port)
	}
	return fail(codeConnectFailed, err, "host", t.address, "error", cause(err))
}

// cause is the innermost word of a network error: "no route to host".
func cause(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return plain(err)
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// handshake is one attempt to log in over a TCP connection.
type handshake struct {
	bootstrap   *Bootstrap
	target      target
	credentials *Credentials
	keys        *hostKeys
	wire        *opening
	login       *ssh.ClientAuthContext // how far logging in got; nil before that
}

func (h *handshake) run(ctx context.Context) (*ssh.Client, error) {
	limit := h.bootstrap.Limits.Handshake
	if err := h.wire.SetDeadline(time.Now().Add(limit)); err != nil {
		return nil, fmt.Errorf("cannot set a deadline: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = h.wire.Close() })
	defer stop()
	algorithms := ssh.SupportedAlgorithms()
	config := &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: algorithms.KeyExchanges, Ciphers: algorithms.Ciphers, MACs: algorithms.MACs},
		User:              h.target.user,
		Auth:              h.credentials.auth(),
		AuthCallback:      h.watchLogin,
		HostKeyCallback:   h.keys.check,
		HostKeyAlgorithms: h.keys.algorithms(),
		ClientVersion:     clientVersion,
	}
	conn, channels, requests, err := ssh.NewClientConn(h.wire, h.target.String(), config)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, h.failure(err)
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	if err := h.wire.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("cannot take the deadline away: %w", err)
	}
	return ssh.NewClient(conn, channels, requests), nil
}

// watchLogin is called before every attempt to log in; it only takes notes.
func (h *handshake) watchLogin(a *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	h.login = a
	return nil, nil
}

// failure tells apart why the SSH handshake did not succeed.
func (h *handshake) failure(err error) error {
	if h.keys.failure != nil {
		return h.keys.failure
	}
	host, port := h.target.address, strconv.Itoa(h.target.port)
	banner, n := h.wire.start()
	var algorithms *ssh.AlgorithmNegotiationError
	switch {
	case n == 0 && errors.Is(err, os.ErrDeadlineExceeded):
		return fail(codeConnectSilent, err, "host", host, "port", port, "seconds", seconds(h.bootstrap.Limits.Handshake))
	case n == 0, strings.Contains(banner, "MaxStartups"), strings.HasPrefix(banner, "Not allowed at this time"):
		return fail(codeConnectDropped, err, "host", host, "port", port)
	case !strings.HasPrefix(banner, "SSH-") && !strings.Contains(banner, "\nSSH-"), strings.HasPrefix(banner, clientVersion):
		first, _, _ := strings.Cut(banner, "\n")
		return fail(codeNotSSH, err, "host", host, "port", port, "banner", strconv.Quote(printable(strings.TrimSpace(first))))
	case errors.As(err, &algorithms):
		return fail(codeNoCommonAlgorithm, err, "host", host, "error", plain(err))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail(codeConnectTimeout, err, "host", host, "port", port, "seconds", seconds(h.bootstrap.Limits.Handshake))
	case h.login != nil && !isNetworkError(err):
		return h.refusal(err)
	case h.login == nil && isNetworkError(err) && h.keys.presented == nil:
		return fail(codeConnectDropped, err, "host", host, "port", port)
	}
	return fail(codeConnectFailed, err, "host", host, "error", cause(err))
}

func isNetworkError(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}

// refusal says which way of logging in was refused.
func (h *handshake) refusal(err error) error {
	host, user := h.target.address, h.target.user
	// A server that hangs up in the middle of a method leaves it out of those that were tried.
	methods := slices.Concat(h.login.TriedMethods, h.login.AllowedMethods)
	fingerprint := h.credentials.Key().Fingerprint
	given := "password"
	if fingerprint != "" {
		given = "publickey"
	}
	switch {
	case len(h.login.PartialSuccessMethods) > 0:
	case given == "publickey" && slices.Contains(methods, "publickey"):
		return fail(codeKeyRefused, err, "host", host, "user", user, "fingerprint", fingerprint)
	case len(h.credentials.Password) > 0 && (slices.Contains(methods, "password") || slices.Contains(methods, "keyboard-interactive")):
		return fail(codePasswordRefused, err, "host", host, "user", user)
	}
	return fail(codeMethodRefused, err, "host", host, "user", user, "given", given, "offered", strings.Join(h.login.AllowedMethods, ", "))
}

// opening is a connection that remembers how the other side began, so that it can be told what is no SSH server.
type opening struct {
	net.Conn

	mu    sync.Mutex
	first bytes.Buffer
}

// openingSize is how much of the beginning is kept, in bytes: a version line (RFC 4253) and a little before it.
const openingSize = 512

func (o *opening) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	if room := openingSize - o.first.Len(); room > 0 {
		o.first.Write(p[:min(n, room)])
	}
	return n, err
}

// start returns what came first and how many bytes of it are known.
func (o *opening) start() (string, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.first.String(), o.first.Len()
}
