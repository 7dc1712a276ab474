package space

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

func TestScenario27RoomIsHeldBackForWhatMustNotBeLost(t *testing.T) {
	dir := agenttest.SmallDisk(t, "32m")
	room := Open(dir)
	var kinds []wire.EventKind
	room.Emit(func(e wire.Event) {
		kinds = append(kinds, e.Kind)
		if e.Params["path"] != dir {
			t.Errorf("event %+v", e)
		}
	})
	room.Check()
	empty := agenttest.Fill(t, dir)
	write := func() error { return os.WriteFile(filepath.Join(dir, "result"), make([]byte, 64<<10), 0o600) }
	if err := write(); !IsFull(err) {
		t.Fatalf("got %v, want a full disk", err)
	}
	if err := room.Use(write); err != nil {
		t.Errorf("with the room that was held back: %v", err)
	}
	room.Check()
	room.Check()
	if !room.Full() {
		t.Error("the disk does not count as full")
	}
	if err := Enough(dir, 4096); !IsFull(err) {
		t.Errorf("got %v, want a full disk", err)
	}
	empty()
	room.Check()
	if want := []wire.EventKind{wire.EventDiskFull, wire.EventDiskFreed}; !reflect.DeepEqual(kinds, want) || room.Full() {
		t.Errorf("events %v, want %v", kinds, want)
	}
	if info, err := os.Stat(room.path()); err != nil || info.Size() != reserved {
		t.Errorf("no room is held back again: %v", err)
	}
	if err := Enough(dir, 1<<20); err != nil {
		t.Error(err)
	}
}
