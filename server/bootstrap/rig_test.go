package bootstrap

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/bootstrap/hostlist"
	"hostler/server/event"
	"hostler/server/fleet"
	"hostler/server/operation"
	"hostler/server/trust"
)

// rig runs bootstrap operations on the real engine.
type rig struct {
	t       testing.TB
	b       *Bootstrap
	engine  *operation.Engine
	changes chan struct{}

	mu     sync.Mutex
	tokens []trust.TokenSpec
}

// newRig returns a rig whose hosts register at once. change, if not nil, changes the options.
func newRig(t testing.TB, script string, change func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, changes: make(chan struct{}, 1)}
	o := newBootstrap(t).Options
	o.Advertise, o.HandshakePort, o.SecuredPort = "server.test", 8440, 8441
	o.AgentVersion, o.Script = "1.2.3", []byte(script)
	o.Authority = func() ([]byte, string) { return []byte("the CA"), strings.Repeat("a", 64) }
	o.RepositoryKey = func() []byte { return []byte("the key") }
	o.Await = everyHost
	o.MintToken = func(_ context.Context, s trust.TokenSpec) (string, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tokens = append(r.tokens, s)
		return testToken, nil
	}
	if change != nil {
		change(&o)
	}
	r.b = New(o)
	bus, err := event.OpenBus("", o.Log)
	must(t, err)
	t.Cleanup(bus.Close)
	_, err = bus.Subscribe("operation.*", func(string, []byte) {
		select {
		case r.changes <- struct{}{}:
		default:
		}
	})
	must(t, err)
	r.engine = operation.New(o.DB, bus, event.NewLog(o.DB, bus, o.Log), o.Log)
	r.engine.Register(r.b.Kind())
	t.Cleanup(func() { must(t, r.engine.Stop(context.Background())) })
	return r
}

// everyHost is a fleet in which the host of every task has registered and just sent a heartbeat.
func everyHost(ctx context.Context, want func(fleet.Host) bool) (fleet.Host, error) {
	now := db.Now()
	for id := range int64(200) {
		h := fleet.Host{Host: db.Host{
			ID: id + 1000, TaskID: &id, OSName: "Debian GNU/Linux 12 (bookworm)", Arch: "amd64",
			RegisteredAt: &now, LastSeenAt: &now, Facts: &wire.Facts{Memory: 16_600_000_000},
		}}
		if want(h) {
			return h, nil
		}
	}
	return noHost(ctx, want)
}

func noHost(ctx context.Context, _ func(fleet.Host) bool) (fleet.Host, error) {
	<-ctx.Done()
	return fleet.Host{}, ctx.Err()
}

// start starts an operation with one task per name, all on the same sshd.
func (r *rig) start(s *sshd, c *Credentials, names ...string) *db.Operation {
	r.t.Helper()
	spec := Spec("", "tester", hosts(names...), c)
	for i := range spec.Tasks {
		spec.Tasks[i].Params = TaskParams{Address: "127.0.0.1", Port: s.port(), Labels: db.Labels{"rack": "/r7"}}
	}
	o, err := r.engine.Start(r.t.Context(), spec)
	must(r.t, err)
	return o
}

func hosts(names ...string) []hostlist.Host {
	out := make([]hostlist.Host, len(names))
	for i, name := range names {
		out[i].Name = name
	}
	return out
}

// wait waits until the operation has ended and returns its tasks.
func (r *rig) wait(id int64) []db.Task {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	for {
		o, err := r.b.DB.Operation(ctx, id)
		must(r.t, err)
		if o.State.Ended() {
			tasks, err := r.b.DB.Tasks(ctx, id)
			must(r.t, err)
			return tasks
		}
		select {
		case <-r.changes:
		case <-ctx.Done():
			r.t.Fatal("the operation does not end")
		}
	}
}

func (r *rig) log(task int64) string {
	r.t.Helper()
	body, _, err := r.b.DB.ReadLog(r.t.Context(), task, 0, 1<<20)
	must(r.t, err)
	return string(body)
}

// one runs one host and returns its task.
func (r *rig) one(s *sshd, c *Credentials) db.Task {
	r.t.Helper()
	return r.wait(r.start(s, c, "node1.test").ID)[0]
}

func wantDone(t testing.TB, r *rig, task db.Task) {
	t.Helper()
	if task.State != db.Done {
		t.Fatalf("task %s: %+v\n%s", task.State, task.Problem, r.log(task.ID))
	}
}
