package bootstrap

import (
	"cmp"
	"context"
	"time"

	"hostler/server/operation"
)

var connectPhase = Phase{Name: "connect", Title: "Connect", timeout: time.Minute, repeat: true, run: connect}

// connect logs in and holds the host's key against what is known of it.
func connect(ctx context.Context, r *run) error {
	if r.AgentVersion == "" {
		return fail(codeAgentMissing, nil)
	}
	c, err := r.credentials()
	if err != nil {
		return err
	}
	t, err := r.target(c)
	if err != nil {
		return err
	}
	r.task.Logf("connecting to %s as %s", t, t.user)
	t.looking = r.found != nil
	if j := r.jumpOf(c); j != nil {
		r.task.Logf("through the jump host %s", j.Address)
		if t.via, err = r.through(ctx, j); err != nil {
			return err
		}
		r.jump = j
		if err := r.noteJump(t.via); err != nil {
			return err
		}
	}
	if r.conn, err = r.dial(ctx, t, c, r.task.Logf); err != nil {
		return err
	}
	r.conn.redact = r.redact
	return r.noteKey()
}

func (r *run) target(c *Credentials) (target, error) {
	var p TaskParams
	if err := r.task.Params(&p); err != nil {
		return target{}, err
	}
	name := r.task.Name()
	return target{name: name, address: cmp.Or(p.Address, name), port: cmp.Or(p.Port, c.Port), user: cmp.Or(p.User, c.User)}, nil
}

var _ operation.Secrets = (*Credentials)(nil)
