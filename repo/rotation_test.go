package repo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hostler/agent/wire"
)

// noneBehind is for changes of keys that no host is behind of.
func noneBehind(string) int { return 0 }

func mustAdvance(t *testing.T, s *Store, from KeyStage) KeyRotation {
	t.Helper()
	r, err := s.AdvanceKey(t.Context(), from, noneBehind, false)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustRefresh(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// keyHost is a host with the key files of one moment: what apt, rpm and dnf read.
type keyHost struct {
	binary, armored, rpms string
}

func newKeyHost(t *testing.T, s *Store) *keyHost {
	t.Helper()
	dir := t.TempDir()
	h := &keyHost{filepath.Join(dir, "repository.gpg"), filepath.Join(dir, "repository.asc"), filepath.Join(dir, "rpmdb")}
	mustWrite(t, h.binary, get(t, s, "key.gpg").Body.String())
	mustWrite(t, h.armored, get(t, s, "key.asc").Body.String())
	if out, err := exec.CommandContext(t.Context(), "rpmkeys", "--dbpath", h.rpms, "--import", h.armored).CombinedOutput(); err != nil {
		t.Fatalf("rpmkeys --import: %v\n%s", err, out)
	}
	return h
}

// gpgvAccepts is what apt does with an index.
func (h *keyHost) gpgvAccepts(t *testing.T, s *Store) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "InRelease")
	mustWrite(t, file, get(t, s, "debs/dists/stable/InRelease").Body.String())
	if out, err := exec.CommandContext(t.Context(), "gpgv", "--homedir", t.TempDir(), "--keyring", h.binary, file).CombinedOutput(); err != nil {
		return fmt.Errorf("gpgv: %w\n%s", err, out)
	}
	return nil
}

// aptAccepts lets a real apt read the repository.
func (h *keyHost) aptAccepts(t *testing.T, s *Store) error {
	t.Helper()
	f := newFront(t, s)
	apt, dir := aptRoot(t, f)
	mustWrite(t, filepath.Join(dir, "etc/apt/sources.list.d/hostler.sources"), fmt.Sprintf(
		"Types: deb\nURIs: %s/repo/debs\nSuites: stable\nComponents: main\nSigned-By: %s\n", f.URL, h.binary))
	if out, err := apt("update"); err != nil || strings.Contains(out, "W:") {
		return fmt.Errorf("apt-get update: %w\n%s", err, out)
	}
	return nil
}

// rpmAccepts checks what the channel has by the keys that rpm has imported.
func (h *keyHost) rpmAccepts(t *testing.T, s *Store) error {
	t.Helper()
	c, err := s.Channel("rpms", "")
	if err != nil {
		t.Fatal(err)
	}
	packages, err := s.Contents("rpms", c.Snapshot)
	if err != nil || len(packages) == 0 {
		t.Fatalf("there is %v: %v", packages, err)
	}
	for _, p := range packages {
		file := filepath.Join(t.TempDir(), p.File)
		mustWrite(t, file, get(t, s, "rpms/"+p.Path()).Body.String())
		out, err := exec.CommandContext(t.Context(), "rpmkeys", "--dbpath", h.rpms, "--checksig", "-v", file).CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("OK")) || bytes.Contains(out, []byte("NOKEY")) {
			return fmt.Errorf("rpmkeys --checksig: %w\n%s", err, out)
		}
	}
	return nil
}

// dnfAccepts lets a real dnf, which has imported nothing yet, install from the channel.
func (h *keyHost) dnfAccepts(t *testing.T, s *Store) error {
	t.Helper()
	f := newFront(t, s)
	dnf, dir := dnfRoot(t, f)
	mustWrite(t, filepath.Join(dir, "repos/hostler.repo"), fmt.Sprintf(
		"[rpms]\nname=Rpms\nbaseurl=%s/repo/rpms\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://%s\nsslcacert=%s\nretries=1\n", f.URL, h.armored, f.ca))
	if out, err := dnf("install", "tool"); err != nil {
		return fmt.Errorf("dnf install: %w\n%s", err, out)
	}
	return nil
}

