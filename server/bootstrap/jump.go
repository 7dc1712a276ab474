package bootstrap

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"hostler/server/bootstrap/hostlist"
	"hostler/server/operation"
)

// Jump is a host through which hosts are reached that the server does not reach itself; others call it a bastion. All
// hosts of an operation share one connection to it, over which each has a channel of its own. sshd limits sessions of a
// connection (MaxSessions), and logins at the same moment (MaxStartups); channels are neither, and there is one login.
type Jump struct {
	Address string       // a name or an address; a user and a port in it, user@host:port, are Login's
	Login   *Credentials // nil for those of the hosts; without a key and a password it logs in as they do

	turn     chan struct{} // held by who connects
	attempts atomic.Int64
	failure  error // of the last attempt; read and written by who has the turn

	mu    sync.Mutex
	conn  *connection // nil when there is none
	users int
	idle  *time.Timer
	wiped bool
}

const fieldJump = "jump."

// check fills the defaults from the credentials of the hosts.
func (j *Jump) check(hosts *Credentials) error {
	list := hostlist.Read(j.Address)
	if len(list.Hosts) != 1 || len(list.Problems) > 0 {
		return fieldError(fieldJump+"host", codeJumpInvalid)
	}
	if j.Login == nil {
		j.Login = &Credentials{}
	}
	// hosts is locked.
	host, login := list.Hosts[0], j.Login
	j.Address = host.Name
	login.User = cmp.Or(host.User, login.User, hosts.User)
	if host.Port != 0 {
		login.Port = host.Port
	}
	if len(login.PrivateKey)+len(login.Password) == 0 {
		clear(login.Passphrase)
		login.PrivateKey, login.Passphrase, login.Password = bytes.Clone(hosts.PrivateKey), bytes.Clone(hosts.Passphrase), bytes.Clone(hosts.Password)
	}
	j.turn = make(chan struct{}, 1)
	err := login.Check()
	var wrong *FieldError
	if errors.As(err, &wrong) {
		wrong.Field = fieldJump + wrong.Field
	}
	return err
}

// GoThrough sends logins through a jump host, unless others are given: what is given for it stays.
func (c *Credentials) GoThrough(host, user string, port int) {
	if c.Jump == nil {
		c.Jump = &Jump{}
	}
	c.Jump.complete(&Jump{Address: host, Login: &Credentials{User: user, Port: port}})
}

// complete takes what is not given from another one, which is of no use afterwards.
func (j *Jump) complete(from *Jump) {
	if from == nil {
		return
	}
	defer from.wipe()
	if j.Login == nil {
		j.Login = &Credentials{}
	}
	other := strings.TrimSpace(j.Address) != "" && strings.TrimSpace(j.Address) != from.Address
	if other || from.Login == nil {
		return
	}
	j.Address = from.Address
	j.Login.User, j.Login.Port = cmp.Or(j.Login.User, from.Login.User), cmp.Or(j.Login.Port, from.Login.Port)
	if len(j.Login.PrivateKey)+len(j.Login.Password) == 0 {
		was := from.Login.Clone()
		j.Login.PrivateKey, j.Login.Passphrase, j.Login.Password = was.PrivateKey, was.Passphrase, was.Password
	}
}

// clone copies the secrets.
func (j *Jump) clone() *Jump {
	if j == nil {
		return nil
	}
	clone := &Jump{Address: j.Address}
	if j.Login != nil {
		clone.Login = j.Login.Clone()
	}
	return clone
}

