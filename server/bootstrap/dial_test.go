package bootstrap

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"hostler/db"
	"hostler/server/operation"
)

func TestDialTrustsOnFirstUse(t *testing.T) {
	c, key := login(t)
	s := newSSHD(t, "", []ssh.PublicKey{key}, "rsa", "ecdsa", "ed25519")
	b := newBootstrap(t)
	connectTo(t, b, s, c)
	known, err := b.DB.SSHHostKeys(t.Context(), s.target().key())
	must(t, err)
	if len(known) != 1 || known[0].Algorithm != ssh.KeyAlgoED25519 || !strings.HasPrefix(known[0].Fingerprint, "SHA256:") {
		t.Fatalf("kept %+v", known)
	}

	s.setHostKeys("ed25519")
	_, err = b.dial(t.Context(), s.target(), c, t.Logf)
	f := wantCode(t, err, codeHostKeyChanged)
	if !strings.Contains(f.Cause, known[0].Fingerprint) || strings.Count(f.Cause, "SHA256:") != 2 {
		t.Errorf("the cause must name both keys: %s", f.Cause)
	}

	task := &db.Task{State: db.Running, Problem: db.Problem{Code: f.Code, Args: f.Args}}
	if _, _, err := ForgetHostKey(t.Context(), b.DB, task); !errors.Is(err, operation.ErrNothingToDo) {
		t.Errorf("forgetting for a task that runs gives %v", err)
	}
	task.State = db.Failed
	changed, forgotten, err := ForgetHostKey(t.Context(), b.DB, task)
	must(t, err)
	if !forgotten || changed.Target != s.target().key() || changed.Known != known[0].Fingerprint || changed.Now != f.Args["now"] {
		t.Errorf("forgotten: %v, %+v", forgotten, changed)
	}
	connectTo(t, b, s, c)
	_, forgotten, err = ForgetHostKey(t.Context(), b.DB, task)
	must(t, err)
	if forgotten {
		t.Error("a key that nobody was asked about was forgotten")
	}
}

// A host that got another kind of key beside the known one has not changed.
func TestDialAsksForTheKnownKey(t *testing.T) {
	c, key := login(t)
	s := newSSHD(t, "", []ssh.PublicKey{key}, "rsa")
	b := newBootstrap(t)
	connectTo(t, b, s, c)
	rsa := s.hostKeys
	s.setHostKeys("ed25519")
	_, err := b.dial(t.Context(), s.target(), c, t.Logf)
	wantCode(t, err, codeHostKeyChanged)
	s.hostKeys = append(rsa, s.hostKeys...)
	s.configure()
	connectTo(t, b, s, c)
}

func TestDialRefused(t *testing.T) {
	mine, key := login(t)
	other, _ := login(t)
	b := newBootstrap(t)
	t.Run("key", func(t *testing.T) {
		s := newSSHD(t, "", []ssh.PublicKey{key})
		_, err := b.dial(t.Context(), s.target(), other, t.Logf)
		f := wantCode(t, err, codeKeyRefused)
		if !strings.Contains(f.Cause, other.Key().Fingerprint) || !strings.Contains(f.Cause, other.User) {
			t.Errorf("cause %q", f.Cause)
		}
	})
	t.Run("key not allowed at all", func(t *testing.T) {
		s := newSSHD(t, "PubkeyAuthentication no", []ssh.PublicKey{key})
		_, err := b.dial(t.Context(), s.target(), mine, t.Logf)
		f := wantCode(t, err, codeMethodRefused)
		if !strings.Contains(f.Cause, "publickey") || !strings.Contains(f.Cause, "password") {
			t.Errorf("cause %q", f.Cause)
		}
	})
	t.Run("password not allowed at all", func(t *testing.T) {
		s := newSSHD(t, "PasswordAuthentication no\nKbdInteractiveAuthentication no", nil)
		_, err := b.dial(t.Context(), s.target(), &Credentials{User: mine.User, Password: []byte("x")}, t.Logf)
		wantCode(t, err, codeMethodRefused)
	})
	t.Run("key is not enough", func(t *testing.T) {
		s := newSSHD(t, "AuthenticationMethods publickey,password", []ssh.PublicKey{key})
		_, err := b.dial(t.Context(), s.target(), mine, t.Logf)
		wantCode(t, err, codeMethodRefused)
	})
	t.Run("no common algorithm", func(t *testing.T) {
		s := newSSHD(t, "Ciphers 3des-cbc", []ssh.PublicKey{key})
		_, err := b.dial(t.Context(), s.target(), mine, t.Logf)
		wantCode(t, err, codeNoCommonAlgorithm)
	})
}

func TestDialPassword(t *testing.T) {
	needsRoot(t)
	b := newBootstrap(t)
	s := newSSHD(t, "KbdInteractiveAuthentication no", nil)
	connectTo(t, b, s, &Credentials{User: userAsked, Password: []byte(testPassword)})
	_, err := b.dial(t.Context(), s.target(), &Credentials{User: userAsked, Password: []byte("wrong")}, t.Logf)
	wantCode(t, err, codePasswordRefused)
}

