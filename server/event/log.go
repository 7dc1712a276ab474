package event

import (
	"context"
	"log/slog"

	"hostler/db"
	"hostler/internal/together"
)

// Kinds of events. The pages find their texts by them.
const (
	HostEnrolled         = "host.enrolled"
	HostRegistered       = "host.registered"
	HostLost             = "host.lost"
	HostBack             = "host.back"
	HostCloned           = "host.cloned"
	HostTwin             = "host.twin"
	HostIdentityRefused  = "host.identity_refused"
	HostKeyForgotten     = "host.key_forgotten"
	EnrolRefused         = "enrol.refused"
	EnrolWaiting         = "enrol.waiting"
	EnrolSigned          = "enrol.signed"
	EnrolDenied          = "enrol.denied"
	CertificatePresigned = "certificate.presigned"
	EnrolDecided         = "enrol.decided"
	EnrolQueueOpened     = "enrol.queue_opened"
	EnrolQueueClosed     = "enrol.queue_closed"
	HostNamesake         = "host.namesake"
	SignRuleCreated      = "enrol.rule_created"
	SignRuleRemoved      = "enrol.rule_removed"
	AdmissionMade        = "enrol.token_created"
	AdmissionEnded       = "enrol.token_ended"
	CertificateRevoked   = "certificate.revoked"
	// CertificateRenewalAsked is of a person who does not want to wait until the agent renews by itself.
	CertificateRenewalAsked = "certificate.renewal_asked"
	AuthorityMoved          = "authority.moved"
	RepositoryKeyMoved      = "repository.key_moved"
	OperationStarted        = "operation.started"
	OperationFinished       = "operation.finished"
	OperationCanceled       = "operation.canceled"
	OperationRetried        = "operation.retried"
	UserCreated             = "user.created"
	UserLogin               = "user.login"
	UserLoginFailed         = "user.login_failed"
	UserPassword            = "user.password"
	UserRole                = "user.role"
	UserLimited             = "user.limited"
	UserDisabled            = "user.disabled"
	UserEnabled             = "user.enabled"
	UserRemoved             = "user.removed"
	UserSecondFactor        = "user.second_factor"
	UserSecondFactorRemoved = "user.second_factor_removed"
	UserRecoveryCode        = "user.recovery_code"
	SecondFactorRequired    = "user.second_factor_required"
	TokenCreated            = "token.created"
	TokenEnded              = "token.ended"
	JobFinished             = "job.finished"
	ServerStarted           = "server.started"
	RepositoryCreated       = "repository.created"
	RepositoryRemoved       = "repository.removed"
	PackagesAdded           = "repository.packages_added"
	PackagesDropped         = "repository.packages_dropped"
	// PackageRefused is of a file in the watched folder, whose owner sees no answer.
	PackageRefused      = "repository.package_refused"
	WatchedFolderFailed = "repository.watched_folder_failed"
	RepositoryImported  = "repository.imported"
	MirrorCreated       = "repository.mirror_created"
	MirrorChanged       = "repository.mirror_changed"
	MirrorRemoved       = "repository.mirror_removed"
	RepositoryPromoted  = "repository.promoted"
	// RepositoryRolledBack is of a channel, as RepositoryPromoted is.
	RepositoryRolledBack = "repository.rolled_back"
)

// Kinds of events that agents tell of: those of package wire. Agents that are newer may know more.
const (
	ChildExited       = "child.exited"
	ChildFatal        = "child.fatal"
	ChildKilled       = "child.killed"
	ChildLimitsPolled = "child.limits_polled"
	ConfigRefused     = "config.refused"
	DiskFull          = "disk.full"
	DiskFreed         = "disk.freed"
	ClockJumped       = "clock.jumped"
	AgentUpgraded     = "agent.upgraded"
	AgentRolledBack   = "agent.rolled_back"
	EventsDropped     = "events.dropped"
)

// Topic is where stored events are published.
const Topic = "event"

// Log keeps events in the database and publishes them.
type Log struct {
	db  *db.DB
	bus *Bus
	log *slog.Logger

	rows *together.Group[*db.Event]
}

// NewLog returns an event log.
func NewLog(d *db.DB, bus *Bus, log *slog.Logger) *Log {
	l := &Log{db: d, bus: bus, log: log}
	l.rows = together.New(l.create)
	return l
}

// Record stores and publishes an event; Time and Severity have defaults. An event that cannot be stored goes
// to the program's log instead, because what it tells of has happened all the same.
func (l *Log) Record(ctx context.Context, e db.Event) { l.RecordAll(ctx, []db.Event{e}) }

// RecordAll is Record for events that belong together: it stores them in one transaction, with those of others that come at
// once.
func (l *Log) RecordAll(ctx context.Context, es []db.Event) {
	if len(es) == 0 {
		return
	}
	for i := range es {
		if es[i].Time.IsZero() {
			es[i].Time = db.Now()
		}
		if es[i].Severity == "" {
			es[i].Severity = db.SeverityInfo
		}
	}
	rows := make([]*db.Event, len(es))
	for i := range es {
		rows[i] = &es[i]
	}
	if err := l.rows.Do(ctx, rows...); err != nil {
		for _, e := range es {
			l.log.Error("cannot store an event", "kind", e.Kind, "params", e.Params, "err", err)
		}
	}
	for _, e := range es {
		l.bus.Publish(Topic, e)
	}
}

// create stores events and sets their ids.
func (l *Log) create(ctx context.Context, es []*db.Event) error {
	rows := make([]db.Event, len(es))
	for i, e := range es {
		rows[i] = *e
	}
	err := l.db.CreateEvents(ctx, rows)
	for i, e := range es {
		*e = rows[i]
	}
	return err
}
