package web

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"hostler/agent/wire"
)

// TestPackagesAreForHostsThatReport is for servers that give anonymous hosts nothing.
func TestPackagesAreForHostsThatReport(t *testing.T) {
	s := newServer(t)
	var ahead atomic.Int64
	now := s.web.Options.Now
	s.web.Options.Now = func() time.Time { return now().Add(time.Duration(ahead.Load())) }
	s.web.Options.AnonymousHosts = false
	s.addPackage("tools", "tool-1.0.tar.gz")
	ask := func(path string) int {
		t.Helper()
		return send(t, s.hostClient(nil), http.MethodGet, s.handshake.URL+wire.PathRepo+path, nil, nil).status
	}
	const file = "tools/stable/tool-1.0.tar.gz"
	for path, want := range map[string]int{
		file: http.StatusForbidden, "tools/stable/SHA256SUMS": http.StatusForbidden, "tools/files/00/x": http.StatusForbidden, "none/x": http.StatusForbidden,
		"key.asc": http.StatusOK, "static/SHA256SUMS": http.StatusServiceUnavailable, // no agent is published in this server
	} {
		if got := ask(path); got != want {
			t.Errorf("an anonymous host asks for %s: %d, want %d", path, got, want)
		}
	}
	s.register("node1.lab.test")
	ahead.Store(int64(2 * reportersAge))
	if got := ask(file); got != http.StatusOK {
		t.Errorf("a host that reports: %d", got)
	}
}
