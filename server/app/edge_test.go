package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"hostler/agent/wire"
	"hostler/db/dbtest"
	"hostler/server/config"
	"hostler/server/trust"
)

// startApp starts a whole server whose three ports speak TLS, and returns their addresses by what they are for.
func startApp(t *testing.T) map[string]string {
	t.Helper()
	return portsOf(startWhole(t))
}

func startWhole(t *testing.T) *App {
	t.Helper()
	var o config.Options
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.Flags(flags)
	err := flags.Parse([]string{
		"--data", t.TempDir(), "--db", dbtest.URL(t), "--listen", "0.0.0.0:0", "--handshake", "127.0.0.1:0", "--secured", "127.0.0.1:0", "--advertise", "127.0.0.1",
	})
	if err == nil {
		err = o.Complete(flags, func(string) (string, bool) { return "", false })
	}
	if err != nil {
		t.Fatal(err)
	}
	a, err := Start(t.Context(), o, "0.0.0-test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a
}

func portsOf(a *App) map[string]string {
	ports := map[string]string{}
	for name, l := range map[string]net.Listener{"pages": a.public, "enrolment": a.handshake, "heartbeats": a.secured} {
		ports[name] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port(l)))
	}
	return ports
}

// TestAttackOldTLS offers old versions and weak ciphers to the three ports, as somebody in between may who wants to read on.
func TestAttackOldTLS(t *testing.T) {
	var cbc []uint16
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if !strings.Contains(c.Name, "GCM") && !strings.Contains(c.Name, "CHACHA20") {
			cbc = append(cbc, c.ID)
		}
	}
	for name, address := range startApp(t) {
		dial := func(c *tls.Config) error {
			c.InsecureSkipVerify = true
			conn, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", address)
			if err == nil {
				_ = conn.Close()
			}
			return err
		}
		if err := dial(&tls.Config{MinVersion: tls.VersionTLS13}); err != nil {
			t.Errorf("%s refuses TLS 1.3: %v", name, err)
		}
		if err := dial(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, CipherSuites: cbc}); err == nil {
			t.Errorf("%s takes TLS 1.1", name)
		}
		if err := dial(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: cbc}); err == nil {
			t.Errorf("%s takes a cipher without authentication", name)
		}
		if err := dial(&tls.Config{MaxVersion: tls.VersionTLS12}); (err == nil) != (name != "heartbeats") {
			t.Errorf("%s and TLS 1.2: %v", name, err)
		}
	}
}

// TestScanners has Debian's sslscan look at the three ports.
func TestScanners(t *testing.T) {
	scanner, err := exec.LookPath("sslscan")
	if err != nil {
		t.Skip("sslscan is not installed")
	}
	for name, address := range startApp(t) {
		out, err := exec.CommandContext(t.Context(), scanner, "--no-colour", "--show-ciphers", address).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, fact := range []string{"SSLv2     disabled", "SSLv3     disabled", "TLSv1.0   disabled", "TLSv1.1   disabled", "TLSv1.3   enabled"} {
			if !bytes.Contains(out, []byte(fact)) {
				t.Errorf("%s: sslscan does not say %q:\n%s", name, fact, out)
			}
		}
		for line := range strings.Lines(string(out)) {
			switch {
			case strings.Contains(line, " bits ") && (strings.HasPrefix(line, "Accepted") || strings.HasPrefix(line, "Preferred")):
				if !strings.Contains(line, "GCM") && !strings.Contains(line, "CHACHA20") {
					t.Errorf("%s takes %s", name, line)
				}
			case strings.Contains(line, "vulnerable to heartbleed") && !strings.Contains(line, "not vulnerable"):
				t.Errorf("%s: %s", name, line)
			case strings.Contains(line, "Compression enabled"), strings.Contains(line, "Insecure session renegotiation"):
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

// TestAttackSlowClient opens connections and never ends what it begins, a handshake or a request's head: the server lets them
// go, hosts with a certificate, too.
func TestAttackSlowClient(t *testing.T) {
	t.Parallel() // it waits most of the time
	a := startWhole(t)
	host := hostCertificate(t, a)
	var all sync.WaitGroup
	for name, address := range portsOf(a) {
		all.Go(func() {
			conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{host}})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			letGo(t, name, conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		})
		all.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			letGo(t, name+", handshake", conn, "\x16\x03\x01\x02\x00") // the head of a client's first message
		})
	}
	all.Wait()
}

// letGo sends the beginning of something and waits for the end of the connection: the server closes it, or the test ends with
// its own time limit.
func letGo(t *testing.T, name string, conn net.Conn, beginning string) {
	t.Helper()
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, beginning); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Logf("%s: %v", name, err)
	}
}

// hostCertificate is the certificate of a host that the server let in.
func hostCertificate(t *testing.T, a *App) tls.Certificate {
	t.Helper()
	token, err := a.ca.MintToken(t.Context(), trust.TokenSpec{Uses: 1, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := a.ca.Enrol(t.Context(), wire.EnrollRequest{
		Hostname: "slow.test", Token: token, CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
	}, netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(reply.Certificate))
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}
