// Package mirror keeps channels of repositories as upstreams are. Each run is an operation: it reads the upstream's index,
// fetches what is not there yet, and lets the channel have just that. What a run has fetched stays when it ends half-way,
// and the next one goes on.
package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"hostler/db"
	"hostler/internal/clip"
	"hostler/repo"
	"hostler/repo/upstream"
	"hostler/server/operation"
)

// KindMirror is the kind of operations.
const KindMirror = "mirror"

// Options are what the package works with.
type Options struct {
	DB     *db.DB
	Engine *operation.Engine
	Repo   *repo.Store
	Log    *slog.Logger
	Now    func() time.Time
	Allow  []netip.Prefix // addresses that upstreams may have although they are this server's own
	// Pause waits before a file is asked for again; nil for the usual way.
	Pause func(ctx context.Context, attempt int) error
}

// Mirrors are those of this server.
type Mirrors struct {
	Options
	starting sync.Mutex // held while a run is started, so that a double click starts one

	fetching sync.Mutex
	ways     map[way]*upstream.Client // of what is fetched on demand
}

// New returns the mirrors; register their Kind with the engine.
func New(o Options) *Mirrors { return &Mirrors{Options: o} }

// Definition is what a mirror is of. It holds no secret.
type Definition struct {
	upstream.Source
	upstream.Filter
	// OnDemand lists what is wanted at once, and has each package fetched when somebody asks for it first.
	OnDemand  bool   `json:"on_demand,omitempty"`
	Schedule  string `json:"schedule,omitempty"`  // cron's five fields in UTC, or "@daily"; "": only people start it
	Proxy     string `json:"proxy,omitempty"`     // URL; "": none
	Bandwidth int64  `json:"bandwidth,omitempty"` // bytes a second; 0: as fast as it goes
}

// Request asks for a mirror.
type Request struct {
	Repository string `json:"-"`
	Channel    string `json:"channel,omitempty"` // "": the repository's first
	Definition
}

// Mirror is one with its last run.
type Mirror struct {
	ID         int64     `json:"id"`
	Repository string    `json:"repository"`
	Channel    string    `json:"channel"`
	CreatedBy  string    `json:"created_by"`
	CreatedAt  time.Time `json:"created_at"`
	Definition
	Operation int64      `json:"operation"` // of its last run; 0: none
	State     db.State   `json:"state"`     // of that; "": none
	RanAt     *time.Time `json:"ran_at"`    // when that was started
	NextAt    *time.Time `json:"next_at"`   // when it is due
}

// FieldError refuses what was asked for because of one of its fields.
type FieldError struct{ Field, Code, Message string }

// Error is the plain cause.
func (e *FieldError) Error() string { return e.Message }

// ErrRuns says that a mirror's last run has not ended.
var ErrRuns = errors.New("this mirror runs already")

// List tells all of a repository, or all when it is "".
func (m *Mirrors) List(ctx context.Context, repository string) ([]Mirror, error) {
	rows, err := m.DB.Mirrors(ctx, repository)
	if err != nil {
		return nil, err
	}
	all := make([]Mirror, 0, len(rows))
	for i := range rows {
		one, err := m.describe(ctx, &rows[i])
		if err != nil {
			return nil, err
		}
		all = append(all, *one)
	}
	return all, nil
}

// Get finds one of a repository; db.ErrNotFound when there is none.
func (m *Mirrors) Get(ctx context.Context, repository string, id int64) (*Mirror, error) {
	row, err := m.find(ctx, repository, id)
	if err != nil {
		return nil, err
	}
	return m.describe(ctx, row)
}

func (m *Mirrors) find(ctx context.Context, repository string, id int64) (*db.Mirror, error) {
	row, err := m.DB.Mirror(ctx, id)
	if err == nil && row.Repository != repository {
		err = db.ErrNotFound
	}
	return row, err
}

func (m *Mirrors) describe(ctx context.Context, row *db.Mirror) (*Mirror, error) {
	one := &Mirror{
		ID: row.ID, Repository: row.Repository, Channel: row.Channel, CreatedBy: row.CreatedBy, CreatedAt: row.CreatedAt, NextAt: row.NextAt,
	}
	if err := json.Unmarshal(row.Definition, &one.Definition); err != nil {
		return nil, fmt.Errorf("cannot read mirror %d: %w", row.ID, err)
	}
	if row.OperationID == nil {
		return one, nil
	}
	o, err := m.DB.Operation(ctx, *row.OperationID)
	if errors.Is(err, db.ErrNotFound) {
		return one, nil // it was long ago
	}
	if err != nil {
		return nil, err
	}
	one.Operation, one.State, one.RanAt = o.ID, o.State, &o.CreatedAt
	return one, nil
}

