package hosts

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hostler/e2e/lab"
)

// TestAllInOne has a server and its only host on one machine: what was copied there is one file.
func TestAllInOne(t *testing.T) {
	if err := lab.Check(); err != nil {
		t.Skip(err)
	}
	labs++
	l, err := lab.Start(t.Context(), lab.Options{Count: 1, Name: fmt.Sprintf("hosts-%d-%d", os.Getpid(), labs)})
	must(t, err)
	t.Cleanup(func() { must(t, l.Stop(context.Background())) })
	host := l.Hosts[0]
	copyInto(t, built(t, "bin/hostler"), filepath.Join(host.Root(), "usr/local/bin/hostler"))
	sh := func(script string) string {
		t.Helper()
		out, err := host.Exec(t.Context(), "sh", "-euc", script)
		must(t, err)
		return out
	}
	sh(`systemd-run --quiet --unit=hostler hostler serve --data /var/lib/hostler --listen 127.0.0.1:8080 --advertise ` + host.Name + `
curl -fsS --retry 60 --retry-all-errors --retry-delay 1 http://127.0.0.1:8080/readyz >/dev/null 2>&1
umask 077 && mkdir -p /run/hostler && hostler token create ci --data /var/lib/hostler >/run/hostler/token`)
	const install = `export HOSTLER_TOKEN=$(cat /run/hostler/token); hostler install --all-in-one 2>/run/hostler/said || { cat /run/hostler/said >&2; exit 1; }`
	if out := sh(install); !strings.Contains(out, host.Name+"  done") {
		t.Errorf("the table is\n%s", out)
	}
	if out := sh(`systemctl is-active hostler-agent; ls -d /tmp/hostler-install-* 2>/dev/null || :`); out != "active\n" {
		t.Errorf("the agent is, and left are\n%s", out)
	}
	// Once more nothing is done.
	before := sh(`systemctl show --property=MainPID hostler-agent`)
	if out := sh(install); !strings.Contains(out, host.Name+"  managed") {
		t.Errorf("the second time the table is\n%s", out)
	}
	if after := sh(`systemctl show --property=MainPID hostler-agent`); after != before {
		t.Errorf("the agent was %s and is %s", before, after)
	}
	if out := sh(`HOSTLER_TOKEN=$(cat /run/hostler/token) hostler enrol-tokens list | wc -l`); strings.TrimSpace(out) != "2" {
		t.Errorf("there are more tokens than the one that was used: %s lines", out)
	}
}

// copyInto copies a program to a place on a host.
func copyInto(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	must(t, err)
	defer func() { _ = in.Close() }() // only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	must(t, err)
	_, err = io.Copy(out, in)
	must(t, err)
	must(t, out.Close())
}
