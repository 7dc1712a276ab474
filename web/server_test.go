package web

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/seal"
	"hostler/repo"
	"hostler/repo/upstream/upstreamtest"
	"hostler/server/account"
	"hostler/server/audit"
	"hostler/server/bootstrap"
	"hostler/server/event"
	"hostler/server/file"
	"hostler/server/fleet"
	"hostler/server/job"
	"hostler/server/mirror"
	"hostler/server/operation"
	"hostler/server/remote"
	"hostler/server/trust"
	"hostler/server/watched"
)

const (
	testUser     = "admin"
	testPassword = "correct horse battery"
	testScript   = "#!/bin/sh\necho \"a script of one's own\"\n"
	testAgent    = "2.0.0" // the version that agents can be upgraded to
	waitMost     = time.Minute
)

// server is everything behind the edge as it really is, but for the work of a bootstrap: hosts named "bad…" fail
// in their first attempt, those named "anew…" fail because they have another host key, and hosts named "slow…" wait until release is closed.
type server struct {
	t       testing.TB
	dir     string
	web     *Web
	db      *db.DB
	bus     *event.Bus
	log     *lockedBuffer
	token   string // of a program
	release chan struct{}

	public, handshake, secured *httptest.Server
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newServer(t testing.TB) *server {
	t.Helper()
	return newServerOn(t, dbtest.Open(t))
}

func newServerOn(t testing.TB, d *db.DB) *server {
	t.Helper()
	s := &server{t: t, db: d, dir: t.TempDir(), log: &lockedBuffer{}, release: make(chan struct{})}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.bus = must[*event.Bus](t)(event.OpenBus("", log))
	t.Cleanup(s.bus.Close)
	s.start(log)
	s.token = s.newToken("ci", account.RoleAdministrator)
	return s
}

// newToken makes a program's token.
func (s *server) newToken(name, role string) string {
	s.t.Helper()
	_, secret, err := s.web.Accounts.CreateToken(context.Background(), account.TokenSpec{Name: name, Role: role})
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// masterKey seals what the servers of all tests keep secret.
var masterKey = seal.NewKey()

// start makes the parts that a restart makes anew.
func (s *server) start(log *slog.Logger) {
	t, ctx := s.t, context.Background()
	events := event.NewLog(s.db, s.bus, log)
	engine := operation.New(s.db, s.bus, events, log)
	engine.Register(s.kind())
	engine.Register(s.checkKind())
	f := fleet.New(s.db, s.bus, events, log, fleet.Options{Step: 10 * time.Second, MissedSteps: 3, MinLost: 15 * time.Second, Now: db.Now})
	if err := f.Load(ctx); err != nil {
		t.Fatal(err)
	}
	jobs := must[*job.Queue](t)(job.NewQueue(ctx, s.db, s.bus, events, log, db.Now))
	files := must[*file.Store](t)(file.Open(s.db, s.dir, log, db.Now))
	ca := must[*trust.CA](t)(trust.OpenCA(s.db, filepath.Join(s.dir, "ca"), masterKey, db.Now))
	t.Cleanup(must[func()](t)(ca.Follow(ctx, s.bus, log)))
	packages := openRepository(t, filepath.Join(s.dir, "repo"), log)
	work := remote.New(remote.Options{
		DB: s.db, Engine: engine, Jobs: jobs, Fleet: f, Files: files, Log: log, Version: testAgent,
		Repository: "https://127.0.0.1:8440" + wire.PathRepo, Published: func(context.Context) error { return nil },
		Executable: func(arch string) (repo.Executable, error) {
			return repo.Executable{Path: "agent/" + arch, Checksum: strings.Repeat("0a", 32), Version: testAgent}, nil
		},
		Offers: packages.Offers, Sign: ca.SignDigest, Script: []byte("the script"),
		Revoke: func(ctx context.Context, agentSN, by string) (int, error) {
			revoked, err := ca.RevokeAgent(ctx, agentSN, by)
			return len(revoked), err
		},
	})
	for _, k := range work.Kinds() {
		engine.Register(k)
	}
	mirrors := mirror.New(mirror.Options{
		DB: s.db, Engine: engine, Repo: packages, Log: log, Now: db.Now, Allow: upstreamtest.Loopback,
		Pause: func(ctx context.Context, _ int) error { return ctx.Err() },
	})
	engine.Register(mirrors.Kind())
	if err := engine.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	accounts := account.New(s.db, events, log, db.Now)
	accounts.UseKey(masterKey)
	w := must[*Web](t)(New(Deps{
		DB: s.db, Engine: engine, Fleet: f, Jobs: jobs, Files: files, Remote: work, Mirrors: mirrors, Intake: event.NewIntake(events, db.Now), CA: ca,
		Accounts: accounts, Audit: must[*audit.Log](t)(audit.Open(ctx, s.db, audit.Options{Data: s.dir, Log: log, Now: db.Now})), Bus: s.bus, Events: events,
		Repo: packages, Log: log, Folder: watched.New(watched.Options{Dir: filepath.Join(s.dir, "drop"), Repo: packages, Events: events, Log: log, Now: db.Now}), Republish: func() {
			if err := packages.Refresh(ctx); err != nil {
				t.Error(err)
			}
		},
		Options: Options{
			Version: "9.9.9-test", Advertise: "127.0.0.1", HandshakePort: 8440, SecuredPort: 8441, Step: 10 * time.Second,
			Script: []byte(testScript), Now: db.Now, AnonymousHosts: true,
		},
	}))
	s.web = w
	own := must[*trust.ServerCertificate](t)(w.CA.ServerCertificate([]string{"127.0.0.1"}))
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*must[*tls.Certificate](t)(own.Get(nil))}}
	mutual := config.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, w.CA.Pool()
	s.public = httptest.NewServer(w.Public())
	s.handshake, s.secured = listenTLS(w.Handshake(), config), listenTLS(w.Secured(), mutual, w.WatchSecured)
	t.Cleanup(func() {
		w.Close()
		s.public.Close()
		s.handshake.Close()
		s.secured.Close()
		ctx, cancel := context.WithTimeout(context.Background(), waitMost)
		defer cancel()
		if err := engine.Stop(ctx); err != nil {
			t.Error(err)
		}
		jobs.Close()
	})
}

