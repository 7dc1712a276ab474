package bootstrap

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// valve stands between a client and a server and can be shut: what is sent then is swallowed, and neither side
// is told, as when a cable is cut.
type valve struct {
	server string

	mu     sync.Mutex
	closed bool
}

func newValve(t testing.TB, server string) *valve {
	t.Helper()
	return &valve{server: server}
}

func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
}

func (v *valve) isShut() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.closed
}

func (v *valve) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, v.server)
	return &valveConn{Conn: c, valve: v}, err
}

type valveConn struct {
	net.Conn
	valve *valve
}

func (c *valveConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if !c.valve.isShut() || err != nil {
			return n, err
		}
	}
}

func (c *valveConn) Write(p []byte) (int, error) {
	if c.valve.isShut() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

var _ io.ReadWriteCloser = (*valveConn)(nil)
