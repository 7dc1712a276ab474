package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

const patience = 60 * time.Second

// startLab boots a lab of the test's own, or skips the test where the machine cannot.
func startLab(t *testing.T, o Options) *Lab {
	t.Helper()
	if err := Check(); err != nil {
		t.Skip(err)
	}
	l, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// uniqueName keeps two runs of the tests on one machine apart.
func uniqueName(prefix string) string { return fmt.Sprintf("%s-%d", prefix, os.Getpid()) }

func mustHost(t *testing.T, l *Lab, name string) *Host {
	t.Helper()
	h, err := l.Host(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func keyAuth(t *testing.T, l *Lab, keyType string) ssh.AuthMethod {
	t.Helper()
	raw, err := os.ReadFile(l.Keys[keyType])
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return ssh.PublicKeys(signer)
}

// login opens an SSH connection and checks that the host shows the key that was made for it.
func login(t *testing.T, h *Host, user string, auth ssh.AuthMethod) *ssh.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	address := net.JoinHostPort(h.Name, "22")
	conn, err := h.lab.Dial(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(filepath.Join(h.Root(), "etc/ssh/ssh_host_ed25519_key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		t.Fatal(err)
	}
	c, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{auth}, HostKeyCallback: ssh.FixedHostKey(hostKey),
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}, Timeout: patience,
	})
	if err != nil {
		t.Fatalf("%s cannot log in to %s: %v", user, h.Name, err)
	}
	client := ssh.NewClient(c, channels, requests)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// run returns the output of a command over SSH, trimmed, and its error.
func run(t *testing.T, client *ssh.Client, input, command string) (string, error) {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	session.Stdin = strings.NewReader(input)
	out, err := session.Output(command)
	return strings.TrimSpace(string(out)), err
}

func TestLab(t *testing.T) {
	l := startLab(t, Options{
		Name: uniqueName("test"), Count: 2, Aliases: 2, KeyTypes: []string{"ed25519", "ecdsa", "rsa"},
	})
	t.Logf("%d hosts booted in %d ms", len(l.Hosts), l.BootMS)
	t.Run("logins", func(t *testing.T) { testLogins(t, l) })
	t.Run("hosts differ", func(t *testing.T) { testIdentities(t, l) })
	t.Run("names", func(t *testing.T) { testNames(t, l) })
	t.Run("exec", func(t *testing.T) { testExec(t, mustHost(t, l, "node1")) })
	t.Run("forward", func(t *testing.T) { testForward(t, l) })
	t.Run("cut and join", func(t *testing.T) { testCut(t, mustHost(t, l, "node1")) })
	t.Run("power loss", func(t *testing.T) { testPower(t, l) })
	t.Run("open", func(t *testing.T) { testOpen(t, l) })
	t.Run("stop", func(t *testing.T) { testStop(t, l) })
}

func testLogins(t *testing.T, l *Lab) {
	for keyType := range l.Keys {
		for _, h := range l.Hosts {
			got, err := run(t, login(t, h, "root", keyAuth(t, l, keyType)), "", "hostname -f")
			if err != nil || got != h.Name {
				t.Errorf("root with %s key: hostname -f = %q, %v; want %s", keyType, got, err, h.Name)
			}
		}
	}
	h := l.Hosts[0]
	operator, deploy := l.User("operator"), l.User("deploy")
	client := login(t, h, operator.Name, ssh.Password(operator.Password))
	if _, err := run(t, client, "", "sudo -n id -u"); err == nil {
		t.Error("operator became root without a password")
	}
	if got, err := run(t, client, operator.Password+"\n", "sudo -S -p '' id -u"); err != nil || got != "0" {
		t.Errorf("operator with password: id -u = %q, %v; want 0", got, err)
	}
	client = login(t, h, deploy.Name, ssh.Password(deploy.Password))
	if got, err := run(t, client, "", "sudo -n id -u"); err != nil || got != "0" {
		t.Errorf("deploy: id -u = %q, %v; want 0", got, err)
	}
}

func testIdentities(t *testing.T, l *Lab) {
	for _, file := range []string{"etc/machine-id", "etc/ssh/ssh_host_ed25519_key.pub", "etc/ssh/ssh_host_ecdsa_key.pub"} {
		first, err1 := os.ReadFile(filepath.Join(l.Hosts[0].Root(), file))
		second, err2 := os.ReadFile(filepath.Join(l.Hosts[1].Root(), file))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(first, second) {
			t.Errorf("both hosts have the same %s", file)
		}
	}
	for _, h := range l.Hosts {
		if got, err := h.Exec(t.Context(), "systemctl", "list-units", "--state=failed", "--no-legend"); err != nil || got != "" {
			t.Errorf("failed units on %s: %q, %v", h.Name, got, err)
		}
	}
}

func testNames(t *testing.T, l *Lab) {
	before, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"node2.lab.test": "10.77.0.12", "node2-a2.lab.test": "10.77.0.12", "server.lab.test": "10.77.0.1",
	} {
		out, err := l.Command(t.Context(), "getent", "ahostsv4", name).Output()
		if err != nil || !strings.HasPrefix(string(out), want+" ") {
			t.Errorf("%s is %q, %v on the server's side; want %s", name, out, err, want)
		}
		if got, err := l.Hosts[0].Exec(t.Context(), "getent", "ahostsv4", name); err != nil || !strings.HasPrefix(got, want+" ") {
			t.Errorf("%s is %q, %v on node1; want %s", name, got, err, want)
		}
	}
	if out, err := l.Command(t.Context(), "getent", "hosts", "nosuch.lab.test").Output(); err == nil {
		t.Errorf("nosuch.lab.test is %q; want no such name", out)
	}
	if after, err := os.ReadFile("/etc/hosts"); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the machine's own names changed: %v", err)
	}
}