// TestClientsThroughAChangeOfTheKey goes through the stages, back and on again, with real clients: hosts with the old key alone,
// with both, and with the new one alone.
func TestClientsThroughAChangeOfTheKey(t *testing.T) {
	needTool(t, "gpgv", "apt-get", "rpmkeys", "dnf")
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "debs", Apt)
	mustCreate(t, s, "rpms", Yum)
	mustAdd(t, s, "debs", "", sample{name: "tool", version: "1.0", arch: "amd64"})
	mustAdd(t, s, "rpms", "", sample{name: "tool", version: "1.0", arch: "x86_64"})
	accept := func(when string, hosts map[string]*keyHost, yes ...string) {
		t.Helper()
		for name, h := range hosts {
			want := slices.Contains(yes, name)
			for client, check := range map[string]func(*testing.T, *Store) error{"gpgv": h.gpgvAccepts, "rpm": h.rpmAccepts} {
				if err := check(t, s); (err == nil) != want {
					t.Errorf("%s, %s with %s: accepted is not %v: %v", when, client, name, want, err)
				}
			}
		}
	}
	hosts := map[string]*keyHost{"the old key": newKeyHost(t, s)}
	first := s.KeyFingerprint()
	accept("with one key", hosts, "the old key")

	r := mustAdvance(t, s, KeyNone)
	if r.Stage != KeyStandby || r.New == nil || r.New.Fingerprint == first || !r.Old.Signs || !strings.HasPrefix(r.New.Name, "Hostler repository ") {
		t.Fatalf("there is %+v", r)
	}
	if !bytes.Equal(get(t, s, "key.gpg").Body.Bytes(), mustRead(t, hosts["the old key"].binary)) {
		t.Error("the new key is told before it is to be trusted")
	}
	mustAdvance(t, s, KeyStandby)
	hosts["both keys"] = newKeyHost(t, s)
	accept("while both are trusted", hosts, "the old key", "both keys")

	var behind *KeyBehindError
	if _, err := s.AdvanceKey(t.Context(), KeyTrusted, func(short string) int {
		if !strings.HasPrefix(r.New.Fingerprint, short) {
			t.Errorf("it asks who has %s", short)
		}
		return 1
	}, false); !errors.As(err, &behind) || behind.Hosts != 1 {
		t.Errorf("it goes on although a host is behind: %v", err)
	}
	var elsewhere *KeyStageError
	if _, err := s.AdvanceKey(t.Context(), KeyStandby, noneBehind, true); !errors.As(err, &elsewhere) || elsewhere.Is != KeyTrusted {
		t.Errorf("it goes on from another stage: %v", err)
	}
	if r = mustAdvance(t, s, KeyTrusted); r.Stale != r.Channels || r.Channels != 2 || !r.New.Signs {
		t.Errorf("there is %+v", r)
	}
	accept("before anything is published anew", hosts, "the old key", "both keys")
	var stale *StaleError
	if _, err := s.AdvanceKey(t.Context(), KeySigning, noneBehind, true); !errors.As(err, &stale) || stale.Channels != 2 {
		t.Errorf("the old key is dropped although channels need it: %v", err)
	}
	mustRefresh(t, s)
	accept("when the new one signs", hosts, "both keys")

	// The way back, as far as it leads, and on again.
	if _, err := s.TakeBackKey(KeySigning); err != nil {
		t.Fatal(err)
	}
	if _, err := s.TakeBackKey(KeyTrusted); !errors.As(err, &stale) {
		t.Errorf("the new key is taken from hosts although channels need it: %v", err)
	}
	accept("on the way back", hosts, "both keys")
	mustRefresh(t, s)
	accept("when the old one signs again", hosts, "the old key", "both keys")
	mustAdvance(t, s, KeyTrusted)
	mustRefresh(t, s)
	if err := hosts["both keys"].aptAccepts(t, s); err != nil {
		t.Error(err)
	}
	if err := hosts["both keys"].dnfAccepts(t, s); err != nil {
		t.Error(err)
	}
	if err := hosts["the old key"].aptAccepts(t, s); err == nil {
		t.Error("apt takes what a key has signed that it does not know")
	}

	if r = mustAdvance(t, s, KeySigning); r.Stage != KeyNone || r.New != nil || r.Old.Fingerprint == first || r.Stale != 0 {
		t.Errorf("there is %+v", r)
	}
	hosts["the new key"] = newKeyHost(t, s)
	accept("when the old one is dropped", hosts, "both keys", "the new key")
	mustAdd(t, s, "rpms", "", sample{name: "tool", version: "1.1", arch: "x86_64"})
	s = mustOpenOwn(t, dir)
	if s.KeyFingerprint() != r.Old.Fingerprint {
		t.Error("the next start has another key")
	}
	accept("after a start", hosts, "both keys", "the new key")
	if err := hosts["the new key"].aptAccepts(t, s); err != nil {
		t.Error(err)
	}
	if err := hosts["the new key"].dnfAccepts(t, s); err != nil {
		t.Error(err)
	}
	checkTidy(t, dir)
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestTheStageOfTheKeysOutlivesAStart ends the server at every point of a change.
func TestTheStageOfTheKeysOutlivesAStart(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	old := s.KeyFingerprint()
	mustWrite(t, filepath.Join(dir, "keys", "next.asc"), "cut off") // by a server that was killed while it made one
	fresh := mustAdvance(t, s, KeyNone).New.Fingerprint
	is := func(when string, stage KeyStage, signs string) {
		t.Helper()
		s = mustOpenOwn(t, dir)
		if r := s.KeyRotation(); r.Stage != stage || s.KeyFingerprint() != signs || (r.New == nil) != (stage == KeyNone) {
			t.Errorf("%s there is %+v, and %s signs", when, r, s.KeyFingerprint())
		}
	}
	is("on standby", KeyStandby, old)
	mustAdvance(t, s, KeyStandby)
	is("while both are trusted", KeyTrusted, old)
	mustAdvance(t, s, KeyTrusted)
	is("when the new one signs", KeySigning, fresh)
	if _, err := s.TakeBackKey(KeySigning); err != nil {
		t.Fatal(err)
	}
	is("on the way back", KeyTrusted, old)
	if _, err := s.TakeBackKey(KeyTrusted); err != nil {
		t.Fatal(err)
	}
	is("nearly back", KeyStandby, old)
	if _, err := s.TakeBackKey(KeyStandby); err != nil {
		t.Fatal(err)
	}
	is("back", KeyNone, old)
	if _, err := os.Stat(filepath.Join(dir, "keys", "next.asc")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the discarded key is still there: %v", err)
	}

	fresh = mustAdvance(t, s, KeyNone).New.Fingerprint
	mustWrite(t, filepath.Join(dir, "keys", "rotation"), "dropping\n") // killed before the files were changed
	is("while the old one is dropped", KeyNone, fresh)
	mustWrite(t, filepath.Join(dir, "keys", "rotation"), "dropping\n") // killed right after that
	is("once it is dropped", KeyNone, fresh)
	mustWrite(t, filepath.Join(dir, "keys", "rotation"), "resting\n")
	if _, err := Open(dir, s.log); err == nil || !strings.Contains(err.Error(), "newer hostler") {
		t.Errorf("a stage that nobody knows: %v", err)
	}
}

