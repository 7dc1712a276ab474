package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"hostler/server/operation"
)

func TestCommandOutput(t *testing.T) {
	c, key := login(t)
	conn := connectTo(t, newBootstrap(t), newSSHD(t, "", []ssh.PublicKey{key}), c)
	var out, errs []string
	o, err := conn.command(t.Context(), command{
		argv:  []string{"sh", "-c", `echo "$1"; echo "$2" >&2; cat; exit 7`, "sh", `it's "$HOME" \ *`, "line"},
		stdin: []byte("in\r\nno end"),
		line: func(text string, isError bool) {
			if isError {
				errs = append(errs, text)
			} else {
				out = append(out, text)
			}
		},
	})
	must(t, err)
	if o.status != 7 || !o.started || o.signal != "" {
		t.Errorf("outcome %+v", o)
	}
	if want := []string{`it's "$HOME" \ *`, "in", "no end"}; !slices.Equal(out, want) {
		t.Errorf("standard output %q, want %q", out, want)
	}
	if want := []string{"line"}; !slices.Equal(errs, want) {
		t.Errorf("standard error %q, want %q", errs, want)
	}
}

func TestCommandStreams(t *testing.T) {
	c, key := login(t)
	conn := connectTo(t, newBootstrap(t), newSSHD(t, "", []ssh.PublicKey{key}), c)
	fifo := t.TempDir() + "/fifo"
	runTool(t, "mkfifo", fifo)
	// The command goes on only when its first line has arrived here.
	_, err := conn.command(t.Context(), command{
		argv: []string{"sh", "-c", `echo first; read -r x <"$1"; echo "$x"`, "sh", fifo},
		line: func(text string, _ bool) {
			if text == "first" {
				must(t, os.WriteFile(fifo, []byte("second\n"), 0))
			}
		},
	})
	must(t, err)
}

func TestCommandLongLines(t *testing.T) {
	c, key := login(t)
	conn := connectTo(t, newBootstrap(t), newSSHD(t, "", []ssh.PublicKey{key}), c)
	total := 0
	_, err := conn.command(t.Context(), command{
		argv: []string{"sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x"},
		line: func(text string, _ bool) {
			if len(text) > maxLine {
				t.Errorf("a line of %d bytes", len(text))
			}
			total += len(text)
		},
	})
	must(t, err)
	if total != 1000000 {
		t.Errorf("%d bytes arrived", total)
	}
}

// A host that keeps announcing process groups must not fill the server's memory.
func TestCommandGroupsAreBounded(t *testing.T) {
	var host strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&host, "N %d\n", i+2)
	}
	out := &output{nonce: "N"}
	out.read(strings.NewReader(host.String()), false)
	if want := []int{2, 3, 4, 5}; !slices.Equal(out.groups(), want) {
		t.Errorf("%d groups are kept: %v…", len(out.groups()), out.groups()[:4])
	}
}

func TestCommandSignal(t *testing.T) {
	c, key := login(t)
	conn := connectTo(t, newBootstrap(t), newSSHD(t, "", []ssh.PublicKey{key}), c)
	o, err := conn.command(t.Context(), command{argv: []string{"sh", "-c", "kill -KILL $$"}})
	must(t, err)
	if o.signal != "KILL" || o.String() != "signal KILL" {
		t.Errorf("outcome %+v", o)
	}
}

// A daemon that keeps its standard output must not keep the step from ending.
func TestCommandLeavesDaemon(t *testing.T) {
	c, key := login(t)
	conn := connectTo(t, newBootstrap(t), newSSHD(t, "", []ssh.PublicKey{key}), c)
	pid := 0
	o, err := conn.command(t.Context(), command{
		argv: []string{"sh", "-c", "setsid sleep 1000 & echo $!"},
		line: func(text string, _ bool) { pid, _ = strconv.Atoi(text) },
	})
	must(t, err)
	if o.status != 0 || !isAlive(pid) {
		t.Errorf("outcome %+v, daemon alive: %v", o, isAlive(pid))
	}
	p, err := os.FindProcess(pid)
	must(t, err)
	must(t, p.Kill())
}

