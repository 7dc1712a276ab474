package upstream

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"hostler/repo/upstream/upstreamtest"
)

// TestComponents takes some of an upstream's components, several at once, each held against the one signed index.
func TestComponents(t *testing.T) {
	u := upstreamtest.New(t, Apt)
	for _, name := range []string{"free", "half", "closed"} {
		u.Add(upstreamtest.Package{Name: name, Version: "1", Arch: "amd64"})
	}
	u.Index()
	of := map[string]string{"free": "main", "half": "contrib", "closed": "non-free"}
	release := "Suite: stable\nComponents: main contrib non-free\nArchitectures: amd64\nSHA256:\n"
	for stanza := range strings.SplitSeq(strings.TrimSpace(string(u.Read("dists/stable/main/binary-amd64/Packages"))), "\n\n") {
		name, _, _ := strings.Cut(strings.TrimPrefix(stanza, "Package: "), "\n")
		list := of[name] + "/binary-amd64/Packages"
		u.Write("dists/stable/"+list, []byte(stanza+"\n"))
		release += fmt.Sprintf(" %x %d %s\n", sha256.Sum256([]byte(stanza+"\n")), len(stanza)+1, list)
	}
	u.Release([]byte(release))
	read := func(components ...string) (string, error) {
		r := reader(t, u, Apt)
		r.Source.Components = components
		ix, err := r.Read(t.Context())
		if err != nil {
			return "", err
		}
		return namesOf(ix.Packages), nil
	}
	for want, components := range map[string][]string{
		"free=1/amd64":                             {"main"},
		"free=1/amd64 half=1/amd64":                {"main", "contrib"},
		"closed=1/amd64 half=1/amd64":              {"contrib", "non-free"},
		"closed=1/amd64 free=1/amd64 half=1/amd64": nil,
	} {
		if got, err := read(components...); err != nil || got != want {
			t.Errorf("of %v there are %q, want %q (%v)", components, got, want, err)
		}
	}
	if _, err := read("main", "restricted"); !hasCode(err, CodeLacking) {
		t.Errorf("a component that is not there: %v", err)
	}
	list := "dists/stable/contrib/binary-amd64/Packages"
	u.Write(list, []byte(strings.Replace(string(u.Read(list)), "Version: 1", "Version: 2", 1)))
	if _, err := read("main", "contrib"); !hasCode(err, CodeChanged) {
		t.Errorf("a component that was tampered with: %v", err)
	}
	if got, err := read("main", "non-free"); err != nil || got != "closed=1/amd64 free=1/amd64" {
		t.Errorf("beside one that was tampered with there are %q (%v)", got, err)
	}
}
