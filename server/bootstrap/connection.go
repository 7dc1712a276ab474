package bootstrap

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"hostler/db"
)

// connection is one SSH connection to a host. It finds out by itself when the host stops answering.
type connection struct {
	client *ssh.Client
	raw    net.Conn
	target target
	key    db.SSHHostKey // that the host showed
	known  bool          // and that was trusted before
	limits Limits
	redact func(text string) string // hides secrets in what the host printed
	done   chan struct{}            // closed when the connection has ended
	wg     sync.WaitGroup           // goroutines that end with the connection
}

func newConnection(client *ssh.Client, raw net.Conn, t target, limits Limits) *connection {
	c := &connection{client: client, raw: raw, target: t, limits: limits, done: make(chan struct{})}
	c.redact = func(text string) string { return text }
	c.wg.Go(func() {
		_ = c.client.Wait()
		close(c.done)
	})
	c.wg.Go(c.keepAlive)
	return c
}

// keepAlive proves from time to time that the host still answers. A host that lost its power sends no farewell.
func (c *connection) keepAlive() {
	ticker := time.NewTicker(c.limits.Keepalive)
	defer ticker.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-ticker.C:
		}
		timer := time.AfterFunc(c.limits.Keepalive, c.abort)
		_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
		timer.Stop()
		if err != nil {
			return
		}
	}
}

// abort ends the connection at once; everything that waits for the host returns.
func (c *connection) abort() { _ = c.raw.Close() }

// close ends the connection and waits for what belonged to it.
func (c *connection) close() {
	_ = c.client.Close()
	c.abort()
	c.wg.Wait()
}

// open starts a session. When ctx ends first, a host that does not even open a session is beyond use and the
// connection is ended.
func (c *connection) open(ctx context.Context, kind string, payload []byte) (*process, error) {
	return c.openWith(ctx, func(channel ssh.Channel) error { return ask(channel, kind, payload, errRefused) })
}

// openWith starts a session and has it asked for something.
func (c *connection) openWith(ctx context.Context, ask func(ssh.Channel) error) (*process, error) {
	stop := context.AfterFunc(ctx, c.abort)
	defer stop()
	channel, requests, err := c.client.OpenChannel("session", nil)
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	p := &process{connection: c, channel: channel, ended: make(chan struct{})}
	c.wg.Go(func() { p.watch(requests) })
	switch err := ask(channel); {
	case err == nil:
		return p, nil
	case errors.Is(err, errRefused), errors.Is(err, errNoTerminal):
		_ = channel.Close()
		return nil, err
	default:
		return nil, c.lost(ctx, err)
	}
}

// ask sends a request; refused is the error when the host does not want to.
func ask(channel ssh.Channel, kind string, payload []byte, refused error) error {
	ok, err := channel.SendRequest(kind, true, payload)
	if err == nil && !ok {
		err = refused
	}
	return err
}

// lost says why the connection failed: because ctx ended, or by itself.
func (c *connection) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if via := c.target.via; via != nil && !via.answers() {
		return via.jumpLost(err)
	}
	return fail(codeConnectionLost, err, "host", c.target.address, "error", cause(err))
}
