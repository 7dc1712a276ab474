// Package app puts the server together: it is the only place that imports everything. What it opens it closes
// in the reverse order, also when the start fails half-way.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/seal"
	"hostler/repo"
	"hostler/repo/agentbin"
	"hostler/repo/pack"
	"hostler/server/account"
	"hostler/server/audit"
	"hostler/server/bootstrap"
	"hostler/server/config"
	"hostler/server/event"
	"hostler/server/file"
	"hostler/server/fleet"
	"hostler/server/job"
	"hostler/server/mirror"
	"hostler/server/openid"
	"hostler/server/operation"
	"hostler/server/remote"
	"hostler/server/trust"
	"hostler/server/watched"
	setupscripts "hostler/setup-scripts"
	"hostler/web"
)

// App is a running server.
type App struct {
	opts    config.Options
	version string
	log     *slog.Logger
	master  seal.Key // what secrets on the disk are sealed with

	db        *db.DB
	bus       *event.Bus
	events    *event.Log
	ca        *trust.CA
	repo      *repo.Store
	fleet     *fleet.Fleet
	jobs      *job.Queue
	accounts  *account.Accounts
	audit     *audit.Log
	files     *file.Store
	engine    *operation.Engine
	remote    *remote.Remote
	mirrors   *mirror.Mirrors
	folder    *watched.Folder // nil for none
	bootstrap *bootstrap.Bootstrap
	provider  *openid.Provider // nil for none
	web       *web.Web
	republish func()            // what the signing key has to do with
	given     *givenCertificate // of pages and API; nil where the internal authority signs theirs
	script    []byte            // setup-agent.sh: what bootstrapping runs and port 8440 serves

	public, handshake, secured net.Listener

	cleanups []cleanup
	wg       sync.WaitGroup
	failed   chan error
}

type cleanup struct {
	name string
	do   func(ctx context.Context) error
}

