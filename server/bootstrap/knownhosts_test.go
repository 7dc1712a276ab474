package bootstrap

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"hostler/db"
)

func TestKnownHosts(t *testing.T) {
	_, key := login(t)
	_, other := login(t)
	const rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCzfFFKMN9QZD5aaxOr3AOZuuL0kUDmpQ4gQzGmNyDZqmDfKkGMHOxPbWpEjWCpmGmiZo7Q0vHdEyrsTkZbLSj0kX7ik3DFd6fJNcQ5cuHtWcEEXYm8cwJLlr1xm6cZ9yLGTnMBuTGhq1Wg4HjZJ0w3MgtVrUrdSzvzQ8lEZbVzCw=="
	mine, others := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(other)))
	known, err := ReadKnownHosts(strings.Join([]string{
		"# a comment", "", "same.test,10.0.0.9 " + mine, "differs.test " + others, "kind.test " + rsa,
		knownhosts.HashHostname("hashed.test") + " " + mine, "*.wild.test " + mine, "[port.test]:2222 " + mine,
	}, "\n"))
	must(t, err)
	for _, tt := range []struct {
		target, address string
		want            Comparison
	}{
		{"same.test:22", "", KeySame},
		{"differs.test:22", "10.0.0.9", KeyDiffers}, // the name goes before the address
		{"kind.test:22", "", KeyOther},
		{"hashed.test:22", "", KeySame},
		{"node1.wild.test:22", "", KeySame},
		{"port.test:2222", "", KeySame},
		{"port.test:22", "", KeyAbsent},
		{"nobody.test:22", "", KeyAbsent},
		{"nobody.test:22", "10.0.0.9", KeySame},
	} {
		row := db.SSHHostKey{Target: tt.target, Key: mine}
		if got := known.compare(row, tt.address); got != tt.want {
			t.Errorf("%s at %q is %q, want %q", tt.target, tt.address, got, tt.want)
		}
	}
	revoked, err := ReadKnownHosts("@revoked * " + mine)
	must(t, err)
	if got := revoked.compare(db.SSHHostKey{Target: "same.test:22", Key: mine}, ""); got != KeyRevoked {
		t.Errorf("a revoked key is %q", got)
	}
	if _, err := ReadKnownHosts("same.test " + mine + "\nsame.test x"); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Errorf("a bad line gives %v", err)
	}
}
