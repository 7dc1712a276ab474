package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/fleet"
	"hostler/server/job"
	"hostler/server/operation"
)

// maxNames bounds how many hosts' names each host resolves. A job with so many is well below job.MaxBytes.
const maxNames = 2000

// CheckRequest looks hosts over.
type CheckRequest struct {
	Common
	// NoNames leaves out that each host resolves the names of all others.
	NoNames bool `json:"no_names,omitempty"`
}

// Check starts to look hosts over. Each host gets the same list of names once, and tells only what is wrong with it.
func (r *Remote) Check(ctx context.Context, in CheckRequest, actor string) (*db.Operation, error) {
	var wrong Invalid
	in.check(&wrong, DefaultPar, job.DefaultTimeout(wire.ActionCheck))
	work := &wire.Job{Action: wire.ActionCheck, Check: &wire.Check{}}
	if !in.NoNames {
		hosts, err := in.Targets.Resolve(ctx, r.Fleet)
		if err := wrong.merge(err); err != nil {
			return nil, err
		}
		if err := wrong.err(); err != nil {
			return nil, err
		}
		work.Check.Names = r.namesToResolve(ctx, hosts)
	}
	return r.begin(ctx, &wrong, plan{kind: KindCheck, title: "Check the state of", actor: actor, common: in.Common, job: work, params: Params{Action: work.Action}})
}

// namesToResolve are the hosts of the clusters that some hosts are in; where those are too many, these hosts themselves.
func (r *Remote) namesToResolve(ctx context.Context, hosts []db.Host) []wire.CheckName {
	clusters := map[string]bool{}
	for i := range hosts {
		clusters[hosts[i].Cluster] = true
	}
	all := hosts
	if same := r.Fleet.Find(ctx, fleet.Filter{}); len(same) <= maxNames {
		all = same
	}
	seen := map[string]bool{}
	var names []wire.CheckName
	for i := range all {
		h := &all[i]
		if !clusters[h.Cluster] || seen[h.Name] || len(names) == maxNames {
			continue
		}
		seen[h.Name] = true
		names = append(names, wire.CheckName{Name: h.Name, Address: h.Address})
	}
	return names
}

// maxFindings bounds what a host may tell, in bytes.
const maxFindings = 64 << 10

// keepFindings stores what a check found. Its job's output is that.
func (r *Remote) keepFindings(ctx context.Context, t *operation.Task, j *db.Job) error {
	pieces, _, err := r.DB.ReadOutput(ctx, j.ID, wire.Stdout, 0, maxFindings)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, p := range pieces {
		text.Write(p.Body)
	}
	c := db.HostCheck{HostID: j.HostID, OperationID: t.OperationID(), JobID: j.ID, CheckedAt: db.Now(), Findings: &wire.Findings{}}
	if j.FinishedAt != nil {
		c.CheckedAt = *j.FinishedAt
	}
	if err := json.Unmarshal(text.Bytes(), c.Findings); err != nil {
		return fail(codeUnreadable, fmt.Errorf("cannot read what was found: %w", err), "host", t.Name())
	}
	return r.DB.KeepHostCheck(ctx, &c)
}
