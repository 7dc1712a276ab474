package rig

import (
	"context"
	"fmt"

	"hostler/e2e/lab"
)

// SSHOptions make a bare ssh ask for nothing and remember nothing.
func SSHOptions(l *lab.Lab) []string {
	return []string{
		"-i", l.Keys["ed25519"], "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
	}
}

// SSH runs a command on a host as root by a bare ssh.
func SSH(ctx context.Context, l *lab.Lab, host, command string) (string, error) {
	out, err := l.Command(ctx, "ssh", append(SSHOptions(l), "root@"+host, command)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ssh %s: %w\n%s", host, err, out)
	}
	return string(out), nil
}
