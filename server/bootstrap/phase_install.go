package bootstrap

import (
	"context"
	"strconv"
	"time"
)

var installPhase = Phase{Name: "install", Title: "Install the agent", timeout: 10 * time.Minute, run: install}

// install installs the agent's package by the host's package manager, or its archive where there is none. The
// archive comes from the server itself, so the script has to know where that is.
func install(ctx context.Context, r *run) error {
	args := []string{"--server", r.Advertise, "--handshake", port(r.HandshakePort)}
	if !r.source.newest() {
		args = append(args, "--version", r.AgentVersion)
	}
	args = append(args, "--wait", r.packageWait())
	if r.source.URL == "" {
		args = append(args, r.from()...)
	}
	if r.EPEL {
		args = append(args, "--epel")
	}
	return r.script(ctx, nil, "install", args...)
}

// packageWait is how many seconds the script waits for a busy package manager.
func (r *run) packageWait() string { return strconv.Itoa(int(r.Limits.Package.Seconds())) }
