package remote

import (
	"context"
	"errors"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/repo"
	"hostler/server/operation"
)

// recall fills in what a request to install leaves out, from what was installed before, or else from the repository. It changes
// nothing when the request says where the package is, or when nothing is known: the checks complain then.
func (r *Remote) recall(ctx context.Context, in *ChildRequest, action string) error {
	if action != wire.ActionInstall && action != wire.ActionUpgrade || in.URL != "" || in.Checksum != "" {
		return nil
	}
	known, err := r.DB.ChildDefinition(ctx, in.Name, in.Version)
	if errors.Is(err, db.ErrNotFound) {
		r.take(in)
		return nil
	}
	if err != nil {
		return err
	}
	in.URL, in.Checksum, in.Version = known.URL, known.Checksum, known.Version
	if in.Definition == "" {
		in.Definition = known.Definition
	}
	return nil
}

// take fills in the repository's archive that is meant; nothing where it could be one of several.
func (r *Remote) take(in *ChildRequest) {
	var meant []repo.Offer
	for _, o := range r.Offers(in.Name) {
		if in.Version == "" || in.Version == o.Version {
			meant = append(meant, o)
		}
	}
	if len(meant) == 1 {
		in.URL, in.Checksum, in.Version = r.Repository+meant[0].Path(), "SHA256:"+meant[0].Digest, meant[0].Version
	}
}

// remember keeps what was installed on a host, once for each operation: what did not work on any host is not offered again.
func (r *Remote) remember(ctx context.Context, t *operation.Task) error {
	var p Params
	if err := t.OperationParams(&p); err != nil {
		return err
	}
	if p.Action != wire.ActionInstall && p.Action != wire.ActionUpgrade && p.Action != wire.ActionConfigure {
		return nil
	}
	if _, done := r.remembered.LoadOrStore(t.OperationID(), true); done {
		return nil
	}
	shared, err := r.DB.OperationJob(ctx, t.OperationID())
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = r.keep(ctx, &shared.Payload, t.CreatedBy())
	}
	if err != nil {
		r.remembered.Delete(t.OperationID())
	}
	return err
}

// keep stores the package and the definition of a job that was done.
func (r *Remote) keep(ctx context.Context, j *wire.Job, actor string) error {
	c := db.ChildDefinition{Name: j.Name, Version: j.Version, URL: j.URL, Checksum: j.Checksum, Definition: j.Definition, UsedBy: actor, UsedAt: db.Now()}
	if j.Action == wire.ActionConfigure {
		if j.Definition == "" || j.Version == "" {
			return nil
		}
		known, err := r.DB.ChildDefinition(ctx, j.Name, j.Version)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		c.URL, c.Checksum = known.URL, known.Checksum
	}
	return r.DB.RememberChildDefinition(ctx, &c)
}
