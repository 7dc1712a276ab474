package bootstrap

import (
	"context"
	"strconv"
	"time"
)

var checkPhase = Phase{Name: "check", Title: "Check the host", timeout: time.Minute, run: check}

// check finds out, before anything is changed on the host, whether it reaches the server and has a right
// clock and enough space.
func check(ctx context.Context, r *run) error {
	return r.fed(ctx, r.root, "", nil, "check", r.whereTo()...)
}

// whereTo tells the script where the server is.
func (r *run) whereTo() []string {
	return []string{"--server", r.Advertise, "--handshake", port(r.HandshakePort), "--secured", port(r.SecuredPort)}
}

func port(n int) string { return strconv.Itoa(n) }
