package bootstrap

import (
	"context"
	"strings"
	"time"

	"hostler/server/fleet"
)

var registerPhase = Phase{Name: "register", Title: "Wait for the registration", timeout: 90 * time.Second, run: register}

// register waits until the agent that was given this task's token has registered.
func register(ctx context.Context, r *run) error {
	id := r.task.ID()
	h, err := r.await(ctx, r.Limits.Register, codeRegisterTimeout, func(h fleet.Host) bool {
		return h.TaskID != nil && *h.TaskID == id && h.RegisteredAt != nil
	})
	if err != nil {
		return err
	}
	r.task.SetHost(h.ID)
	r.task.Logf("registered as host %d from %s, agent %s", h.ID, h.Address, h.AgentVersion)
	r.task.SetNote(hostNote(h))
	return nil
}

// hostNote is system.note for a host that has told its facts.
func hostNote(h fleet.Host) string {
	var parts []string
	for _, part := range []string{shortOS(h.OSName), h.Arch} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if h.Facts != nil && h.Facts.Memory > 0 {
		parts = append(parts, memorySize(h.Facts.Memory))
	}
	return strings.Join(parts, " · ")
}

// await waits for a host. When that takes too long it shows what the agent says about it.
func (r *run) await(ctx context.Context, limit time.Duration, code string, want func(fleet.Host) bool) (fleet.Host, error) {
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	h, err := r.Await(waiting, want)
	switch {
	case err == nil:
		return h, nil
	case ctx.Err() != nil:
		return h, context.Cause(ctx)
	case waiting.Err() == nil:
		return h, err
	}
	r.showAgentLog(ctx)
	return h, fail(code, err, "seconds", seconds(limit), "server", r.Advertise,
		"handshake", port(r.HandshakePort), "secured", port(r.SecuredPort))
}

// agentLog prints the agent's last lines, from its log or, when it did not get that far, from the journal.
const agentLog = `tail -n 20 /var/log/hostler-agent/agent.log 2>/dev/null || ` +
	`journalctl --no-pager -n 20 -u hostler-agent 2>/dev/null || echo "the agent has written nothing"`

func (r *run) showAgentLog(ctx context.Context) {
	r.task.Logf("the agent's last lines are:")
	_, err := r.conn.command(ctx, command{
		as: r.root, argv: []string{"sh", "-c", agentLog},
		line: func(text string, _ bool) { r.task.Logf("  %s", strings.ToValidUTF8(r.redact(text), "\uFFFD")) },
	})
	if err != nil {
		r.task.Logf("  they cannot be read: %v", err)
	}
}
