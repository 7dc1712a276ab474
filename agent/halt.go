package main

import (
	"context"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"hostler/agent/supervise"
)

const (
	// haltMost bounds how long child agents may take to end when the host shuts down. The service unit's TimeoutStopSec
	// is a little more.
	haltMost = 110 * time.Second
	// askMost bounds the question whether the host shuts down.
	askMost = 2 * time.Second
)

// halt ends the child agents if the agent is being stopped because the host shuts down. In any other case they go on.
func halt(children *supervise.Supervisor, log *slog.Logger) {
	if !shuttingDown() {
		return
	}
	log.Info("the host shuts down; child agents are stopped")
	ctx, cancel := context.WithTimeout(context.Background(), haltMost)
	defer cancel()
	if err := children.Halt(ctx); err != nil {
		log.Error("not all child agents have ended; the system ends them", "error", err)
	}
}

// shuttingDown asks the init system: systemd's manager says "stopping" as soon as a shutdown has begun, and where there is
// none the runlevel is 0 or 6.
func shuttingDown() bool {
	ctx, cancel := context.WithTimeout(context.Background(), askMost)
	defer cancel()
	// It ends with another status than 0 for every state but "running".
	if out, _ := exec.CommandContext(ctx, "systemctl", "is-system-running").Output(); len(out) > 0 {
		return strings.TrimSpace(string(out)) == "stopping"
	}
	out, err := exec.CommandContext(ctx, "runlevel").Output()
	level := strings.Fields(string(out))
	return err == nil && len(level) == 2 && (level[1] == "0" || level[1] == "6")
}