func testExec(t *testing.T, h *Host) {
	got, err := h.Exec(t.Context(), "sh", "-c", "pwd; hostname; cat /proc/1/comm")
	if want := "/\n" + h.Name + "\nsystemd\n"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := h.Exec(t.Context(), "sh", "-c", "echo broken >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got error %v; want one with what the command said", err)
	}
}

func testForward(t *testing.T, l *Lab) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Forward(ctx, listener, "node1.lab.test:22") }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	greeting := make([]byte, 4)
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(conn, greeting); err != nil || string(greeting) != "SSH-" {
		t.Errorf("through the forwarder came %q, %v; want SSH-", greeting, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func testCut(t *testing.T, h *Host) {
	client := login(t, h, "root", keyAuth(t, h.lab, "ed25519"))
	if err := h.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if conn, err := h.lab.Dial(ctx, "tcp", net.JoinHostPort(h.Name, "22")); err == nil {
		_ = conn.Close()
		t.Error("a host that was cut off still answers")
	}
	if got, err := h.Exec(t.Context(), "hostname"); err != nil || strings.TrimSpace(got) != h.Name {
		t.Errorf("Exec on a host that was cut off: %q, %v", got, err)
	}
	if err := h.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := run(t, client, "", "hostname -f"); err != nil || got != h.Name {
		t.Errorf("the connection did not survive the cut: %q, %v", got, err)
	}
}

func testPower(t *testing.T, l *Lab) {
	h, other := l.Hosts[0], l.Hosts[1]
	before, err := h.Exec(t.Context(), "sh", "-c", "touch /root/kept; systemctl show --value -p UserspaceTimestampMonotonic")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.PowerOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.Up() || !other.Up() {
		t.Errorf("after the power loss of node1: node1 up %v, node2 up %v", h.Up(), other.Up())
	}
	if _, err := h.Exec(t.Context(), "true"); err == nil {
		t.Error("Exec ran on a host without power")
	}
	if err := h.PowerOff(t.Context()); err != nil {
		t.Errorf("power off twice: %v", err)
	}
	if err := h.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := h.Exec(t.Context(), "sh", "-c", "test -e /root/kept && systemctl show --value -p UserspaceTimestampMonotonic")
	if err != nil || after == before {
		t.Errorf("after the boot: started at %q (before: %q), %v", after, before, err)
	}
	login(t, h, "root", keyAuth(t, l, "ed25519"))
}

func testOpen(t *testing.T, l *Lab) {
	cache := filepath.Dir(filepath.Dir(l.Dir))
	again, err := Open(cache, l.Name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := mustHost(t, again, "node2-a1.lab.test").Exec(t.Context(), "hostname"); err != nil || got != "node2.lab.test\n" {
		t.Errorf("through the opened lab: %q, %v", got, err)
	}
	if _, err := Start(t.Context(), Options{Name: l.Name}); err == nil || !strings.Contains(err.Error(), "running already") {
		t.Errorf("starting the lab again: %v; want that it is running already", err)
	}
	if !mustHost(t, again, "node2").Up() {
		t.Error("the refused start took the running lab down")
	}
}

func testStop(t *testing.T, l *Lab) {
	command := l.Command(t.Context(), "sh", "-c", "echo running; exec sleep 1000")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(output, make([]byte, len("running"))); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	network, err := os.Readlink(l.Holder.namespace("net"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("a command survived the lab and ended well")
	}
	assertGone(t, l, network)
	if err := l.Stop(t.Context()); err != nil {
		t.Errorf("stopping twice: %v", err)
	}
}

// Hosts with rpm have no way back to apt.
func TestFlavours(t *testing.T) {
	l := startLab(t, Options{Name: uniqueName("mixed"), Count: len(Flavours), Flavours: Flavours})
	for _, h := range l.Hosts {
		want, ok := map[string]struct{ version, release string }{
			DNF:    {"4.", "lab-release-9-1.noarch\n"},
			Zypper: {"zypper 1.", "lab-release-15-1.noarch\n"},
		}[h.Flavour]
		if _, err := h.Exec(t.Context(), "sh", "-c", "command -v apt-get"); ok == (err == nil) {
			t.Errorf("%s: to look for apt-get ends with %v", h.Flavour, err)
		}
		if !ok {
			continue
		}
		if got, err := h.Exec(t.Context(), h.Flavour, "--version"); err != nil || !strings.HasPrefix(got, want.version) {
			t.Errorf("%s --version: %q, %v", h.Flavour, got, err)
		}
		if got, err := h.Exec(t.Context(), "rpm", "--query", "--whatprovides", "system-release"); err != nil || got != want.release {
			t.Errorf("%s: the release package is %q, %v", h.Flavour, got, err)
		}
	}
}
