// Package shellclient holds the server to what a client of the BootAgent document may expect: a script of a few lines,
// with curl and openssl, is an agent.
package shellclient

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/seal"
	"hostler/repo"
	"hostler/server/account"
	"hostler/server/audit"
	"hostler/server/event"
	"hostler/server/file"
	"hostler/server/fleet"
	"hostler/server/job"
	"hostler/server/operation"
	"hostler/server/remote"
	"hostler/server/trust"
	"hostler/web"
)

const hostname = "shell.lab.test"

// server is a whole server behind real TLS, without its command line.
type server struct {
	*testing.T
	db                 *db.DB
	ca                 *trust.CA
	caFile             string
	fleet              *fleet.Fleet
	jobs               *job.Queue
	remote             *remote.Remote
	handshake, secured *httptest.Server
}

func start(t *testing.T) *server {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	s := &server{T: t, db: dbtest.Open(t), caFile: filepath.Join(dir, "ca", "ca.pem")}
	bus, err := event.OpenBus("", log)
	s.must(err)
	t.Cleanup(bus.Close)
	events := event.NewLog(s.db, bus, log)
	s.ca, err = trust.OpenCA(s.db, filepath.Join(dir, "ca"), seal.NewKey(), db.Now)
	s.must(err)
	s.fleet = fleet.New(s.db, bus, events, log, fleet.Options{Step: 10 * time.Second, MissedSteps: 3, MinLost: 15 * time.Second, Now: db.Now})
	s.must(s.fleet.Load(t.Context()))
	s.jobs, err = job.NewQueue(t.Context(), s.db, bus, events, log, db.Now)
	s.must(err)
	t.Cleanup(s.jobs.Close)
	files, err := file.Open(s.db, dir, log, db.Now)
	s.must(err)
	engine := operation.New(s.db, bus, events, log)
	s.remote = remote.New(remote.Options{DB: s.db, Engine: engine, Jobs: s.jobs, Fleet: s.fleet, Files: files, Log: log})
	for _, k := range s.remote.Kinds() {
		engine.Register(k)
	}
	packages, err := repo.Open(filepath.Join(dir, "repo"), log)
	s.must(err)
	entries, err := audit.Open(t.Context(), s.db, audit.Options{Data: dir, Log: log, Now: db.Now})
	s.must(err)
	edge, err := web.New(web.Deps{
		DB: s.db, Engine: engine, Fleet: s.fleet, Jobs: s.jobs, Files: files, Remote: s.remote, Intake: event.NewIntake(events, db.Now), CA: s.ca,
		Accounts: account.New(s.db, events, log, db.Now), Audit: entries, Bus: bus, Events: events, Repo: packages, Log: log,
		Options: web.Options{Version: "test", Advertise: "127.0.0.1", Step: 10 * time.Second, Now: db.Now},
	})
	s.must(err)
	s.listen(edge)
	t.Cleanup(func() {
		s.handshake.Close()
		s.secured.Close()
		edge.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.must(engine.Stop(ctx))
	})
	return s
}

func (s *server) listen(edge *web.Web) {
	s.Helper()
	own, err := s.ca.ServerCertificate([]string{"127.0.0.1"})
	s.must(err)
	certificate, err := own.Get(nil)
	s.must(err)
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*certificate}}
	mutual := config.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, s.ca.Pool()
	open := func(h http.Handler, c *tls.Config) *httptest.Server {
		l := httptest.NewUnstartedServer(h)
		l.TLS = c
		l.StartTLS()
		return l
	}
	s.handshake, s.secured = open(edge.Handshake(), config), open(edge.Secured(), mutual)
}

func (s *server) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func TestAFewLinesOfShellAreAnAgent(t *testing.T) {
	for _, tool := range []string{"curl", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is missing", tool)
		}
	}
	script, err := filepath.Abs("client.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range []string{"dash", "bash"} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("%s is missing", shell)
			}
			s := start(t)
			token, err := s.ca.MintToken(t.Context(), trust.TokenSpec{Hostname: hostname, Uses: 1, Lifetime: time.Minute})
			s.must(err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			client := exec.CommandContext(ctx, shell, script, s.handshake.URL, s.secured.URL, s.caFile, token, hostname)
			client.Dir, client.Stderr = t.TempDir(), os.Stderr
			// The job is queued once the host is there: the script is in the middle of its heartbeats then.
			queued := make(chan int64, 1)
			go func() {
				h, err := s.fleet.Await(ctx, func(h fleet.Host) bool { return h.Name == hostname && h.LastSeenAt != nil })
				if err != nil {
					queued <- 0
					return
				}
				o, err := s.remote.Child(ctx, wire.ActionRestart, remote.ChildRequest{
					Common: remote.Common{Targets: remote.Targets{IDs: []int64{h.ID}}}, Name: "BasicAgent",
				}, "admin")
				if err != nil {
					t.Error(err)
					queued <- 0
					return
				}
				queued <- o.ID
			}()
			out, err := client.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			operationID := <-queued
			id, action, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
			j, err := s.db.Job(t.Context(), id)
			s.must(err)
			if j.State != db.JobSucceeded || j.Message != "success" || action != wire.ActionRestart || *j.OperationID != operationID {
				t.Errorf("the script printed %q, and the job is %+v", out, j)
			}
			host, _ := s.fleet.Get(context.Background(), j.HostID)
			if host.AgentVersion != "shell-1.0" || len(host.Children) != 1 || host.Children[0].Status != wire.ChildStopped {
				t.Errorf("the host is %+v", host)
			}
		})
	}
}
