package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"hostler/server/operation"
)

// behind are a host and a jump host before it, each with a key of its own, and the credentials for both.
func behind(t testing.TB, jumpConfig string) (host, jump *sshd, c *Credentials) {
	t.Helper()
	c, key := login(t)
	host = newSSHD(t, "", []ssh.PublicKey{key})
	jumpLogin, jumpKey := login(t)
	jump = newSSHD(t, jumpConfig, []ssh.PublicKey{jumpKey})
	c = &Credentials{User: c.User, PrivateKey: c.PrivateKey, Jump: &Jump{
		Address: fmt.Sprintf("%s@127.0.0.1:%d", jumpLogin.User, jump.port()), Login: &Credentials{PrivateKey: jumpLogin.PrivateKey},
	}}
	must(t, c.Check())
	return host, jump, c
}

// One login is all that a jump host sees of a run, whatever it allows a connection and at a time.
func TestAllHostsShareOneConnectionToTheJumpHost(t *testing.T) {
	host, jump, c := behind(t, "MaxSessions 1\nMaxStartups 1")
	jump.daemon()
	var past atomic.Int32
	script, _ := record(t, recorder)
	r := newRig(t, script, func(o *Options) {
		var d net.Dialer
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasSuffix(address, ":"+strconv.Itoa(host.port())) {
				past.Add(1)
			}
			return d.DialContext(ctx, network, address)
		}
	})
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf("node%d.test", i))
	}
	id := r.start(host, c, names...).ID
	logins := 0
	for _, task := range r.wait(id) {
		wantDone(t, r, task)
		logins += strings.Count(r.log(task.ID), "jump host: logged in as")
	}
	if logins != 1 || past.Load() != 0 {
		t.Errorf("%d logins on the jump host, %d connections past it", logins, past.Load())
	}
	for _, target := range []string{fmt.Sprintf("127.0.0.1:%d", jump.port()), fmt.Sprintf("node7.test:%d", host.port())} {
		keys, err := r.b.DB.SSHHostKeys(t.Context(), target)
		must(t, err)
		if len(keys) != 1 {
			t.Errorf("%d keys of %s are kept", len(keys), target)
		}
	}
	o, err := r.b.DB.Operation(t.Context(), id)
	must(t, err)
	if p := string(o.Params); !strings.Contains(p, `"jump":{"host":"127.0.0.1"`) || strings.Contains(p, "PRIVATE") {
		t.Errorf("the operation keeps %s", p)
	}
}

// The key of the jump host is found, shown and approved as those of hosts are.
func TestCheckFindsTheKeyOfTheJumpHost(t *testing.T) {
	script, _ := record(t, recorder)
	host, jump, c := behind(t, "")
	r := newRig(t, script, nil)
	tasks := r.wait(r.check(host, c, "node1.test", "node2.test").ID)
	for _, task := range tasks {
		wantDone(t, r, task)
	}
	keys, err := HostKeys(tasks, nil)
	must(t, err)
	if len(keys) != 3 || !keys[0].Jump || keys[0].Host != "127.0.0.1" || keys[0].Known || keys[1].Jump || keys[2].Jump {
		t.Fatalf("the keys are %+v", keys)
	}
	kept := func() int {
		keys, err := r.b.DB.SSHHostKeys(t.Context(), fmt.Sprintf("127.0.0.1:%d", jump.port()))
		must(t, err)
		return len(keys)
	}
	if kept() != 0 {
		t.Error("the jump host is trusted though nobody said so")
	}
	n, err := TrustFound(t.Context(), r.b.DB, tasks)
	must(t, err)
	if n != 3 || kept() != 1 {
		t.Errorf("%d keys were trusted, %d of the jump host", n, kept())
	}
	again := r.wait(r.check(host, c.Clone(), "node1.test").ID)
	if keys, err = HostKeys(again, nil); err != nil || len(keys) != 2 || !keys[0].Known {
		t.Errorf("afterwards the keys are %+v, %v", keys, err)
	}
	known, err := ReadKnownHosts(fmt.Sprintf("[127.0.0.1]:%d %s\n", jump.port(), keys[0].Row.Key))
	must(t, err)
	if keys, err = HostKeys(again, known); err != nil || keys[0].Comparison != KeySame || keys[1].Comparison != KeyAbsent {
		t.Errorf("beside a file the keys are %+v, %v", keys, err)
	}
}