func TestCommandCancelKillsRemoteWork(t *testing.T) {
	const sleeps = `sleep 1000 & echo $!; wait`
	tests := []struct {
		name, user string
		as         privilege
		script     string
	}{
		{"direct", "", privilege{}, sleeps},
		{"deaf to TERM", "", privilege{}, `trap '' TERM; sleep 1000 & echo $!; while :; do wait; done`},
		{"sudo", userFree, privilege{become: BecomeSudo}, sleeps},
		{"sudo with password", userAsked, privilege{BecomeSudo, []byte(testPassword)}, sleeps},
		{"su", userRefused, privilege{BecomeSu, []byte(rootPassword)}, sleeps},
		{"doas", userDoasFree, privilege{become: BecomeDoas}, sleeps},
		{"doas with password", userDoas, privilege{BecomeDoas, []byte(testPassword)}, sleeps},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // each waits for its own grace period
			c, key := login(t)
			s := newSSHD(t, "", []ssh.PublicKey{key})
			if tt.user != "" {
				needsRoot(t)
				c.User = tt.user
			}
			if tt.as.become == BecomeDoas {
				s.withDoas()
			}
			conn := connectTo(t, newBootstrap(t), s, c)
			ctx, cancel := context.WithCancelCause(t.Context())
			stopped := errors.New("stopped by a person")
			pid := 0
			_, err := conn.command(ctx, command{
				as: tt.as, argv: []string{"sh", "-c", tt.script},
				line: func(text string, _ bool) {
					// su and doas have something to say when they are ended.
					if n, err := strconv.Atoi(text); err == nil {
						pid = n
						cancel(stopped)
					}
				},
			})
			if !errors.Is(err, stopped) {
				t.Errorf("error %v", err)
			}
			if pid == 0 {
				t.Fatal("the command did not run")
			}
			eventually(t, "the remote process is gone", func() bool { return !isAlive(pid) })
			// The connection must still be of use, for removing files.
			if _, err := conn.command(t.Context(), command{argv: []string{"true"}}); err != nil {
				t.Errorf("after that: %v", err)
			}
		})
	}
}

func TestCommandConnectionLost(t *testing.T) {
	c, key := login(t)
	conn := connectTo(t, newBootstrap(t), newSSHD(t, "", []ssh.PublicKey{key}), c)
	_, err := conn.command(t.Context(), command{
		argv: []string{"sh", "-c", "echo up; exec sleep 20"},
		line: func(string, bool) { conn.abort() },
	})
	wantCode(t, err, codeConnectionLost)
}

// A host that stops answering without a farewell is found out by the missing answers.
func TestKeepaliveFindsDeadHost(t *testing.T) {
	c, key := login(t)
	s := newSSHD(t, "", []ssh.PublicKey{key})
	b := newBootstrap(t)
	b.Limits.Keepalive = 50 * time.Millisecond
	valve := newValve(t, s.listener.Addr().String())
	b.Dial = valve.dial
	conn := connectTo(t, b, s, c)
	_, err := conn.command(t.Context(), command{
		argv: []string{"sh", "-c", "echo up; exec sleep 1"},
		line: func(string, bool) { valve.shut() },
	})
	wantCode(t, err, codeConnectionLost)
}

func TestQuote(t *testing.T) {
	for _, s := range []string{"", "a", "a b", "it's", `"$x"`, "`x`", "a\nb", "*", `\`, "--x=y", "~", "é", "'", "''"} {
		out := runTool(t, "sh", "-c", "printf %s "+quote(s))
		if out != s {
			t.Errorf("quote(%q) = %s, which is %q", s, quote(s), out)
		}
	}
}

// The programs around every command must run in every shell that hosts have.
func TestShellLineInShells(t *testing.T) {
	for _, shell := range [][]string{{"dash"}, {"bash"}, {"busybox", "sh"}} {
		t.Run(shell[0], func(t *testing.T) {
			line := command{argv: []string{"printf", "%s|", "a b", "it's", "$x"}}.shellLine("N")
			line = strings.Replace(line, "exec sh ", "exec "+strings.Join(shell, " ")+" ", 1)
			out := runTool(t, shell[0], append(slices.Clone(shell[1:]), "-c", line)...)
			first, rest, _ := strings.Cut(out, "\n")
			if !strings.HasPrefix(first, "N ") || rest != "a b|it's|$x|" {
				t.Errorf("output %q", out)
			}
			under := runTool(t, shell[0], append(slices.Clone(shell[1:]), "-c", announcer, "N", "echo", "x y")...)
			var group int
			if _, err := fmt.Sscanf(under, "N %d\nx y\n", &group); err != nil || group < 2 {
				t.Errorf("output %q", under)
			}
		})
	}
}

// wantCode checks that an error is a Failure with this code and no unfilled text.
func wantCode(t testing.TB, err error, code string) *operation.Failure {
	t.Helper()
	var f *operation.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v, want a failure %s", err, code)
	}
	if f.Code != code {
		t.Fatalf("failure %s (%v), want %s", f.Code, f, code)
	}
	if strings.ContainsAny(f.Cause+f.Hint, "{}") || f.Cause == "" || f.Hint == "" {
		t.Errorf("the text has holes: %q, %q", f.Cause, f.Hint)
	}
	return f
}