// wipe overwrites the secrets and ends the connection.
func (j *Jump) wipe() {
	if j == nil {
		return
	}
	if j.Login != nil {
		j.Login.Wipe()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wiped = true
	j.drop()
}

// drop ends the connection without waiting for it; j.mu is held.
func (j *Jump) drop() {
	if j.idle != nil {
		j.idle.Stop()
		j.idle = nil
	}
	if j.conn != nil {
		j.conn.abort()
		j.conn = nil
	}
}

// through returns the connection to the jump host, made by whoever needs it first. Those who wait meanwhile share how
// that ends, so that a jump host that refuses is not asked once per host. Whoever gets the connection releases it.
func (r *run) through(ctx context.Context, j *Jump) (*connection, error) {
	before := j.attempts.Load()
	select {
	case j.turn <- struct{}{}:
		defer func() { <-j.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if conn := j.take(); conn != nil {
		return conn, nil
	}
	if j.failure != nil && j.attempts.Load() != before {
		return nil, j.failure
	}
	t := target{name: j.Address, address: j.Address, port: j.Login.Port, looking: r.found != nil}
	conn, err := r.dial(ctx, t, j.Login, func(format string, args ...any) { r.task.Logf("jump host: "+format, args...) })
	if ctx.Err() != nil {
		if conn != nil {
			conn.close()
		}
		return nil, context.Cause(ctx)
	}
	err = ofJump(err)
	j.failure = err
	j.attempts.Add(1)
	if err != nil {
		return nil, err
	}
	j.keep(conn)
	return conn, nil
}

// take returns the connection that there is; nil when there is none.
func (j *Jump) take() *connection {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.conn == nil {
		return nil
	}
	select {
	case <-j.conn.done:
		j.drop()
		return nil
	default:
	}
	if j.idle != nil {
		j.idle.Stop()
		j.idle = nil
	}
	j.users++
	return j.conn
}

func (j *Jump) keep(conn *connection) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.conn = conn
	j.users++
	if j.wiped {
		j.drop()
	}
}

// release gives the connection back. It is kept for a while, for hosts that have to wait for their turn.
func (j *Jump) release(idle time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.users--; j.users > 0 || j.conn == nil {
		return
	}
	j.idle = time.AfterFunc(idle, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.users == 0 {
			j.drop()
		}
	})
}

// jumpCodes are the failures of a jump host, by the codes that they have for a host.
var jumpCodes = map[string]string{
	codeNameUnresolved:    codeJumpNameUnresolved,
	codeNoRoute:           codeJumpNoRoute,
	codePortClosed:        codeJumpPortClosed,
	codeNotSSH:            codeJumpNotSSH,
	codeConnectTimeout:    codeJumpConnectTimeout,
	codeConnectSilent:     codeJumpConnectSilent,
	codeConnectDropped:    codeJumpConnectDropped,
	codeConnectFailed:     codeJumpConnectFailed,
	codeNoCommonAlgorithm: codeJumpNoCommonAlgorithm,
	codeHostKeyChanged:    codeJumpHostKeyChanged,
	codeKeyRefused:        codeJumpKeyRefused,
	codePasswordRefused:   codeJumpPasswordRefused,
	codeMethodRefused:     codeJumpMethodRefused,
}

// ofJump tells a failure of the jump host from the same one of a host.
func ofJump(err error) error {
	var f *operation.Failure
	if !errors.As(err, &f) || jumpCodes[f.Code] == "" {
		return err
	}
	var args []string
	for name, value := range f.Args {
		args = append(args, name, value)
	}
	return fail(jumpCodes[f.Code], f.Err, args...)
}

// dialThrough opens a connection to a host behind a jump host.
func (b *Bootstrap) dialThrough(ctx context.Context, t target) (net.Conn, error) {
	raw, err := t.via.client.DialContext(ctx, "tcp", t.String())
	if err != nil {
		return nil, err
	}
	return &tunnel{Conn: raw}, nil
}

// throughFailure tells apart why there is no connection through the jump host. The words are OpenSSH's, which come from
// its system's resolver and kernel.
func (b *Bootstrap) throughFailure(t target, err error) error {
	jump, port := t.via.target.address, strconv.Itoa(t.port)
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) {
		if errors.Is(err, context.DeadlineExceeded) {
			return fail(codeConnectTimeout, err, "host", t.address, "port", port, "seconds", seconds(b.Limits.Dial))
		}
		return t.via.jumpLost(err)
	}
	said := printable(refused.Message)
	switch {
	case refused.Reason == ssh.Prohibited, refused.Reason == ssh.UnknownChannelType:
		return fail(codeJumpForwardRefused, err, "jump", jump, "host", t.address, "port", port, "error", said)
	case refused.Reason == ssh.ResourceShortage:
		return fail(codeJumpBusy, err, "jump", jump, "error", said)
	case contains(said, "refused"):
		return fail(codePortClosed, err, "host", t.address, "port", port)
	case contains(said, "No route", "unreachable"):
		return fail(codeBehindNoRoute, err, "jump", jump, "host", t.address, "error", said)
	case contains(said, "timed out"):
		return fail(codeConnectTimeout, err, "host", t.address, "port", port, "seconds", seconds(b.Limits.Dial))
	case contains(said, "not known", "name resolution", "No address"):
		return fail(codeBehindNameUnresolved, err, "jump", jump, "host", t.address, "error", said)
	}
	return fail(codeBehindConnectFailed, err, "jump", jump, "host", t.address, "port", port, "error", said)
}

// answers reports whether a connection is alive, which is asked of the other side.
func (c *connection) answers() bool {
	timer := time.AfterFunc(c.limits.Keepalive, c.abort)
	defer timer.Stop()
	_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
	return err == nil
}

// jumpLost is what is wrong with all hosts behind a jump host whose connection has ended.
func (c *connection) jumpLost(err error) error {
	return fail(codeJumpLost, err, "jump", c.target.address, "error", cause(err))
}

// noteJump remembers the key that the jump host showed to a check.
func (r *run) noteJump(conn *connection) error {
	if r.found == nil {
		return nil
	}
	r.found.Jump, r.found.JumpKnown = &conn.key, conn.known
	return r.task.Remember(r.found)
}

// contains reports whether a text has one of the words.
func contains(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}