// What is wrong with the jump host is told from what is wrong with a host behind it.
func TestJumpFailures(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closedPort := closed.Addr().(*net.TCPAddr).Port
	must(t, closed.Close())
	mail := serve(t, func(c net.Conn) { _, _ = io.WriteString(c, "220 mail.example ESMTP\r\n") })
	tests := []struct {
		name, config string
		change       func(c *Credentials, p *TaskParams)
		code         string
	}{
		{"no such jump host", "", func(c *Credentials, _ *TaskParams) { c.Jump.Address = "no-such-host.invalid" }, codeJumpNameUnresolved},
		{"closed port", "", func(c *Credentials, _ *TaskParams) { c.Jump.Login.Port = closedPort }, codeJumpPortClosed},
		{"no SSH server", "", func(c *Credentials, _ *TaskParams) { c.Jump.Login.Port = mail.port }, codeJumpNotSSH},
		{"another key", "", func(c *Credentials, _ *TaskParams) { c.Jump.Login.PrivateKey = makeKey(t, 0) }, codeJumpKeyRefused},
		{"a password alone", "PasswordAuthentication no\nKbdInteractiveAuthentication no", func(c *Credentials, _ *TaskParams) {
			c.Jump.Login.PrivateKey, c.Jump.Login.Password = nil, []byte("x")
		}, codeJumpMethodRefused},
		{"no forwarding", "AllowTcpForwarding no", nil, codeJumpForwardRefused},
		{"closed port behind", "", func(_ *Credentials, p *TaskParams) { p.Port = closedPort }, codePortClosed},
		{"unknown name behind", "", func(_ *Credentials, p *TaskParams) { p.Address = strings.Repeat("a", 64) + ".test" }, codeBehindNameUnresolved},
		{"key refused behind", "", func(c *Credentials, _ *TaskParams) { c.PrivateKey = makeKey(t, 0) }, codeKeyRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host, _, checked := behind(t, tt.config)
			c := checked.Clone()
			c.Jump.Login.Port = checked.Jump.Login.Port
			p := TaskParams{Address: "127.0.0.1", Port: host.port()}
			if tt.change != nil {
				tt.change(c, &p)
			}
			r := newRig(t, "", nil)
			spec := Spec("", "tester", hosts("node1.test"), c)
			spec.Params, spec.Tasks[0].Params = Params{}, p
			o, err := r.engine.Start(t.Context(), spec)
			must(t, err)
			task := r.wait(o.ID)[0]
			if task.Problem.Code != tt.code || strings.ContainsAny(task.Problem.Cause+task.Problem.Hint, "{}") {
				t.Errorf("problem %+v", task.Problem)
			}
			t.Log(task.Problem.Cause)
		})
	}
}

// Somebody who knows why the jump host has another key can have it trusted from the failed task.
func TestJumpHostKeyChanged(t *testing.T) {
	host, jump, c := behind(t, "")
	r := newRig(t, "", nil)
	spare, again := c.Clone(), c.Clone()
	wantDone(t, r, r.one(host, c))
	jump.setHostKeys("ed25519")
	must(t, spare.Check())
	task := r.one(host, spare)
	if task.Problem.Code != codeJumpHostKeyChanged || strings.Count(task.Problem.Cause, "SHA256:") != 2 {
		t.Fatalf("problem %+v", task.Problem)
	}
	key, forgotten, err := ForgetHostKey(t.Context(), r.b.DB, &task)
	must(t, err)
	if !forgotten || key.Target != fmt.Sprintf("127.0.0.1:%d", jump.port()) {
		t.Errorf("forgotten: %v, %+v", forgotten, key)
	}
	must(t, again.Check())
	wantDone(t, r, r.one(host, again))
}