// signingKey is the repository's key, made once: making it takes longer than most of the tests.
var signingKey struct {
	sync.Mutex
	armored []byte
}

func openRepository(t testing.TB, dir string, log *slog.Logger) *repo.Store {
	t.Helper()
	signingKey.Lock()
	defer signingKey.Unlock()
	file := filepath.Join(dir, "keys", "signing.asc")
	if signingKey.armored != nil {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, signingKey.armored, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	r := must[*repo.Store](t)(repo.Open(dir, log))
	signingKey.armored = must[[]byte](t)(os.ReadFile(file))
	return r
}

func listenTLS(h http.Handler, c *tls.Config, prepare ...func(*http.Server)) *httptest.Server {
	l := httptest.NewUnstartedServer(h)
	for _, p := range prepare {
		p(l.Config)
	}
	l.TLS = c
	l.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	l.StartTLS()
	return l
}

// restart makes all but the database and the bus anew, as after a crash.
func (s *server) restart() {
	s.t.Helper()
	s.start(slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

func (s *server) kind() operation.Kind {
	return operation.Kind{Name: bootstrap.KindName, NeedsSecrets: true, Steps: []operation.Step{
		{Name: "connect", Timeout: time.Minute, Repeat: true, Run: func(_ context.Context, t *operation.Task) error {
			t.Logf("hello %s", t.Name())
			return nil
		}},
		{Name: "install", Timeout: time.Minute, Run: func(ctx context.Context, t *operation.Task) error {
			switch {
			case strings.HasPrefix(t.Name(), "bad") && t.Attempt() == 1:
				return &operation.Failure{Code: "disk_full", Cause: "The disk is full.", Hint: "Make room."}
			case strings.HasPrefix(t.Name(), "anew") && t.Attempt() == 1:
				return &operation.Failure{Code: "host_key_changed", Cause: "Another key.", Hint: "Look.", Args: map[string]string{
					"host": t.Name(), "target": t.Name() + ":22", "known": "SHA256:old", "now": "SHA256:new",
				}}
			case strings.HasPrefix(t.Name(), "slow"):
				select {
				case <-s.release:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		}},
	}}
}

// shownKey is what every host of a check shows.
const shownKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIZjECegte1Tm+FxoCX3JG3PiLKmgsHueWc9la5s11ub"

// checkKind stands for what bootstrap registers: hosts show a key, and those that are called "bad" fail at first.
func (s *server) checkKind() operation.Kind {
	k := s.kind()
	k.Name, k.Linger = bootstrap.CheckKindName, true
	k.Steps[0].Run = func(_ context.Context, t *operation.Task) error {
		return t.Remember(bootstrap.Found{Key: db.SSHHostKey{
			Target: t.Name() + ":22", Algorithm: "ssh-ed25519", Key: shownKey, Fingerprint: "SHA256:of-" + t.Name(),
		}})
	}
	return k
}

// api calls the API as a program.
func (s *server) api(method, path, body string) reply {
	s.t.Helper()
	header := map[string]string{"Authorization": "Bearer " + s.token}
	var b io.Reader
	if method == http.MethodPost {
		header["Content-Type"] = "application/json"
		b = strings.NewReader(body)
	}
	return send(s.t, http.DefaultClient, method, s.public.URL+path, b, header)
}

// agent enrols a host and returns a client with its certificate, and its serial number.
func (s *server) agent(hostname string) (*http.Client, string) {
	s.t.Helper()
	return s.agentBy(trust.TokenSpec{Hostname: hostname, Uses: 1, Lifetime: time.Minute}, hostname)
}

// agentBy is agent by a token of the caller's choosing.
func (s *server) agentBy(spec trust.TokenSpec, hostname string) (*http.Client, string) {
	s.t.Helper()
	return s.agentOn(spec, hostname, nil)
}

// agentOn is agentBy for a host that tells something of itself.
func (s *server) agentOn(spec trust.TokenSpec, hostname string, facts *wire.Facts) (*http.Client, string) {
	s.t.Helper()
	token := must[string](s.t)(s.web.CA.MintToken(s.t.Context(), spec))
	request, key := newCSR(s.t, hostname)
	r := send(s.t, s.hostClient(nil), http.MethodPost, s.handshake.URL+wire.PathEnroll, strings.NewReader(
		toJSON(s.t, wire.EnrollRequest{Hostname: hostname, Token: token, CSR: request, Facts: facts})), nil)
	if r.status != http.StatusOK {
		s.t.Fatalf("enrolment answered %d: %s", r.status, r.body)
	}
	var enrolled wire.EnrollReply
	r.json(s.t, &enrolled)
	block, _ := pem.Decode([]byte(enrolled.Certificate))
	return s.hostClient(&tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}), enrolled.AgentSN
}

// hostClient trusts the CA alone.
func (s *server) hostClient(cert *tls.Certificate) *http.Client {
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: s.web.CA.Pool()}
	if cert != nil {
		config.Certificates = []tls.Certificate{*cert}
	}
	transport := &http.Transport{TLSClientConfig: config}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func newCSR(t testing.TB, hostname string) (string, *ecdsa.PrivateKey) {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must[[]byte](t)(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: hostname}, DNSNames: []string{hostname},
	}, key))
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), key
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	return string(must[[]byte](t)(json.Marshal(v)))
}

