package report

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

// TestTheServersKeysReachPackageManagers lets the server tell of keys until the agent tells that it has them.
func TestTheServersKeysReachPackageManagers(t *testing.T) {
	f := newFixture(t)
	file := filepath.Join(f.host.Dir, "repository.gpg")
	if err := os.WriteFile(file, []byte("the old key"), 0o644); err != nil {
		t.Fatal(err)
	}
	told := make(chan []string, 100)
	var first []string
	f.OnStatus = func(s wire.StatusRequest) (wire.StatusReply, error) {
		told <- s.RepoKeys
		if first == nil {
			first = s.RepoKeys
		}
		if !slices.Equal(s.RepoKeys, first) {
			return wire.StatusReply{}, nil
		}
		return wire.StatusReply{RepoKeys: &wire.RepositoryKeys{Armored: "both, as text", Binary: []byte("both"), Fingerprints: []string{"1"}}}, nil
	}
	f.start()
	f.beat()
	agenttest.Eventually(t, "the keys on the disk", func() bool {
		text, err := os.ReadFile(file)
		return err == nil && string(text) == "both"
	})
	for before := <-told; ; {
		f.beat()
		if now := <-told; !slices.Equal(now, before) {
			return
		}
	}
}
