// Package rotation changes the authority of a real server beneath a real agent.
package rotation_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"hostler/db"
	"hostler/server/account"
	"hostler/server/app"
	"hostler/server/client"
	"hostler/server/config"
	"hostler/server/event"
)

// most is how long a heartbeat and what follows from it may take on a busy machine.
const most = 2 * time.Minute

type rig struct {
	*testing.T
	dir, program      string
	handshake, secure int
	api               *client.Client
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, dir: t.TempDir(), program: filepath.Join(t.TempDir(), "hostler-agent")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", r.program, "hostler/agent").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ports := r.ports(3)
	r.handshake, r.secure = ports[1], ports[2]
	var o config.Options
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.Flags(flags)
	r.must(flags.Parse([]string{
		"--data", filepath.Join(r.dir, "data"), "--advertise", "127.0.0.1", "--step", "1s", "--listen", local(ports[0]), "--handshake", local(ports[1]), "--secured", local(ports[2]),
	}))
	r.must(o.Complete(flags, func(string) (string, bool) { return "", false }))
	a, err := app.Start(t.Context(), o, "1.0.0", slog.New(slog.DiscardHandler))
	r.must(err)
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	d, err := db.Open(t.Context(), o.DB)
	r.must(err)
	defer func() { r.must(d.Close()) }()
	bus, err := event.OpenBus("", slog.New(slog.DiscardHandler))
	r.must(err)
	defer bus.Close()
	log := slog.New(slog.DiscardHandler)
	_, secret, err := account.New(d, event.NewLog(d, bus, log), log, db.Now).CreateToken(t.Context(), account.TokenSpec{Name: "test", Role: account.RoleAdministrator})
	r.must(err)
	r.api, err = client.New(a.URL(), secret, "")
	r.must(err)
	return r
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// ports finds some that nobody listens on.
func (r *rig) ports(n int) []int {
	r.Helper()
	var ports []int
	for range n {
		l, err := new(net.ListenConfig).Listen(r.Context(), "tcp", "127.0.0.1:0")
		r.must(err)
		defer func() { _ = l.Close() }() // all at once, or one would be found twice
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func (r *rig) post(path string, in, out any) {
	r.Helper()
	var text json.RawMessage
	r.must(r.api.Post(r.Context(), path, in, &text))
	if out != nil {
		r.must(json.Unmarshal(text, out))
	}
}

func (r *rig) status() (s client.Rotation) {
	r.Helper()
	r.must(r.api.Get(r.Context(), "authority", &s))
	return s
}

func (r *rig) advance(from string) {
	r.Helper()
	r.post("authority/advance", map[string]any{"stage": from}, nil)
}

// until asks again until something holds.
func (r *rig) until(what string, holds func() bool) {
	r.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(most); !holds(); <-tick.C {
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(r.dir, "agent.log"))
			r.Fatalf("%s did not happen; authorities %+v; agent.log:\n%s", what, r.status(), log)
		}
	}
}

// configure writes agent.ini.
func (r *rig) configure(name, pin, token string) (ini string) {
	r.Helper()
	ini = filepath.Join(r.dir, name+".ini")
	text := fmt.Sprintf("[server]\nhost = 127.0.0.1\nhandshake_port = %d\nsecured_port = %d\nca_pin = %s\n[agent]\nhostname = %s\ntoken = %s\n"+
		"state_dir = %s/%s\nagents_dir = %s/agents.d\nlog_file = %s/agent.log\n", r.handshake, r.secure, pin, name, token, r.dir, name, r.dir, r.dir)
	r.must(os.WriteFile(ini, []byte(text), 0o600))
	return ini
}

// run starts an agent; stop ends it and waits.
func (r *rig) run(ini string) (stop func()) {
	r.Helper()
	agent := exec.CommandContext(context.Background(), r.program, "run", "--config", ini)
	r.must(agent.Start())
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = agent.Process.Signal(syscall.SIGTERM)
		_ = agent.Wait() // by a signal
	}
	r.Cleanup(stop)
	return stop
}

func (r *rig) token() string {
	r.Helper()
	var made struct{ Token string }
	r.post("enrol-tokens", map[string]any{"uses": 2}, &made)
	return made.Token
}

// beats waits for another heartbeat.
func (r *rig) beats() {
	r.Helper()
	seen := func() string {
		var list struct {
			Items []struct {
				LastSeen string `json:"last_seen_at"`
				State    string
			}
		}
		r.must(r.api.Get(r.Context(), "hosts", &list))
		if len(list.Items) == 0 || list.Items[0].State != "healthy" {
			return ""
		}
		return list.Items[0].LastSeen
	}
	before := seen()
	r.until("another heartbeat", func() bool { now := seen(); return now != "" && now != before })
}

