package bootstrap

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"hostler/db/dbtest"
)

// Users that exist inside a test's sshd only, with their password. Real hosts of the machine are not touched:
// as root, sshd runs in a mount namespace with its own passwd, shadow and sudoers.
const (
	userAsked    = "asked"    // may use sudo with the password
	userFree     = "free"     // may use sudo without a password
	userShell    = "shell"    // may use sudo without a password to run sh, with it to run the rest
	userRefused  = "refused"  // may not use sudo
	userNoShell  = "noshell"  // logs in, but runs nothing
	userDoas     = "doer"     // may use doas with the password
	userDoasFree = "doasfree" // may use doas without a password
	testPassword = "p4ss wörd'$(x)"
	rootPassword = "of root: $x" // for su
)

// sshd is a real OpenSSH server on loopback, one process per connection.
type sshd struct {
	t        testing.TB
	dir      string
	listener net.Listener
	hostKeys []string
	extra    string // lines of sshd_config
	wg       sync.WaitGroup
}

// newSSHD starts a server that lets the public keys log in as any user. kinds are the host key types.
func newSSHD(t testing.TB, extra string, keys []ssh.PublicKey, kinds ...string) *sshd {
	t.Helper()
	if _, err := os.Stat("/usr/sbin/sshd"); err != nil {
		t.Skip("needs OpenSSH's sshd (openssh-server)")
	}
	dir, err := os.MkdirTemp("", "hostler-sshd-")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	must(t, os.Chmod(dir, 0o755))
	s := &sshd{t: t, dir: dir, extra: extra}
	var authorized []byte
	for _, k := range keys {
		authorized = append(authorized, ssh.MarshalAuthorizedKey(k)...)
	}
	write(t, filepath.Join(dir, "authorized_keys"), authorized, 0o644)
	if len(kinds) == 0 {
		kinds = []string{"ed25519"}
	}
	s.setHostKeys(kinds...)
	if os.Geteuid() == 0 {
		s.writeUsers()
	}
	s.listener, err = net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.wg.Go(s.serve)
	t.Cleanup(func() {
		_ = s.listener.Close()
		s.wg.Wait()
	})
	return s
}

// setHostKeys gives the server new host keys, as a new installation does.
func (s *sshd) setHostKeys(kinds ...string) {
	s.t.Helper()
	s.hostKeys = nil
	for _, kind := range kinds {
		file := filepath.Join(s.dir, "host_"+kind)
		_ = os.Remove(file)
		runTool(s.t, "ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file)
		s.hostKeys = append(s.hostKeys, file)
	}
	s.configure()
}

func (s *sshd) configure() {
	var b strings.Builder
	for _, k := range s.hostKeys {
		fmt.Fprintf(&b, "HostKey %s\n", k)
	}
	fmt.Fprintf(&b, "AuthorizedKeysFile %s/authorized_keys\nStrictModes no\nUsePAM no\nPidFile none\nLogLevel ERROR\n", s.dir)
	fmt.Fprintf(&b, "PermitRootLogin yes\n%s\n", s.extra)
	if !strings.Contains(s.extra, "Subsystem") {
		b.WriteString("Subsystem sftp internal-sftp\n")
	}
	write(s.t, filepath.Join(s.dir, "sshd_config"), []byte(b.String()), 0o644)
}

func (s *sshd) writeUsers() {
	hash := strings.TrimSpace(runTool(s.t, "openssl", "passwd", "-6", testPassword))
	passwd, err := os.ReadFile("/etc/passwd")
	must(s.t, err)
	// What the machine's root has in its start files is none of the test's business.
	passwd = bytes.Replace(passwd, []byte(":/root:"), []byte(":"+s.dir+":"), 1)
	shadow := fmt.Appendf(nil, "root:%s:19000::::::\n", strings.TrimSpace(runTool(s.t, "openssl", "passwd", "-6", rootPassword)))
	for i, name := range []string{userAsked, userFree, userRefused, userNoShell, userShell, userDoas, userDoasFree} {
		shell := "/bin/sh"
		if name == userNoShell {
			shell = "/usr/sbin/nologin"
		}
		passwd = fmt.Appendf(passwd, "%s:x:%d:%d::%s:%s\n", name, 64000+i, 64000+i, s.dir, shell)
		shadow = fmt.Appendf(shadow, "%s:%s:19000::::::\n", name, hash)
	}
	write(s.t, filepath.Join(s.dir, "passwd"), passwd, 0o644)
	write(s.t, filepath.Join(s.dir, "shadow"), shadow, 0o600)
	sudoers := fmt.Sprintf("Defaults use_pty\n%s ALL=(ALL:ALL) ALL\n%s ALL=(ALL:ALL) NOPASSWD: ALL\n", userAsked, userFree) +
		fmt.Sprintf("%[1]s ALL=(ALL:ALL) ALL\n%[1]s ALL=(ALL:ALL) NOPASSWD: /bin/sh\n", userShell)
	write(s.t, filepath.Join(s.dir, "sudoers"), []byte(sudoers), 0o440)
}

// withDoas gives the host a doas.conf. Only what exists can be covered by a mount, so it takes an /etc of its own.
func (s *sshd) withDoas() {
	s.t.Helper()
	if _, err := exec.LookPath("doas"); err != nil {
		s.t.Skip("needs doas")
	}
	runTool(s.t, "cp", "-a", "/etc", filepath.Join(s.dir, "etc"))
	write(s.t, filepath.Join(s.dir, "etc", "doas.conf"), fmt.Appendf(nil, "permit %s\npermit nopass %s\n", userDoas, userDoasFree), 0o400)
}

func (s *sshd) serve() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			s.t.Error(err)
			return
		}
		_ = c.Close()
		s.wg.Go(func() {
			defer func() { _ = f.Close() }()
			s.one(f)
		})
	}
}

