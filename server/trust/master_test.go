package trust_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hostler/internal/seal"
	"hostler/server/trust"
)

// plainKey puts the rig's key back into the form in which former versions kept it.
func (r *rig) plainKey() []byte {
	r.Helper()
	path := filepath.Join(r.dir, "ca.key")
	text, err := os.ReadFile(path)
	r.must(err)
	plain, err := masterKey.Open(text, "certificate authority")
	r.must(err)
	r.must(os.WriteFile(path, plain, 0o600))
	return plain
}

func (r *rig) keyText() []byte {
	r.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "ca.key"))
	r.must(err)
	return text
}

func TestTheAuthoritysKeyIsSealed(t *testing.T) {
	r := newRig(t)
	if text := r.keyText(); bytes.Contains(text, []byte("PRIVATE KEY")) || !bytes.Contains(text, []byte(masterKey.ID())) {
		t.Errorf("the key's file:\n%s", text)
	}
	plain := r.plainKey()
	if again := r.open(r.db); again.Pin() != r.ca.Pin() {
		t.Error("a plain key is of another authority")
	}
	if text := r.keyText(); bytes.Contains(text, plain[30:60]) || !bytes.Contains(text, []byte(masterKey.ID())) {
		t.Errorf("a plain key was not sealed at the start:\n%s", text)
	}
	if again := r.open(r.db); again.Pin() != r.ca.Pin() {
		t.Error("what was sealed is another key")
	}
}

func TestTheWrongMasterKeyIsToldAndChangesNothing(t *testing.T) {
	r := newRig(t)
	before := r.keyText()
	other := seal.NewKey()
	_, err := trust.OpenCA(r.db, r.dir, other, r.clock.Now)
	for _, want := range []string{"ca.key", masterKey.ID(), other.ID(), "give the master key that was in use before"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if !bytes.Equal(r.keyText(), before) {
		t.Error("the file was changed")
	}
}

func TestAMissingMasterKeyIsMadeOnlyAtFirstStart(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "master.key")
	from := seal.Source{Environ: func(string) (string, bool) { return "", false }, Kept: path}
	files, err := trust.SealedFiles(r.dir)
	r.must(err)
	_, err = from.Open(files)
	if !errors.Is(err, seal.ErrNone) || !strings.Contains(err.Error(), masterKey.ID()) || !strings.Contains(err.Error(), "put it back") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("another key was made")
	}
	first, err := from.Open(nil)
	r.must(err)
	if again, err := from.Open(nil); err != nil || again.ID() != first.ID() {
		t.Errorf("the second start has another key: %v", err)
	}
}

func TestChangingTheMasterKey(t *testing.T) {
	r := newRig(t)
	from := seal.Source{Environ: func(string) (string, bool) { return "", false }, Kept: filepath.Join(t.TempDir(), "master.key")}
	r.must(os.WriteFile(from.Kept, masterKey.Text(), 0o600))
	files, err := trust.SealedFiles(r.dir)
	r.must(err)
	old, fresh, err := from.Change(files)
	if err != nil || old.ID() != masterKey.ID() {
		t.Fatalf("%s became %s: %v", old.ID(), fresh.ID(), err)
	}
	found, err := from.Open(files)
	r.must(err)
	ca, err := trust.OpenCA(r.db, r.dir, found, r.clock.Now)
	if err != nil || ca.Pin() != r.ca.Pin() {
		t.Errorf("the authority does not open with the new key: %v", err)
	}
	if _, err := trust.OpenCA(r.db, r.dir, masterKey, r.clock.Now); err == nil {
		t.Error("the old key still opens it")
	}
}