// TestAnUploadFollowsTheKey changes the key between the arrival of a file and its publication.
func TestAnUploadFollowsTheKey(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustCreate(t, s, "rpms", Yum)
	mustAdvance(t, s, KeyNone)
	mustAdvance(t, s, KeyStandby)
	content := sample{name: "tool", version: "1.0", arch: "noarch"}.build(t, Yum)
	got, err := s.Receive(t.Context(), "rpms", Upload{Name: "tool.rpm", Content: bytes.NewReader(content), By: "tester"})
	if err != nil || got.Refused != "" {
		t.Fatal(err, got)
	}
	mustAdvance(t, s, KeyTrusted)
	mustRefresh(t, s)
	result, err := s.Commit(t.Context(), "rpms", "", []*Received{got}, "tester")
	if err != nil {
		t.Fatal(err)
	}
	if p := result.Files[0].Package; p.Key != s.KeyFingerprint() {
		t.Errorf("it is signed by %s, and %s signs", p.Key, s.KeyFingerprint())
	}
	if r := s.KeyRotation(); r.Stale != 0 {
		t.Errorf("there is %+v", r)
	}
}

func TestWhatHostsAreToldOfKeys(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	files := func() (armored, binary string) {
		k := s.keys.Load().told
		return shortDigest(k.armored), shortDigest(k.binary)
	}
	asc, gpg := files()
	old := s.KeyRotation().Old.Short
	check := func(when string, told []string, tells bool, trusts ...string) {
		t.Helper()
		keys, got := s.AdviseKeys(told)
		if (keys != nil) != tells || !slices.Equal(got, trusts) {
			t.Errorf("%s it tells %+v and takes the host for one that trusts %v, want %v", when, keys, got, trusts)
		}
		if keys != nil && (keys.Armored != get(t, s, "key.asc").Body.String() || !bytes.Equal(keys.Binary, get(t, s, "key.gpg").Body.Bytes()) ||
			!strings.HasPrefix(keys.Fingerprints[0], s.KeyFingerprint())) {
			t.Errorf("%s it tells other keys than it serves", when)
		}
	}
	mustCreate(t, s, "debs", Apt) // the key is served when there is something that it vouches for
	check("of an old agent", nil, false)
	check("without a package manager", []string{wire.NoKeyFile}, false, NeedsNoKey)
	check("of apt", []string{gpg}, false, old)
	check("of dnf", []string{asc}, false, old)
	check("of both", []string{asc, gpg}, false, old)
	check("of a stranger's", []string{"0123456789abcdef"}, true)

	mustAdvance(t, s, KeyNone)
	check("on standby", []string{gpg}, false, old)
	fresh := mustAdvance(t, s, KeyStandby).New.Short
	check("before it knows", []string{gpg}, true, old)
	bothAsc, bothGpg := files()
	check("of apt with both", []string{bothGpg}, false, old, fresh)
	check("of dnf with both", []string{bothAsc}, false, old, fresh)
	check("half-way", []string{bothAsc, gpg}, true, old)
	mustAdvance(t, s, KeyTrusted)
	check("when the new one signs", []string{bothGpg}, false, fresh, old)
	check("too late", []string{gpg}, true, old)
	mustRefresh(t, s)
	mustAdvance(t, s, KeySigning)
	check("when the old one is dropped", []string{bothGpg}, true)
	_, gpg = files()
	check("at the end", []string{gpg}, false, fresh)
}