// Start opens everything and serves until Stop. version is the build's.
func Start(ctx context.Context, opts config.Options, version string, log *slog.Logger) (*App, error) {
	a := &App{opts: opts, version: version, log: log, failed: make(chan error, 3)}
	err := a.open(ctx)
	if err == nil {
		err = a.serve(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
	}
	return a, nil
}

// partDeadline bounds how long the stop of one part may take. One that takes long must not leave too little for the others.
const partDeadline = 20 * time.Second

// Stop closes everything in the reverse order of opening.
func (a *App) Stop(ctx context.Context) error {
	var errs []error
	for _, c := range slices.Backward(a.cleanups) {
		part, cancel := context.WithTimeout(ctx, partDeadline)
		if err := c.do(part); err != nil {
			errs = append(errs, fmt.Errorf("cannot stop %s: %w", c.name, err))
		}
		cancel()
	}
	a.cleanups = nil
	a.wg.Wait()
	return errors.Join(errs...)
}

// Failed delivers the error of a listener that ended by itself.
func (a *App) Failed() <-chan error { return a.failed }

// atStop registers what undoes a thing that was just opened.
func (a *App) atStop(name string, do func(ctx context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{name, do})
}

// open opens the parts, each from those before it.
func (a *App) open(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		a.openData, a.openDatabase, a.openLease, a.openBus, a.openMaster, a.openAudit, a.openListeners, a.openTrust, a.openFleet, a.readScript, a.openOperations, a.openFolder, a.openProvider, a.openWeb, a.openSchedule,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openData claims the data directory: two servers on one would overwrite each other's files.
func (a *App) openData(context.Context) error {
	if err := os.MkdirAll(a.opts.Data, 0o700); err != nil {
		return fmt.Errorf("cannot make the data directory: %w", err)
	}
	unlock, err := lock(filepath.Join(a.opts.Data, lockFile), os.O_CREATE)
	if err != nil {
		return fmt.Errorf("cannot use the data directory %s: %w", a.opts.Data, err)
	}
	a.atStop("the data directory's lock", func(context.Context) error { return unlock() })
	return nil
}

func (a *App) openDatabase(ctx context.Context) (err error) {
	if a.db, err = db.Open(ctx, a.opts.DB); err != nil {
		return err
	}
	a.atStop("the database", func(context.Context) error { return a.db.Close() })
	return a.db.Migrate(ctx)
}

func (a *App) openBus(context.Context) (err error) {
	if a.bus, err = event.OpenBus(a.opts.NATS, a.log); err != nil {
		return err
	}
	a.atStop("the message bus", func(context.Context) error { a.bus.Close(); return nil })
	a.events = event.NewLog(a.db, a.bus, a.log)
	a.accounts = account.New(a.db, a.events, a.log, db.Now)
	return nil
}

func (a *App) openAudit(ctx context.Context) (err error) {
	a.audit, err = audit.Open(ctx, a.db, audit.Options{Data: a.opts.Data, Log: a.log, Now: db.Now, Serve: true})
	return err
}

func (a *App) openTrust(ctx context.Context) (err error) {
	if a.ca, err = trust.OpenCA(a.db, authorityDir(a.opts), a.master, db.Now); err != nil {
		return err
	}
	a.ca.SetLifetime(a.opts.CertLife)
	if a.opts.Autosign != "" {
		if err := a.ca.SetProgram(a.opts.Autosign); err != nil {
			return err
		}
	}
	stop, err := a.ca.Follow(ctx, a.bus, a.log)
	if err != nil {
		return err
	}
	a.atStop("following revocations", func(context.Context) error { stop(); return nil })
	a.repo, err = repo.Open(filepath.Join(a.opts.Data, "repo"), a.log)
	return err
}

func (a *App) openFleet(ctx context.Context) (err error) {
	a.fleet = fleet.New(a.db, a.bus, a.events, a.log, fleet.Options{
		Step: a.opts.Step, MissedSteps: a.opts.MissedSteps, MinLost: a.opts.MinLost, Now: db.Now,
	})
	if err := a.fleet.Load(ctx); err != nil {
		return err
	}
	if a.jobs, err = job.NewQueue(ctx, a.db, a.bus, a.events, a.log, db.Now); err != nil {
		return err
	}
	a.atStop("jobs", func(context.Context) error { a.jobs.Close(); return nil })
	if a.files, err = file.Open(a.db, a.opts.Data, a.log, db.Now); err != nil {
		return err
	}
	a.background("the fleet", a.fleet.Run)
	return nil
}

func (a *App) openOperations(ctx context.Context) error {
	agent, err := packageVersion(a.version)
	if err != nil {
		return err
	}
	packages := &publication{log: a.log, publish: func(ctx context.Context) error {
		if err := a.repo.Refresh(ctx); err != nil {
			a.log.Error("cannot bring the package repository up to date", "err", err) // it serves what it had
		}
		return a.repo.PublishAgent(ctx, repo.Agent{Version: a.version})
	}}
	a.atStop("publishing the agent", func(context.Context) error { packages.close(); return nil })
	packages.current()
	a.republish = packages.anew
	a.engine = operation.New(a.db, a.bus, a.events, a.log)
	a.bootstrap = bootstrap.New(bootstrap.Options{
		DB: a.db, Advertise: a.opts.Advertise, HandshakePort: port(a.handshake), SecuredPort: port(a.secured),
		AgentVersion: agent, Script: a.script, Authority: func() ([]byte, string) { return a.ca.PEM(), a.ca.Pin() },
		RepositoryKey: a.repo.PublicKeyArmored, MintToken: a.ca.MintToken, Await: a.fleet.Await,
		EPEL: a.opts.Epel, Log: a.log, Published: packages.wait,
	})
	a.remote = remote.New(remote.Options{
		DB: a.db, Engine: a.engine, Jobs: a.jobs, Fleet: a.fleet, Files: a.files, Log: a.log, Version: a.agentVersion(),
		Repository: "https://" + net.JoinHostPort(a.opts.Advertise, strconv.Itoa(port(a.handshake))) + wire.PathRepo,
		Published:  packages.wait, Executable: a.repo.Executable, Offers: a.repo.Offers, Sign: a.ca.SignDigest, Script: a.script,
		Revoke: func(ctx context.Context, agentSN, by string) (int, error) {
			revoked, err := a.ca.RevokeAgent(ctx, agentSN, by)
			return len(revoked), err
		},
	})
	a.engine.Register(a.bootstrap.Kind())
	a.engine.Register(a.bootstrap.CheckKind())
	for _, k := range a.remote.Kinds() {
		a.engine.Register(k)
	}
	allow, err := a.opts.MirrorPrefixes()
	if err != nil {
		return err
	}
	a.mirrors = mirror.New(mirror.Options{DB: a.db, Engine: a.engine, Repo: a.repo, Log: a.log, Now: db.Now, Allow: allow})
	a.engine.Register(a.mirrors.Kind())
	a.background("packages on demand", a.mirrors.Supply)
	a.atStop("operations", a.engine.Stop)
	if err := a.engine.Resume(ctx); err != nil {
		return err
	}
	return a.openCorrections()
}

// openCorrections lets results that come late correct what operations say.
func (a *App) openCorrections() error {
	late, err := a.remote.FollowLate(a.bus)
	if err != nil {
		return err
	}
	a.background("late results", late)
	return nil
}

// openFolder watches the folder that packages are put into.
func (a *App) openFolder(context.Context) error {
	dir := a.opts.WatchFolder
	if dir == "" {
		return nil
	}
	if _, err := os.ReadDir(dir); err != nil {
		return fmt.Errorf("cannot use watch-folder: %w", err)
	}
	a.folder = watched.New(watched.Options{Dir: dir, Repo: a.repo, Events: a.events, Audit: a.audit, Log: a.log, Now: db.Now})
	a.background("the watched folder", a.folder.Run)
	return nil
}

func (a *App) openWeb(context.Context) (err error) {
	a.web, err = web.New(web.Deps{
		DB: a.db, Bus: a.bus, Events: a.events, Intake: event.NewIntake(a.events, db.Now), Files: a.files, Remote: a.remote, Mirrors: a.mirrors, Folder: a.folder, CA: a.ca, Repo: a.repo, Republish: a.republish, Fleet: a.fleet, Jobs: a.jobs, Accounts: a.accounts, Audit: a.audit, Provider: a.provider,
		Engine: a.engine, Log: a.log,
		Options: web.Options{
			Version: a.version, Advertise: a.opts.Advertise, HandshakePort: port(a.handshake), SecuredPort: port(a.secured),
			Step: a.opts.Step, Script: a.script, Now: db.Now, ProviderName: a.opts.OIDC.Name(), AnonymousHosts: a.opts.AnonymousHosts,
		},
	})
	if err != nil {
		return err
	}
	a.atStop("pages", func(context.Context) error { a.web.Close(); return nil })
	return nil
}

// background runs do until Stop, which waits for it.
func (a *App) background(name string, do func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); do(ctx) }()
	a.atStop(name, func(context.Context) error { cancel(); <-done; return nil })
}

