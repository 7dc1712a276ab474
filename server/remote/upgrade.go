package remote

import (
	"context"
	"encoding/hex"
	"fmt"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/fleet"
	"hostler/server/job"
)

// UpgradeRequest upgrades agents to the version that this server has.
type UpgradeRequest struct{ Common }

// UpgradeAgents starts to upgrade agents.
func (r *Remote) UpgradeAgents(ctx context.Context, in UpgradeRequest, actor string) (*db.Operation, error) {
	var wrong Invalid
	in.check(&wrong, DefaultUpgrade, job.DefaultTimeout(wire.ActionUpgradeAgent))
	if r.Version == "" {
		wrong.add("targets", CodeNoAgents, "this server was built without agents")
	}
	return r.begin(ctx, &wrong, plan{
		kind: KindUpgrade, title: "Upgrade agents to " + r.Version + " on", actor: actor, common: in.Common,
		params: Params{Action: wire.ActionUpgradeAgent, Subject: r.Version},
	})
}

// upgradeJob makes what one host gets: the agent for its architecture, with this server's word for it.
func (r *Remote) upgradeJob(ctx context.Context, h *fleet.Host, p Params) (*wire.Job, error) {
	if p.Subject != r.Version {
		return nil, fail(codeVersionGone, nil, "version", p.Subject, "have", r.Version)
	}
	if err := r.Published(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fail(codeUnpublished, err, "error", err.Error())
	}
	e, err := r.Executable(h.Arch)
	if err != nil {
		return nil, fail(codeNoAgent, err, "host", h.Name, "arch", h.Arch)
	}
	var digest [32]byte
	if n, err := hex.Decode(digest[:], []byte(e.Checksum)); err != nil || n != len(digest) {
		return nil, fmt.Errorf("cannot read the checksum of the agent for %s: %w", h.Arch, err)
	}
	signature, err := r.Sign(digest)
	if err != nil {
		return nil, err
	}
	return &wire.Job{
		Action: wire.ActionUpgradeAgent, URL: r.Repository + e.Path, Checksum: "SHA256:" + e.Checksum, Version: p.Subject,
		Signature: signature, Timeout: p.Timeout,
	}, nil
}