// Create makes a mirror. What is wrong with the request is a *FieldError, or what package repo says of it.
func (m *Mirrors) Create(ctx context.Context, in Request, by string) (*Mirror, error) {
	channel, err := m.check(&in)
	if err != nil {
		return nil, err
	}
	row := &db.Mirror{Repository: in.Repository, Channel: channel, CreatedBy: by, CreatedAt: m.Now()}
	if err := m.fill(row, &in.Definition); err != nil {
		return nil, err
	}
	err = m.DB.CreateMirror(ctx, row)
	if errors.Is(err, db.ErrDuplicate) {
		return nil, &FieldError{"channel", "taken", "this channel has a mirror already"}
	}
	if err != nil {
		return nil, err
	}
	return m.describe(ctx, row)
}

// Change gives a mirror another definition. Its channel stays.
func (m *Mirrors) Change(ctx context.Context, id int64, in Request) (*Mirror, error) {
	row, err := m.find(ctx, in.Repository, id)
	if err != nil {
		return nil, err
	}
	in.Channel = row.Channel
	if _, err := m.check(&in); err != nil {
		return nil, err
	}
	if err := m.fill(row, &in.Definition); err != nil {
		return nil, err
	}
	if err := m.DB.SaveMirror(ctx, row); err != nil {
		return nil, err
	}
	return m.describe(ctx, row)
}

func (m *Mirrors) fill(row *db.Mirror, d *Definition) error {
	var err error
	row.Definition, err = json.Marshal(d)
	row.NextAt = next(d.Schedule, m.Now())
	return err
}

// next is when a schedule is due next; nil when it never is.
func next(schedule string, now time.Time) *time.Time {
	if schedule == "" {
		return nil
	}
	s, err := cron.ParseStandard(schedule)
	if err != nil {
		return nil
	}
	at := s.Next(now.UTC())
	if at.IsZero() {
		return nil
	}
	return &at
}

// Remove forgets a mirror. What it brought stays in the channel.
func (m *Mirrors) Remove(ctx context.Context, repository string, id int64) (*Mirror, error) {
	row, err := m.find(ctx, repository, id)
	if err != nil {
		return nil, err
	}
	if row, err = m.DB.DeleteMirror(ctx, row.ID); err != nil {
		return nil, err
	}
	return m.describe(ctx, row)
}

// Forget removes the mirrors of a repository that is gone.
func (m *Mirrors) Forget(ctx context.Context, repository string) error {
	return m.DB.DeleteMirrorsOf(ctx, repository)
}

// params are an operation's parameters.
type params struct {
	Mirror     int64  `json:"mirror"`
	Repository string `json:"repository"`
	Channel    string `json:"channel"`
}

// Run starts a mirror; ErrRuns when its last run has not ended.
func (m *Mirrors) Run(ctx context.Context, repository string, id int64, by string) (*db.Operation, error) {
	m.starting.Lock()
	defer m.starting.Unlock()
	row, err := m.find(ctx, repository, id)
	if err != nil {
		return nil, err
	}
	return m.start(ctx, row, by)
}

func (m *Mirrors) start(ctx context.Context, row *db.Mirror, by string) (*db.Operation, error) {
	if row.OperationID != nil {
		o, err := m.DB.Operation(ctx, *row.OperationID)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return nil, err
		}
		if err == nil && !o.State.Ended() {
			return o, ErrRuns
		}
	}
	name := row.Repository + "/" + row.Channel
	return m.Engine.Start(ctx, operation.Spec{
		Kind: KindMirror, Title: clip.Text("Mirror "+name, 255), CreatedBy: by, Parallel: 1,
		Params: params{row.ID, row.Repository, row.Channel},
		Tasks:  []operation.TaskSpec{{Name: name}},
		Also: func(ctx context.Context, tx *db.DB, o *db.Operation) error {
			row.OperationID = &o.ID
			return tx.SaveMirror(ctx, row)
		},
	})
}

// scheduled is who starts what is due; no person's name has a space.
const scheduled = "the schedule"

// RunDue starts the mirrors whose time has come. One that runs is left alone until its time comes again.
func (m *Mirrors) RunDue(ctx context.Context) error {
	m.starting.Lock()
	defer m.starting.Unlock()
	now := m.Now()
	due, err := m.DB.DueMirrors(ctx, now)
	if err != nil {
		return err
	}
	var failed error
	for i := range due {
		row := &due[i]
		var d Definition
		if err := json.Unmarshal(row.Definition, &d); err != nil {
			failed = errors.Join(failed, fmt.Errorf("cannot read mirror %d: %w", row.ID, err))
			continue
		}
		row.NextAt = next(d.Schedule, now)
		_, err := m.start(ctx, row, scheduled)
		if errors.Is(err, ErrRuns) {
			err = m.DB.SaveMirror(ctx, row)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// plainWord is what suites, components and architectures look like: they become parts of paths.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._+/-]{0,62}[A-Za-z0-9+])?$`)

// checkWords says which of several is no such word.
func checkWords(field string, all []string, most int) *FieldError {
	if len(all) > most {
		return &FieldError{field, field, fmt.Sprintf("there are more than %d", most)}
	}
	for _, word := range all {
		if !plainWord.MatchString(word) || strings.Contains(word, "..") {
			return &FieldError{field, field, fmt.Sprintf("%.40q cannot be one", word)}
		}
	}
	return nil
}
