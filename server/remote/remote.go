// Package remote is what people have done on registered hosts: commands, files, child agents, upgrades and checks. It checks a
// request, finds the hosts that it means, and makes an operation of it with one task per host. A task makes a job for its
// host and waits for the job's end; how the job gets there is package job's business. Nothing is started unless all of a
// request is right.
package remote

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/clip"
	"hostler/repo"
	"hostler/server/file"
	"hostler/server/fleet"
	"hostler/server/job"
	"hostler/server/operation"
)

// Kinds of operations.
const (
	KindCommand = "command"
	KindPush    = "push"
	KindFetch   = "fetch"
	KindChild   = "child"
	KindUpgrade = "agent-upgrade"
	KindCheck   = "host-checks"
	KindMend    = "host-mend"
	KindRemove  = "host-removal"
)

// Names of steps.
const (
	StepDeliver = "deliver" // until the agent has the job
	StepRun     = "run"     // until its result is there
	StepConfirm = "confirm" // until the upgraded agent reports
	StepRecheck = "recheck" // until what was mended is looked at again

	StepUninstall = "uninstall" // until the agent is off the host
	StepRevoke    = "revoke"
	StepForget    = "forget"
)

// Options are what the package works with.
type Options struct {
	DB     *db.DB
	Engine *operation.Engine
	Jobs   *job.Queue
	Fleet  *fleet.Fleet
	Files  *file.Store
	Log    *slog.Logger

	Version    string                                     // of the agents that this server has; "" when it was built without
	Repository string                                     // URL of the package repository as hosts reach it, with a slash at its end
	Published  func(ctx context.Context) error            // waits until the agents are published
	Executable func(arch string) (repo.Executable, error) // finds a published agent
	Offers     func(name string) []repo.Offer             // lists archives of the repository
	Sign       func(digest [32]byte) (string, error)      // signs what agents are to run
	Script     []byte                                     // setup-agent.sh, which takes agents off hosts
	// Revoke revokes all certificates of an agent and says how many that were.
	Revoke  func(ctx context.Context, agentSN, by string) (int, error)
	Confirm time.Duration // most time until an upgraded agent reports; 0: 5 min
}

// Remote starts operations.
type Remote struct {
	Options
	remembered sync.Map // numbers of operations whose child agent is known already
}

// New returns a Remote; register its Kinds with the engine.
func New(o Options) *Remote {
	if o.Confirm == 0 {
		o.Confirm = 5 * time.Minute
	}
	return &Remote{Options: o}
}

// Bounds of requests.
const (
	MaxTargets     = 10_000
	MaxParallel    = 500
	MaxTimeout     = 24 * time.Hour
	MaxExpiry      = 7 * 24 * time.Hour
	DefaultExpiry  = time.Hour
	LostExpiry     = time.Minute // of a host that is lost when its turn comes: it takes the place of one that is not
	DefaultPar     = 50
	DefaultUpgrade = 10 // at a time: what goes wrong with one goes wrong with all
)

// stepTimeout ends a step whose job does not end by its own rules.
const stepTimeout = MaxExpiry + MaxTimeout + time.Hour

// ownTimeout bounds what is the server's own work.
const ownTimeout = 5 * time.Minute

// Common is what all requests have.
type Common struct {
	Targets   Targets `json:"targets"`
	Parallel  int     `json:"parallel,omitempty"`   // hosts at a time; 0: the default
	Batch     int     `json:"batch,omitempty"`      // hosts of which all must end before another begins; 0: none
	StopAfter int     `json:"stop_after,omitempty"` // failures after which no more hosts are begun; 0: never
	Timeout   int     `json:"timeout,omitempty"`    // seconds that the work may take on one host; 0: the action's default
	// ExpiresIn is the seconds within which a host must have got its job; 0: an hour, or a minute if it is lost.
	ExpiresIn int `json:"expires_in,omitempty"`
	// Key is of the caller's choosing: the same request sent twice, as by two clicks, starts one operation.
	Key string `json:"key,omitempty"`
}

// Params are an operation's parameters. They hold no secret and tell a page what the operation does.
type Params struct {
	Action    string `json:"action"`            // of the jobs
	Subject   string `json:"subject,omitempty"` // a child agent's name, a path, a version
	Hosts     int    `json:"hosts"`
	Host      string `json:"host,omitempty"`    // the only one's name
	Content   string `json:"content,omitempty"` // hex SHA-256 of the file that is pushed
	Timeout   int    `json:"timeout"`           // seconds
	ExpiresIn int    `json:"expires_in"`        // seconds; 0: see Common

	Gone         bool `json:"gone,omitempty"`          // of a removal, as in RemoveRequest
	KeepChildren bool `json:"keep_children,omitempty"` // likewise
}

// plan is a checked request.
type plan struct {
	kind, title, actor string
	common             Common
	hosts              []db.Host
	job                *wire.Job // what all hosts get; nil when each gets another
	params             Params
}

// start makes the operation of a plan.
func (r *Remote) start(ctx context.Context, p plan) (*db.Operation, error) {
	p.params.Hosts = len(p.hosts)
	where := fmt.Sprintf("%d hosts", len(p.hosts))
	if len(p.hosts) == 1 {
		p.params.Host, where = p.hosts[0].Name, p.hosts[0].Name
	}
	p.params.Timeout, p.params.ExpiresIn = p.common.Timeout, p.common.ExpiresIn
	s := operation.Spec{
		Kind: p.kind, Title: clip.Text(p.title+" "+where, 255), CreatedBy: p.actor, Parallel: p.common.Parallel,
		Batch: p.common.Batch, MaxFailures: p.common.StopAfter, Params: p.params,
	}
	if p.common.Key != "" {
		s.Key = clip.Text(p.actor, 128) + "/" + p.common.Key // what others chose is theirs
	}
	if p.job != nil {
		shared := *p.job
		shared.Timeout = p.common.Timeout
		s.Also = func(ctx context.Context, tx *db.DB, o *db.Operation) error {
			return tx.CreateOperationJob(ctx, &db.OperationJob{OperationID: o.ID, Payload: shared})
		}
	}
	// Hosts that are lost come last: their jobs wait for them, and others need not wait, too.
	slices.SortStableFunc(p.hosts, func(a, b db.Host) int { return cmp.Compare(lost(&a), lost(&b)) })
	for _, h := range p.hosts {
		s.Tasks = append(s.Tasks, operation.TaskSpec{Name: h.Name, HostID: new(h.ID)})
	}
	return r.Engine.Start(ctx, s)
}

func lost(h *db.Host) int {
	if h.State == db.HostLost {
		return 1
	}
	return 0
}