func TestARotationBeneathARealAgent(t *testing.T) {
	r := newRig(t)
	oldPin := r.status().Old.Pin
	ini := r.configure("node1.lab.test", oldPin, r.token())
	stop := r.run(ini)
	r.beats()

	// Somebody wants its certificate renewed.
	certificates := func() int {
		var list struct{ Items []client.Certificate }
		r.must(r.api.Get(r.Context(), "certificates?search=node1", &list))
		return len(list.Items)
	}
	r.post("certificates/renew", map[string]any{"hosts": []string{"node1.lab.test"}}, nil)
	r.until("a renewal", func() bool { return certificates() == 2 })
	r.beats()

	r.advance("none")
	r.advance("standby")
	r.until("trust in both", func() bool { return r.status().Hosts.Untrusting == 0 })
	r.post("authority/back", map[string]any{"stage": "trusted"}, nil)
	r.beats()
	r.advance("standby")
	r.until("trust in both again", func() bool { return r.status().Hosts.Untrusting == 0 })

	r.advance("trusted")
	r.until("a certificate of the new one", func() bool { return r.status().Hosts.Old == 0 })
	stop()
	stop = r.run(ini) // it starts with what it has learned
	r.beats()
	r.advance("signing")
	newPin := r.status().Old.Pin
	if s := r.status(); s.Stage != "none" || newPin == oldPin {
		t.Fatalf("the authorities are %+v", s)
	}
	r.beats()
	r.until("the old one to be forgotten", func() bool {
		text, err := os.ReadFile(filepath.Join(r.dir, "ca.pem"))
		return err == nil && strings.Count(string(text), "BEGIN CERTIFICATE") == 1
	})
	stop()
	stop = r.run(ini) // agent.ini still has the old pin
	r.beats()
	stop()

	// The same pin does not lead another host here any more.
	other := r.configure("node2.lab.test", oldPin, r.token())
	defer r.run(other)()
	r.until("a refusal", func() bool {
		log, _ := os.ReadFile(filepath.Join(r.dir, "agent.log"))
		return strings.Contains(string(log), "ca_pin_mismatch")
	})
}

// TestTheRepositorysKeyReachesAHost changes the key that signs the server's repository beneath a real agent; gpgv, which is what apt
// asks, takes the index at every stage with what the agent has written.
func TestTheRepositorysKeyReachesAHost(t *testing.T) {
	if _, err := exec.LookPath("gpgv"); err != nil {
		t.Skip("gpgv is not installed: what apt makes of the keys goes untested")
	}
	r := newRig(t)
	r.post("repositories", map[string]any{"name": "tools", "kind": "apt"}, nil)
	key := filepath.Join(r.dir, "repository.gpg")
	fetch := func(path string) []byte {
		t.Helper()
		roots := x509.NewCertPool()
		pem, err := os.ReadFile(filepath.Join(r.dir, "data", "ca", "ca.pem"))
		r.must(err)
		roots.AppendCertsFromPEM(pem)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
		defer transport.CloseIdleConnections()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+local(r.handshake)+"/repo/"+path, http.NoBody)
		r.must(err)
		answer, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(request)
		r.must(err)
		defer func() { _ = answer.Body.Close() }() // only read
		text, err := io.ReadAll(answer.Body)
		r.must(err)
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("%s answered %d: %s", path, answer.StatusCode, text)
		}
		return text
	}
	r.must(os.WriteFile(key, fetch("key.gpg"), 0o644)) // as the setup script does
	defer r.run(r.configure("node1.lab.test", r.status().Old.Pin, r.token()))()
	r.beats()

	keys := func() (k client.KeyRotation) {
		t.Helper()
		r.must(r.api.Get(t.Context(), "repository-key", &k))
		return k
	}
	advance := func(from string) {
		t.Helper()
		r.post("repository-key/advance", map[string]any{"stage": from}, nil)
	}
	accepted := func(when string) {
		t.Helper()
		index := filepath.Join(t.TempDir(), "InRelease")
		r.must(os.WriteFile(index, fetch("tools/dists/stable/InRelease"), 0o600))
		if out, err := exec.CommandContext(t.Context(), "gpgv", "--homedir", t.TempDir(), "--keyring", key, index).CombinedOutput(); err != nil {
			t.Errorf("%s gpgv says %v:\n%s", when, err, out)
		}
	}
	accepted("with one key")
	first := keys().Old.Fingerprint
	advance("none")
	advance("standby")
	r.until("the new key on the host", func() bool { return keys().Hosts.Lacking == 0 })
	accepted("with both keys")
	advance("trusted")
	r.until("signatures of the new one", func() bool { return keys().Channels.Stale == 0 })
	accepted("when the new one signs")
	r.post("repository-key/back", map[string]any{"stage": "signing"}, nil)
	r.until("signatures of the old one", func() bool { return keys().Channels.Stale == 0 })
	accepted("on the way back")
	advance("trusted")
	r.until("signatures of the new one again", func() bool { return keys().Channels.Stale == 0 })
	advance("signing")
	if k := keys(); k.Stage != "none" || k.Old.Fingerprint == first {
		t.Fatalf("the keys are %+v", k)
	}
	r.until("the old key to be forgotten", func() bool {
		text, err := os.ReadFile(key)
		return err == nil && bytes.Equal(text, fetch("key.gpg"))
	})
	accepted("at the end")
}
