package bootstrap

import (
	"bytes"
	"context"
)

// Hundreds of hosts are checked at a time, and each costs what it starts: a session, a shell, a script that has to be sent
// and read. So a check asks a host once for what a bootstrap asks in two phases, with as much of the script as that takes.
var (
	lookPhase  = Phase{Name: detectPhase.Name, Title: detectPhase.Title, timeout: detectPhase.timeout + checkPhase.timeout, run: look}
	judgePhase = Phase{Name: checkPhase.Name, Title: checkPhase.Title, timeout: checkPhase.timeout, run: judgeFit}
)

// look is detect and check in one. What it finds wrong with the host's fitness is told by the phase after it.
func look(ctx context.Context, r *run) error {
	r.system = system{}
	err := r.feed(ctx, privilege{}, r.look, tellUser, r.system.learn, "look", r.whereTo()...)
	if _, told := r.system[lastSystemKey]; err != nil && !told {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.unfit = err
	return r.use(ctx)
}

func judgeFit(_ context.Context, r *run) error { return r.unfit }

// Lines of the setup script around what changes a host.
const (
	changesBegin = "# --- changing a host"
	changesEnd   = "# --- the command line"
)

// looking is the setup script without what changes a host; another script than ours is left as it is.
func looking(script []byte) []byte {
	from, to := bytes.Index(script, []byte("\n"+changesBegin)), bytes.Index(script, []byte("\n"+changesEnd))
	if from < 0 || to < from {
		return script
	}
	return append(bytes.Clone(script[:from]), script[to:]...)
}
