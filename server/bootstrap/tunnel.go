package bootstrap

import (
	"net"
	"os"
	"sync"
	"time"
)

// tunnel is a connection through a jump host with what those of x/crypto/ssh lack: a deadline.
type tunnel struct {
	net.Conn

	mu    sync.Mutex
	timer *time.Timer
	late  bool
}

// SetDeadline ends the connection at a time; the zero time takes that back.
func (t *tunnel) SetDeadline(at time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	if !at.IsZero() {
		t.timer = time.AfterFunc(time.Until(at), t.expire)
	}
	return nil
}

func (t *tunnel) expire() {
	t.mu.Lock()
	t.late = true
	t.mu.Unlock()
	_ = t.Close()
}

func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	return n, t.judge(err)
}

func (t *tunnel) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p)
	return n, t.judge(err)
}

// judge tells an end that the deadline made from others.
func (t *tunnel) judge(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && t.late {
		return os.ErrDeadlineExceeded
	}
	return err
}
