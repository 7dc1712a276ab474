package bootstrap

import (
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
	r.task.Logf("connecting to %s as %s", t, c.User)
	if r.conn, err = r.dial(ctx, t, c, r.task.Logf); err != nil {
		return err
	}
	r.conn.redact = r.redact
	return nil
}

func (r *run) target(c *Credentials) (target, error) {
	var p TaskParams
	if err := r.task.Params(&p); err != nil {
		return target{}, err
	}
	t := target{name: r.task.Name(), address: p.Address, port: p.Port}
	if t.address == "" {
		t.address = t.name
	}
	if t.port == 0 {
		t.port = c.Port
	}
	return t, nil
}

var _ operation.Secrets = (*Credentials)(nil)
