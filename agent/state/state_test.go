package state

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func open(t *testing.T, dir string) (*Store, error) {
	t.Helper()
	store, damage, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store, damage
}

func TestValuesOutliveTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	want := Values{AgentSN: "sn", CAPin: "pin", Step: 7, Servers: []string{"a:1", "b:2"}, Tags: "x"}
	store, _ := open(t, dir)
	if err := store.Update(func(v *Values) { *v = want }); err != nil {
		t.Fatal(err)
	}
	store.Close()
	again, _ := open(t, dir)
	if got := again.Values(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if mode := must(os.Stat(dir)).Mode().Perm(); mode != 0o711 {
		t.Errorf("directory has mode %o", mode)
	}
}

func must(info os.FileInfo, err error) os.FileInfo {
	if err != nil {
		panic(err)
	}
	return info
}

func TestOneProcessPerDirectory(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if _, _, err := Open(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("got error %v, want ErrInUse", err)
	}
}

func TestDamagedValuesDoNotStopTheAgent(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"step": 5, "agen`), 0o600); err != nil {
		t.Fatal(err)
	}
	store, damage := open(t, dir)
	if damage == nil {
		t.Error("the damage was not told")
	}
	if got := store.Values(); !reflect.DeepEqual(got, Values{}) {
		t.Errorf("got %+v, want nothing", got)
	}
}

func TestUpdateHoldsInMemoryWhenTheDiskRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	store, _ := open(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := store.Update(func(v *Values) { v.Step = 3 }); err == nil {
		t.Error("no error for a directory that is gone")
	}
	if got := store.Values().Step; got != 3 {
		t.Errorf("step is %d, want 3", got)
	}
}

func TestWriteFileLeavesNothingBeside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, content := range []string{"one", "two"} {
		if err := WriteFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "d"), nil, 0o600); err == nil {
		t.Error("a directory was replaced by a file")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("directory holds %v (%v), want f and d", entries, err)
	}
	if info := must(os.Stat(path)); info.Mode().Perm() != 0o640 || info.Size() != 3 {
		t.Errorf("got %v", info)
	}
}

func TestPeekSeesWhatTheRunningAgentWrote(t *testing.T) {
	dir := t.TempDir()
	if _, status, err := Peek(dir); err != nil || status != (Status{}) {
		t.Errorf("empty directory: got %+v, %v", status, err)
	}
	store, _ := open(t, dir)
	want := Status{PID: 1, Server: "h:8441", LastHeartbeat: time.Unix(1e9, 0).UTC()}
	store.Note(func(s *Status) { *s = want })
	if err := store.Update(func(v *Values) { v.AgentSN = "sn" }); err != nil {
		t.Fatal(err)
	}
	values, status, err := Peek(dir)
	if err != nil || status != want || values.AgentSN != "sn" {
		t.Errorf("got %+v, %+v, %v", values, status, err)
	}
}