func TestDialKeyboardInteractive(t *testing.T) {
	_, signer, _, err := parseKey(makeKey(t, 0), nil)
	must(t, err)
	config := &ssh.ServerConfig{
		KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Realm: ", "Password: "}, []bool{true, false})
			if err != nil {
				return nil, err
			}
			if len(answers) != 2 || answers[0] != "" || answers[1] != testPassword {
				return nil, errors.New("wrong answers")
			}
			return &ssh.Permissions{}, nil
		},
	}
	config.AddHostKey(signer)
	target := serve(t, func(c net.Conn) {
		conn, channels, requests, err := ssh.NewServerConn(c, config)
		if err != nil {
			return
		}
		go ssh.DiscardRequests(requests)
		for ch := range channels {
			_ = ch.Reject(ssh.Prohibited, "")
		}
		_ = conn.Wait()
	})
	b := newBootstrap(t)
	conn, err := b.dial(t.Context(), target, &Credentials{User: "x", Password: []byte(testPassword)}, t.Logf)
	must(t, err)
	conn.close()
	_, err = b.dial(t.Context(), target, &Credentials{User: "x", Password: []byte("wrong")}, t.Logf)
	wantCode(t, err, codePasswordRefused)
}

func TestDialNoConnection(t *testing.T) {
	c, _ := login(t)
	b := newBootstrap(t)
	closed := serve(t, func(net.Conn) {})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closed.port = l.Addr().(*net.TCPAddr).Port
	must(t, l.Close())
	_, err = b.dial(t.Context(), closed, c, t.Logf)
	wantCode(t, err, codePortClosed)

	_, err = b.dial(t.Context(), target{name: "x", address: "no-such-host.invalid", port: 22}, c, t.Logf)
	wantCode(t, err, codeNameUnresolved)

	for code, cause := range map[string]error{
		codeNoRoute:        &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH},
		codeConnectTimeout: &net.OpError{Op: "dial", Err: context.DeadlineExceeded},
		codeConnectFailed:  errors.New("something else"),
	} {
		b.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, cause }
		_, err = b.dial(t.Context(), closed, c, t.Logf)
		wantCode(t, err, code)
	}
}

func TestDialNotSSH(t *testing.T) {
	c, _ := login(t)
	tests := []struct {
		name, code, says string
		serve            func(net.Conn)
	}{
		{"silent", codeConnectSilent, "0.3 s", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
		{"echo", codeNotSSH, "SSH-2.0-Hostler", func(c net.Conn) { _, _ = io.Copy(c, c) }},
		{"web server", codeNotSSH, "HTTP/1.1 400 Bad Request", func(c net.Conn) {
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		}},
		{"mail server", codeNotSSH, "220 mail", func(c net.Conn) {
			_, _ = io.WriteString(c, "220 mail.example ESMTP\r\n")
			_, _ = io.Copy(io.Discard, c)
		}},
		{"binary", codeNotSSH, "\ufffd", func(c net.Conn) { _, _ = c.Write([]byte{0x15, 0x03, 0x01, 0, 2, 2, 70, '\n'}) }},
		{"stops after its version", codeConnectTimeout, "0.3 s", func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-Slow\r\n")
			_, _ = io.Copy(io.Discard, c)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBootstrap(t)
			b.Limits.Handshake = 3 * time.Second
			if tt.says == "0.3 s" {
				b.Limits.Handshake = 300 * time.Millisecond
			}
			_, err := b.dial(t.Context(), serve(t, tt.serve), c, t.Logf)
			if f := wantCode(t, err, tt.code); !strings.Contains(f.Cause, tt.says) {
				t.Errorf("cause %q, want one with %q", f.Cause, tt.says)
			}
		})
	}
}

// sshd drops connections at random when many log in at once; one more attempt usually helps.
func TestDialTriesDroppedConnectionAgain(t *testing.T) {
	c, key := login(t)
	s := newSSHD(t, "", []ssh.PublicKey{key})
	b := newBootstrap(t)
	var attempts atomic.Int32
	dropping := serve(t, func(conn net.Conn) {
		if attempts.Add(1) == 1 {
			_, _ = io.WriteString(conn, "Exceeded MaxStartups\r\n")
			return
		}
		server, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		go func() { _, _ = io.Copy(server, conn); _ = server.Close() }()
		_, _ = io.Copy(conn, server)
	})
	conn, err := b.dial(t.Context(), dropping, c, t.Logf)
	must(t, err)
	conn.close()
	if n := attempts.Load(); n != 2 {
		t.Errorf("%d attempts", n)
	}
}

func TestDialCancel(t *testing.T) {
	c, _ := login(t)
	b := newBootstrap(t)
	stopped := errors.New("stopped by a person")
	ctx, cancel := context.WithCancelCause(t.Context())
	silent := serve(t, func(conn net.Conn) {
		cancel(stopped)
		_, _ = io.Copy(io.Discard, conn)
	})
	_, err := b.dial(ctx, silent, c, t.Logf)
	if !errors.Is(err, stopped) {
		t.Errorf("error %v", err)
	}
}

// serve runs a TCP server that handles every connection in its own goroutine and closes it afterwards.
func serve(t testing.TB, handle func(net.Conn)) target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return target{name: "fake.test", address: "127.0.0.1", port: l.Addr().(*net.TCPAddr).Port}
}
