package keyring

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/repo/sign"
)

// made are a server's old and new key and one of somebody else, made once: that takes a second each.
var made = sync.OnceValues(func() (keys [3]*sign.Key, err error) {
	dir, err := os.MkdirTemp("", "keyring-*")
	if err != nil {
		return keys, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for i, name := range []string{"Hostler repository here", "Hostler repository here", "The distribution"} {
		if keys[i], err = sign.Open(filepath.Join(dir, strconv.Itoa(i)), name, time.Now); err != nil {
			return keys, err
		}
	}
	return keys, nil
})

func mustKeys(t *testing.T) (old, fresh, vendor *sign.Key) {
	t.Helper()
	keys, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return keys[0], keys[1], keys[2]
}

// tell is what a server tells of keys.
func tell(keys ...*sign.Key) *wire.RepositoryKeys {
	told := &wire.RepositoryKeys{}
	for _, key := range keys {
		told.Armored += string(key.PublicArmored())
		told.Binary = append(told.Binary, key.PublicBinary()...)
		told.Fingerprints = append(told.Fingerprints, key.Fingerprint())
	}
	return told
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:16]
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAHostOfAptTakesKeys(t *testing.T) {
	old, fresh, _ := mustKeys(t)
	k := &Keyring{Dir: t.TempDir()}
	both := tell(old, fresh)
	if err := k.Take(t.Context(), both); err != nil {
		t.Fatal(err)
	}
	if told := k.Told(); !slices.Equal(told, []string{wire.NoKeyFile}) {
		t.Errorf("a host without a package manager tells %v", told)
	}
	file := filepath.Join(k.Dir, "repository.gpg")
	write(t, file, old.PublicBinary())
	if told := k.Told(); !slices.Equal(told, []string{digest(old.PublicBinary())}) {
		t.Errorf("it tells %v", told)
	}
	if err := k.Take(t.Context(), both); err != nil {
		t.Fatal(err)
	}
	if told := k.Told(); !slices.Equal(told, []string{digest(both.Binary)}) {
		t.Errorf("it tells %v", told)
	}
	for name, wrong := range map[string]*wire.RepositoryKeys{"nothing": {}, "no text": {Binary: both.Binary, Fingerprints: both.Fingerprints}} {
		if err := k.Take(t.Context(), wrong); err == nil {
			t.Errorf("%s is taken for keys", name)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != string(both.Binary) {
		t.Errorf("what is no key changed the file: %v", err)
	}
}

// imported lists what rpm trusts: the ends of fingerprints.
func imported(t *testing.T, k *Keyring) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "rpm", "--dbpath", k.RPM, "--query", "--queryformat", "%{version}\n", "gpg-pubkey").Output()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(strings.FieldsSeq(string(out)))
}

func short(keys ...*sign.Key) (ends []string) {
	for _, key := range keys {
		ends = append(ends, key.Fingerprint()[32:])
	}
	slices.Sort(ends)
	return ends
}

func TestRPMFollowsTheKeys(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("rpm is not installed: what it imports goes untested")
	}
	old, fresh, vendor := mustKeys(t)
	k := &Keyring{Dir: t.TempDir(), RPM: filepath.Join(t.TempDir(), "db")}
	file := filepath.Join(k.Dir, "repository.asc")
	write(t, file, old.PublicArmored())
	write(t, filepath.Join(k.Dir, "vendor.asc"), vendor.PublicArmored())
	for _, before := range []string{file, filepath.Join(k.Dir, "vendor.asc")} { // as dnf does
		if out, err := exec.CommandContext(t.Context(), "rpm", "--dbpath", k.RPM, "--import", before).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, step := range []struct {
		told *wire.RepositoryKeys
		want []string
	}{
		{tell(old, fresh), short(old, fresh, vendor)},
		{tell(old, fresh), short(old, fresh, vendor)}, // once more
		{tell(old), short(old, vendor)},               // the way back
		{tell(fresh, old), short(old, fresh, vendor)},
		{tell(fresh), short(fresh, vendor)},
	} {
		if err := k.Take(t.Context(), step.told); err != nil {
			t.Fatal(err)
		}
		if got := imported(t, k); !slices.Equal(got, step.want) {
			t.Errorf("rpm trusts %v, want %v", got, step.want)
		}
		if told := k.Told(); !slices.Equal(told, []string{digest([]byte(step.told.Armored))}) {
			t.Errorf("it tells %v", told)
		}
	}
	// What rpm does not take, nobody is told to be there.
	if err := k.Take(t.Context(), &wire.RepositoryKeys{Armored: "garbage", Binary: []byte("garbage"), Fingerprints: []string{"0"}}); err == nil {
		t.Error("rpm imports garbage")
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != string(fresh.PublicArmored()) {
		t.Errorf("the file was changed: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(k.Dir, ".keys-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}