// one serves one connection; it returns when the client has gone.
func (s *sshd) one(f *os.File) {
	cmd := s.command("-i")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, &stderr
	_ = cmd.Run()
	if stderr.Len() > 0 {
		s.t.Logf("sshd: %s", strings.TrimSpace(stderr.String()))
	}
}

// command is sshd with its own users.
func (s *sshd) command(args ...string) *exec.Cmd {
	args = append([]string{"/usr/sbin/sshd", "-e", "-f", filepath.Join(s.dir, "sshd_config")}, args...)
	if os.Geteuid() != 0 {
		return exec.Command(args[0], args[1:]...)
	}
	const inside = `mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && cd "$1" && shift && ` +
		`{ [ ! -d etc ] || mount --bind etc /etc; } && ` +
		`for f in passwd shadow sudoers; do [ ! -e /etc/$f ] || mount --bind $f /etc/$f; done && exec "$@"`
	args = append([]string{"-m", "--propagation", "private", "sh", "-c", inside, "sh", s.dir}, args...)
	return exec.Command("unshare", args...)
}

// daemon makes the server one process that listens by itself, as on a host.
func (s *sshd) daemon() {
	s.t.Helper()
	address := s.listener.Addr().String()
	must(s.t, s.listener.Close())
	s.wg.Wait()
	cmd := s.command("-D", "-o", "ListenAddress="+address)
	must(s.t, cmd.Start())
	s.t.Cleanup(func() {
		must(s.t, cmd.Process.Kill())
		_ = cmd.Wait()
	})
	eventually(s.t, "sshd listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

func (s *sshd) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *sshd) target() target {
	return target{name: "node1.test", address: "127.0.0.1", port: s.port()}
}

func needsRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give sshd users of its own")
	}
	if _, err := exec.LookPath("sudo"); err != nil {
		t.Skip("needs sudo")
	}
}

// login returns credentials of the user that runs the test with a new key, and the key's public half.
func login(t testing.TB) (*Credentials, ssh.PublicKey) {
	t.Helper()
	me, err := user.Current()
	must(t, err)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	must(t, err)
	key, err := ssh.NewPublicKey(public)
	must(t, err)
	c := &Credentials{User: me.Username, PrivateKey: pem.EncodeToMemory(block)}
	must(t, c.Check())
	return c, key
}

// newBootstrap returns a Bootstrap on a new database, with what tests of single parts need.
func newBootstrap(t testing.TB) *Bootstrap {
	t.Helper()
	return New(Options{DB: dbtest.Open(t), Log: slog.New(slog.DiscardHandler), Limits: Limits{Handshake: time.Minute, Kill: time.Minute}})
}

// connectTo logs in and closes the connection when the test ends.
func connectTo(t testing.TB, b *Bootstrap, s *sshd, c *Credentials) *connection {
	t.Helper()
	conn, err := b.dial(t.Context(), s.target(), c, t.Logf)
	must(t, err)
	t.Cleanup(conn.close)
	return conn
}

func runTool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func write(t testing.TB, name string, body []byte, mode os.FileMode) {
	t.Helper()
	_ = os.Remove(name)
	must(t, os.WriteFile(name, body, mode))
	must(t, os.Chmod(name, mode))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a condition holds, asking again and again.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// isAlive reports whether a process exists and is no zombie.
func isAlive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}
