package bootstrap

import (
	"context"
	"time"

	"hostler/server/trust"
)

// A later run configures again: the token of the earlier one may be used up or too old.
var configurePhase = Phase{Name: "configure", Title: "Configure the agent", timeout: time.Minute, repeat: true, run: configure}

// tokenLifetime leaves time for an agent that has to wait for the network.
const tokenLifetime = time.Hour

// configure writes agent.ini with a token that admits this host once. The token goes over standard input.
func configure(ctx context.Context, r *run) error {
	var p Params
	if err := r.task.OperationParams(&p); err != nil {
		return err
	}
	var host TaskParams
	if err := r.task.Params(&host); err != nil {
		return err
	}
	id := r.task.ID()
	token, err := r.MintToken(ctx, trust.TokenSpec{
		Hostname: r.task.Name(), Cluster: r.task.Cluster(), TaskID: &id, DraftID: p.DraftID, Uses: 1, Lifetime: tokenLifetime,
		Tags: host.Labels.String(),
	})
	if err != nil {
		return err
	}
	r.token = token
	_, pin := r.Authority()
	return r.script(ctx, []byte(token+"\n"), "configure", "--server", r.Advertise, "--handshake", port(r.HandshakePort),
		"--secured", port(r.SecuredPort), "--ca-pin", pin, "--hostname", r.task.Name())
}
