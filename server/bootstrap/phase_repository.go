package bootstrap

import (
	"context"
	"net"
	"time"

	"hostler/agent/wire"
)

var repositoryPhase = Phase{Name: "repository", Title: "Configure the package repository", timeout: 4 * time.Minute, run: repository}

// repository makes the host's package manager trust and use the server's package repository, or the mirror that was chosen.
func repository(ctx context.Context, r *run) error {
	if r.Published != nil && r.source.URL == "" {
		switch err := r.Published(ctx); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return fail(codePackageUnpublished, err, "error", plain(err))
		}
	}
	url := "https://" + net.JoinHostPort(r.Advertise, port(r.HandshakePort)) + wire.PathRepo
	args := append([]string{"--url", url, "--ca", r.files.path(caFile), "--key", r.files.path(keyFile), "--wait", r.packageWait()}, r.from()...)
	if r.source.Key != "" {
		args = append(args, "--mirror-key", r.files.path(mirrorFile))
	}
	return r.script(ctx, nil, "repository", args...)
}