func TestJumpHostLost(t *testing.T) {
	host, jump, c := behind(t, "")
	b := newBootstrap(t)
	at := jump.target()
	via, err := b.dial(t.Context(), at, c.Jump.Login, t.Logf)
	must(t, err)
	t.Cleanup(via.close)
	to := host.target()
	to.via = via
	conn, err := b.dial(t.Context(), to, c, t.Logf)
	must(t, err)
	t.Cleanup(conn.close)
	_, err = conn.command(t.Context(), command{argv: []string{"sh", "-c", "echo up; exec sleep 20"}, line: func(string, bool) { via.abort() }})
	wantCode(t, err, codeJumpLost)
	_, err = b.dial(t.Context(), to, c, t.Logf)
	wantCode(t, err, codeJumpLost)
}

// A host behind the jump host that says nothing has its deadline all the same, and costs no other host anything.
func TestDeadlineBehindTheJumpHost(t *testing.T) {
	host, jump, c := behind(t, "")
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	b := newBootstrap(t)
	via, err := b.dial(t.Context(), jump.target(), c.Jump.Login, t.Logf)
	must(t, err)
	t.Cleanup(via.close)
	silent.via = via
	impatient := newBootstrap(t)
	impatient.Limits.Handshake = 300 * time.Millisecond
	_, err = impatient.dial(t.Context(), silent, c, t.Logf)
	wantCode(t, err, codeConnectSilent)
	to := host.target()
	to.via = via
	conn, err := b.dial(t.Context(), to, c, t.Logf)
	must(t, err)
	conn.close()
}

// Whoever waits for the jump host can be stopped, and whoever connects to it takes nobody along.
func TestWaitingForTheJumpHostEnds(t *testing.T) {
	_, _, c := behind(t, "")
	r := &run{Bootstrap: newBootstrap(t), task: &operation.Task{}}
	c.Jump.turn <- struct{}{}
	stopped := errors.New("stopped by a person")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	if _, err := r.through(ctx, c.Jump); !errors.Is(err, stopped) {
		t.Errorf("error %v", err)
	}
}

// Without a login of its own a jump host is logged in on as hosts are; a further set goes through the operation's.
func TestJumpLoginIsThatOfTheHosts(t *testing.T) {
	c, _ := login(t)
	shared := &Credentials{User: "ops", PrivateKey: c.PrivateKey, Jump: &Jump{Address: "bastion.test:2222"}}
	must(t, shared.Check())
	if j := shared.Jump; j.Address != "bastion.test" || j.Login.User != "ops" || j.Login.Port != 2222 || j.Login.Key() != shared.Key() {
		t.Errorf("the login is %v at %s", j.Login, j.Address)
	}
	set := shared.Changed(&Credentials{Password: []byte("x")})
	if set.Jump != nil {
		t.Errorf("the set has a jump host of its own: %v", set)
	}
	set = shared.Changed(&Credentials{Jump: &Jump{Login: &Credentials{User: "other"}}})
	must(t, set.Check())
	if j := set.Jump; j.Address != "bastion.test" || j.Login.User != "other" || j.Login.Port != 2222 || j.Login.Key() != shared.Key() {
		t.Errorf("the changed login is %v at %s", j.Login, j.Address)
	}
	for field, wrong := range map[string]*Jump{
		"jump.host":        {Address: "a b"},
		"jump.port":        {Address: "a", Login: &Credentials{Port: 70000}},
		"jump.private_key": {Address: "a", Login: &Credentials{PrivateKey: []byte("ssh-rsa AAAA me")}},
	} {
		var f *FieldError
		if err := (&Credentials{Password: []byte("x"), Jump: wrong}).Check(); !errors.As(err, &f) || f.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, secret := range [][]byte{shared.Jump.Login.PrivateKey, set.Jump.Login.PrivateKey} {
		shared.Wipe()
		set.Wipe()
		if strings.Trim(string(secret), "\x00") != "" {
			t.Error("a key of the jump host is left")
		}
	}
}

// What the jump host says must not show how one logs in there.
func TestJumpSecretsAreHidden(t *testing.T) {
	c := &Credentials{Password: []byte("host-password"), Jump: &Jump{Address: "b", Login: &Credentials{Password: []byte("jump-password")}}}
	must(t, c.Check())
	if line := string(c.redact([]byte("jump-password and host-password"))); strings.Contains(line, "-password") {
		t.Errorf("the line is %q", line)
	}
}
