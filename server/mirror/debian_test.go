//go:build internet

package mirror_test

import (
	"cmp"
	"os"
	"os/exec"
	"strings"
	"testing"

	"hostler/repo"
	"hostler/repo/upstream"
	"hostler/server/mirror"
)

// TestDebianItself mirrors one package of the real archive, or of the copy of it that HOSTLER_TEST_DEBIAN names.
func TestDebianItself(t *testing.T) {
	archive := cmp.Or(os.Getenv("HOSTLER_TEST_DEBIAN"), "http://deb.debian.org/debian")
	keys, err := exec.CommandContext(t.Context(), "gpg", "--no-default-keyring", "--keyring", "/usr/share/keyrings/debian-archive-keyring.gpg", "--armor", "--export").Output()
	if err != nil {
		t.Fatalf("cannot read Debian's keys (package debian-archive-keyring): %v", err)
	}
	r := newRig(t)
	r.must(r.store.Create(repo.Definition{Name: "copy", Kind: repo.Apt, Architectures: []string{"amd64"}, By: "alice"}, []string{"upstream"}))
	m, err := r.mirrors.Create(t.Context(), mirror.Request{Repository: "copy", Definition: mirror.Definition{
		Source: upstream.Source{URL: archive, Suite: "bookworm", Components: []string{"main"}, Keys: string(keys)},
		Filter: upstream.Filter{Packages: []string{"curl"}, Newest: 1},
	}}, "alice")
	r.must(err)
	task := r.run(m)
	r.wantDone(task)
	t.Log(task.Note, r.has("upstream"))
	if got := r.has("upstream"); !strings.Contains(got, "libc6=") || !strings.Contains(got, "libcurl4=") {
		t.Errorf("the channel has %s", got)
	}
}
