package fleet

import (
	"context"

	"hostler/agent/wire"
	"hostler/db"
)

// Forget removes a host with all that is of it alone. What its agent still says under the certificates that it has is refused,
// and so is not taken for a host that is new; revoke those first. One that is not there is no error.
func (f *Fleet) Forget(ctx context.Context, id int64) error {
	f.storing.Lock()
	defer f.storing.Unlock()
	if err := f.db.DeleteHost(ctx, id); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	e, known := f.byID[id]
	if !known {
		return nil
	}
	f.removed++
	f.gone[e.AgentSN] = f.opts.Now()
	delete(f.byID, id)
	delete(f.bySN, e.AgentSN)
	delete(f.dirty, id)
	delete(f.late, id)
	f.bus.Publish(topic(id), Change{ID: id, Name: e.Name, State: e.State, DraftID: e.DraftID})
	return nil
}

// forgotten reports whether a certificate is that of a host which was forgotten after it was signed.
func (f *Fleet) forgotten(cert *db.Certificate) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	at, gone := f.gone[cert.AgentSN]
	return gone && !cert.CreatedAt.After(at)
}

func errRemoved(name string) error {
	return &wire.Error{
		Code: "host_removed", Message: name + " was removed from this server",
		Hint: "run \"hostler-agent reset\" on the host; it then waits for somebody to approve it",
	}
}
