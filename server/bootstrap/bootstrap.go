// Package bootstrap puts the agent on hosts over SSH. It registers one kind of operation with the engine: per
// host one SSH connection over which the setup script is run phase by phase, until the agent has registered
// and sent its first heartbeat. It keeps no secrets beyond the operation's life, never writes them anywhere,
// and does not decide what is installed: that is the setup script's work.
package bootstrap

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"hostler/db"
	"hostler/server/bootstrap/hostlist"
	"hostler/server/fleet"
	"hostler/server/operation"
	"hostler/server/trust"
)

// KindName is the name of the operation kind.
const KindName = "bootstrap"

// DefaultParallel is how many hosts of one operation are worked on at a time.
const DefaultParallel = 50

// Options are what bootstrapping needs from the rest of the server. Every field without a default must be set.
type Options struct {
	DB            *db.DB
	Advertise     string // the name or address under which hosts reach the server
	HandshakePort int
	SecuredPort   int
	AgentVersion  string // of the agents that the server can install; "" when it has none
	Script        []byte // setup-agent.sh
	// Authority is the certificate of the CA that signs now, in PEM, and its pin.
	Authority func() (pem []byte, pin string)
	// RepositoryKey returns the armored public key that signs the package repository.
	RepositoryKey func() []byte
	// Published waits until the packages can be fetched, and says why they cannot be; nil when they can be from
	// the start. It is called again for every host.
	Published func(ctx context.Context) error
	// MintToken makes an enrolment token: (*trust.CA).MintToken.
	MintToken func(ctx context.Context, spec trust.TokenSpec) (string, error)
	// Await waits for a host: (*fleet.Fleet).Await.
	Await func(ctx context.Context, want func(fleet.Host) bool) (fleet.Host, error)
	// EPEL asks for epel-release on hosts of the Red Hat family, where it can be reached.
	EPEL bool
	// Dial opens TCP connections; net.Dialer's way by default.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Limits Limits
	Log    *slog.Logger
}

// Limits bound single waits. Zero values mean the defaults.
type Limits struct {
	Dial      time.Duration            // for the TCP connection, name look-up included; 10 s
	Handshake time.Duration            // from there until logged in; 20 s
	Keepalive time.Duration            // between proofs of life, and for the answer to each; 15 s
	Kill      time.Duration            // for ending remote work; 5 s
	Register  time.Duration            // for the registration; 60 s
	Heartbeat time.Duration            // for the first heartbeat; 60 s
	Idle      time.Duration            // how long a connection to a jump host is kept that nobody uses; 1 min
	Package   time.Duration            // for a busy package manager; 2 min
	Steps     map[string]time.Duration // of steps by their names, where they shall differ from the phases' own, for tests
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.Dial, 10 * time.Second},
		{&l.Handshake, 20 * time.Second},
		{&l.Keepalive, 15 * time.Second},
		{&l.Kill, 5 * time.Second},
		{&l.Register, time.Minute},
		{&l.Heartbeat, time.Minute},
		{&l.Idle, time.Minute},
		{&l.Package, 2 * time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return l
}

// Bootstrap runs the phases.
type Bootstrap struct {
	Options
	look []byte // of the script, what looking at a host takes
}

// New returns a Bootstrap; register its Kind with the engine.
func New(o Options) *Bootstrap {
	o.Limits = o.Limits.withDefaults()
	if o.Dial == nil {
		o.Dial = (&net.Dialer{KeepAlive: o.Limits.Keepalive}).DialContext
	}
	return &Bootstrap{Options: o, look: looking(o.Script)}
}

// Params are the operation's parameters, equal for all hosts. They hold no secret and tell a page what to ask
// for again after the server was restarted.
type Params struct {
	User           string      `json:"user"`
	Port           int         `json:"port"`
	Become         Become      `json:"become,omitempty"`
	KeyFingerprint string      `json:"key_fingerprint,omitempty"`
	Jump           *JumpParams `json:"jump,omitempty"`
	DraftID        *int64      `json:"draft_id,omitempty"`
	Sources        Sources     `json:"sources,omitempty"`
}

// JumpParams are what is known of the jump host without its secrets.
type JumpParams struct {
	Host           string `json:"host"`
	User           string `json:"user"`
	Port           int    `json:"port"`
	KeyFingerprint string `json:"key_fingerprint,omitempty"`
}

// TaskParams are one host's parameters; all may be left out.
type TaskParams struct {
	Address string `json:"address,omitempty"` // where to connect to, if not to the host's name
	Port    int    `json:"port,omitempty"`    // the SSH port, if not the operation's
	User    string `json:"user,omitempty"`    // who logs in, if not the operation's user
	// Credentials names the set of Credentials.Others to log in with; "" for those of the operation.
	Credentials string `json:"credentials,omitempty"`
	// Labels are what the host is grouped by once it has registered.
	Labels db.Labels `json:"labels,omitempty"`
}

// Spec describes an operation that bootstraps hosts with credentials that were checked.
func Spec(cluster, createdBy string, hosts []hostlist.Host, c *Credentials) operation.Spec {
	s := operation.Spec{
		Kind: KindName, Title: fmt.Sprintf("Bootstrap %d hosts", len(hosts)), Cluster: cluster, CreatedBy: createdBy,
		Parallel: DefaultParallel, Secrets: c,
		Params: Params{User: c.User, Port: c.Port, Become: c.Become, KeyFingerprint: c.Key().Fingerprint},
	}
	if j := c.Jump; j != nil {
		p := s.Params.(Params)
		p.Jump = &JumpParams{Host: j.Address, User: j.Login.User, Port: j.Login.Port, KeyFingerprint: j.Login.Key().Fingerprint}
		s.Params = p
	}
	if len(hosts) == 1 {
		s.Title = "Bootstrap " + hosts[0].Name
	}
	for _, h := range hosts {
		s.Tasks = append(s.Tasks, operation.TaskSpec{Name: h.Name, Params: taskParams(h)})
	}
	return s
}

// taskParams are what a list says of a host; nil when it gives the name alone.
func taskParams(h hostlist.Host) any {
	p := TaskParams{Address: h.Address, Port: h.Port, User: h.User, Credentials: h.Credentials, Labels: h.Labels}
	if p.Address == "" && p.Port == 0 && p.User == "" && p.Credentials == "" && len(p.Labels) == 0 {
		return nil
	}
	return p
}

// Phase is one step of bootstrapping a host. Each has a file of its own.
type Phase struct {
	Name    string // stable code
	Title   string // English
	timeout time.Duration
	// repeat: a later run of the task needs what the phase makes, see operation.Step.
	repeat bool
	run    func(ctx context.Context, r *run) error
}

// Phases lists the phases in their order.
func Phases() []Phase {
	return []Phase{
		connectPhase, detectPhase, checkPhase, copyPhase, repositoryPhase,
		installPhase, configurePhase, startPhase, registerPhase, heartbeatPhase,
	}
}

// Kind is what the operation engine runs.
func (b *Bootstrap) Kind() operation.Kind {
	k := operation.Kind{Name: KindName, NeedsSecrets: true, Begin: b.begin, End: end}
	for _, p := range Phases() {
		k.Steps = append(k.Steps, b.step(p, p.repeat))
	}
	return k
}

func (b *Bootstrap) step(p Phase, repeat bool) operation.Step {
	timeout := p.timeout
	if limit, ok := b.Limits.Steps[p.Name]; ok {
		timeout = limit
	}
	return operation.Step{
		Name: p.Name, Timeout: timeout, Repeat: repeat,
		Run: func(ctx context.Context, t *operation.Task) error { return p.run(ctx, t.Local.(*run)) },
	}
}