// sshKey makes a private key in OpenSSH's form.
func sshKey(t testing.TB) string {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	return string(pem.EncodeToMemory(must[*pem.Block](t)(ssh.MarshalPrivateKey(key, ""))))
}

// register enrols and registers a host and sends one heartbeat.
func (s *server) register(hostname string) (*http.Client, int64) {
	s.t.Helper()
	client, sn := s.agent(hostname)
	return client, s.registerAs(client, sn, hostname)
}

// registerAs registers an enrolled host and sends one heartbeat.
func (s *server) registerAs(client *http.Client, sn, hostname string) int64 {
	s.t.Helper()
	body := toJSON(s.t, wire.RegisterRequest{Hostname: hostname, AgentSN: sn, Version: "1", Facts: &wire.Facts{OS: wire.OS{Name: "Debian GNU/Linux 12"}, Arch: "amd64"}})
	if r := send(s.t, client, http.MethodPost, s.secured.URL+wire.PathRegister, strings.NewReader(body), nil); r.status != http.StatusOK {
		s.t.Fatalf("registration answered %d: %s", r.status, r.body)
	}
	s.beat(client, hostname)
	return must[*db.Host](s.t)(s.db.HostBySN(s.t.Context(), sn)).ID
}

func (s *server) beat(client *http.Client, hostname string, children ...wire.ChildAgent) wire.StatusReply {
	s.t.Helper()
	body := toJSON(s.t, wire.StatusRequest{Hostname: hostname, Version: "1", Uptime: 5, Timestamp: time.Now().Unix(), Step: 10, Agents: children})
	r := send(s.t, client, http.MethodPost, s.secured.URL+wire.PathStatus, strings.NewReader(body), nil)
	if r.status != http.StatusOK {
		s.t.Fatalf("heartbeat answered %d: %s", r.status, r.body)
	}
	var answer wire.StatusReply
	r.json(s.t, &answer)
	return answer
}

// awaitOperation waits until an operation is in a state, reading it whenever the bus tells of a change.
func (s *server) awaitOperation(id int64, want db.State) {
	s.t.Helper()
	changed := make(chan struct{}, 1)
	cancel := must[func()](s.t)(s.bus.Subscribe("operation.>", func(string, []byte) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}))
	defer cancel()
	deadline := time.After(waitMost)
	for {
		o := must[*db.Operation](s.t)(s.db.Operation(s.t.Context(), id))
		if o.State == want {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			s.t.Fatalf("operation %d is %s after %s, want %s", id, o.State, waitMost, want)
		}
	}
}

// startBootstrap starts an operation by the API.
func (s *server) startBootstrap(hosts string) int64 {
	s.t.Helper()
	r := s.api(http.MethodPost, api+"/bootstraps", toJSON(s.t, map[string]any{"hosts": hosts, "ssh": map[string]any{"private_key": sshKey(s.t)}}))
	if r.status != http.StatusCreated {
		s.t.Fatalf("bootstraps answered %d: %s", r.status, r.body)
	}
	var started startedReply
	r.json(s.t, &started)
	return started.OperationID
}