// readScript finds what runs on hosts.
func (a *App) readScript(context.Context) (err error) {
	if a.opts.SetupScript == "" {
		a.script = setupscripts.Script()
		return nil
	}
	if a.script, err = os.ReadFile(a.opts.SetupScript); err != nil {
		return fmt.Errorf("cannot read setup-script: %w", err)
	}
	return nil
}

// agentVersion is what the agents that are built in report as their version, or "" when there are none.
func (a *App) agentVersion() string {
	if len(agentbin.Archs()) == 0 {
		return ""
	}
	return a.version
}

// packageVersion is what package managers call the agents built in, or "" when there are none.
func packageVersion(build string) (string, error) {
	if len(agentbin.Archs()) == 0 {
		return "", nil
	}
	return pack.Version(build)
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// SetUpURL is the one-time link for the first administrator, or "" when there is one.
func (a *App) SetUpURL(ctx context.Context) (string, error) {
	token, err := a.accounts.SetUpToken(ctx)
	if err != nil || token == "" {
		return "", err
	}
	return a.URL() + "/setup?token=" + token, nil
}

// URL is where the pages are.
func (a *App) URL() string {
	scheme := "http"
	if a.opts.ListenTLS() {
		scheme = "https"
	}
	host, p, err := net.SplitHostPort(a.public.Addr().String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		host = a.opts.Advertise
	}
	return scheme + "://" + net.JoinHostPort(host, p)
}
