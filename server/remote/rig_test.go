package remote_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/seal"
	"hostler/internal/testclock"
	"hostler/repo"
	"hostler/server/event"
	"hostler/server/file"
	"hostler/server/fleet"
	"hostler/server/job"
	"hostler/server/operation"
	"hostler/server/remote"
	"hostler/server/trust"
)

const version = "2.0.0"

// rig is a server's parts around package remote. Hosts are played by the test, as agents behave.
type rig struct {
	*testing.T
	db     *db.DB
	bus    *event.Bus
	dir    string
	clock  *testclock.Clock
	ca     *trust.CA
	fleet  *fleet.Fleet
	jobs   *job.Queue
	engine *operation.Engine
	remote *remote.Remote

	revoked  []string                    // by removals
	revoking func(context.Context) error // what is done instead of that; nil for nothing
	// unfollow ends the correcting of tasks by late results, as a server does that stops.
	unfollow func()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	bus, err := event.OpenBus("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	r := &rig{T: t, db: dbtest.Open(t), bus: bus, dir: t.TempDir(), clock: testclock.New(db.Now())}
	r.ca, err = trust.OpenCA(r.db, r.dir+"/ca", seal.NewKey(), db.Now)
	r.must(err)
	r.start()
	return r
}

// start makes the parts that a restart makes anew.
func (r *rig) start() {
	r.Helper()
	log := slog.New(slog.DiscardHandler)
	events := event.NewLog(r.db, r.bus, log)
	r.fleet = fleet.New(r.db, r.bus, events, log, fleet.Options{Step: 10 * time.Second, MissedSteps: 3, MinLost: 15 * time.Second, Now: r.clock.Now, Elapsed: r.clock.Elapsed})
	r.must(r.fleet.Load(r.Context()))
	var err error
	r.jobs, err = job.NewQueue(r.Context(), r.db, r.bus, events, log, r.clock.Now)
	r.must(err)
	files, err := file.Open(r.db, r.dir, log, r.clock.Now)
	r.must(err)
	r.engine = operation.New(r.db, r.bus, events, log)
	r.remote = remote.New(remote.Options{
		DB: r.db, Engine: r.engine, Jobs: r.jobs, Fleet: r.fleet, Files: files, Log: log, Version: version, Repository: "https://server:8440/repo/",
		Published: func(context.Context) error { return nil },
		Executable: func(arch string) (repo.Executable, error) {
			if arch != "amd64" {
				return repo.Executable{}, errors.New("no such agent")
			}
			sum := sha256.Sum256([]byte("agent"))
			return repo.Executable{Path: "agent/x", Checksum: hex.EncodeToString(sum[:])}, nil
		},
		Offers: func(string) []repo.Offer { return nil },
		Sign:   r.ca.SignDigest,
		Script: []byte("the script"),
		Revoke: func(ctx context.Context, agentSN, by string) (int, error) {
			if r.revoking != nil {
				return 0, r.revoking(ctx)
			}
			r.revoked = append(r.revoked, agentSN+" by "+by)
			return 1, nil
		},
	})
	for _, k := range r.remote.Kinds() {
		r.engine.Register(k)
	}
	r.must(r.engine.Resume(r.Context()))
	follow, err := r.remote.FollowLate(r.bus)
	r.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); follow(ctx) }()
	r.unfollow = func() { cancel(); <-done }
	engine, jobs, unfollow := r.engine, r.jobs, r.unfollow
	r.Cleanup(func() { unfollow(); r.stop(engine, jobs) })
}

func (r *rig) stop(e *operation.Engine, q *job.Queue) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		r.Error(err)
	}
	q.Close()
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func certificate(name string) *db.Certificate {
	return &db.Certificate{Serial: "serial-" + name, AgentSN: "sn-" + name, Hostname: name}
}

// register announces a host and sends its first heartbeat.
func (r *rig) register(name, arch string) int64 {
	r.Helper()
	_, err := r.fleet.Register(r.Context(), certificate(name), wire.RegisterRequest{Hostname: name, Version: "1.0.0", Facts: &wire.Facts{Arch: arch}}, "10.0.0.1")
	r.must(err)
	return r.beat(name, "1.0.0")
}

func (r *rig) beat(name, agent string) int64 {
	r.Helper()
	id, _, err := r.fleet.Heartbeat(r.Context(), certificate(name), wire.StatusRequest{Hostname: name, Version: agent, Step: 10}, "10.0.0.1")
	r.must(err)
	return id
}

// given waits until a host is given a job.
func (r *rig) given(hostID int64) wire.Job {
	r.Helper()
	var got wire.Job
	r.untilTold(fmt.Sprintf("%s.%d", job.WakeTopic, hostID), "a job for a host", func() bool {
		d, err := r.jobs.Deliver(r.Context(), hostID, nil)
		r.must(err)
		if len(d.Jobs) > 0 {
			got = d.Jobs[0]
		}
		return len(d.Jobs) > 0
	})
	return got
}

func (r *rig) finish(hostID int64, result wire.JobResult) {
	r.Helper()
	r.must(r.jobs.Finish(r.Context(), hostID, "node", []wire.JobResult{result}))
}

// until waits until something is so, looking whenever the bus tells of a change.
func (r *rig) until(what string, so func() bool) {
	r.Helper()
	r.untilTold(">", what, so)
}

// untilTold is until for those who need to look only when some topics tell of a change.
func (r *rig) untilTold(topics, what string, so func() bool) {
	r.Helper()
	changed := make(chan struct{}, 1)
	cancel, err := r.bus.Subscribe(topics, func(string, []byte) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	r.must(err)
	defer cancel()
	deadline := time.After(2 * time.Minute)
	for !so() {
		select {
		case <-changed:
		case <-deadline:
			r.Fatalf("waited in vain for %s", what)
		}
	}
}

func (r *rig) await(id int64, want db.State) {
	r.Helper()
	r.until("the operation to be "+string(want), func() bool {
		o, err := r.db.Operation(r.Context(), id)
		r.must(err)
		return o.State == want
	})
}

func (r *rig) task(id int64, name string) db.Task {
	r.Helper()
	ts, err := r.db.Tasks(r.Context(), id)
	r.must(err)
	for _, t := range ts {
		if t.Name == name {
			return t
		}
	}
	r.Fatalf("there is no task %s", name)
	return db.Task{}
}

// command starts a command on hosts.
func (r *rig) command(hosts string, edit func(*remote.CommandRequest)) int64 {
	r.Helper()
	in := remote.CommandRequest{Common: remote.Common{Targets: remote.Targets{Hosts: hosts}}, Exec: wire.Exec{Script: "marker-script"}}
	if edit != nil {
		edit(&in)
	}
	o, err := r.remote.Command(r.Context(), in, "alice")
	r.must(err)
	return o.ID
}

func (r *rig) jobsOf(id int64) []db.Job {
	r.Helper()
	js, err := r.db.Jobs(r.Context(), db.JobQuery{OperationID: id, Limit: 500})
	r.must(err)
	return js
}
