package state_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/state"
)

// openLines opens the file at path and returns its records.
func openLines(t *testing.T, path string) (lines *state.Lines[string], records []string, dropped int) {
	t.Helper()
	lines, dropped, err := state.OpenLines(path, func(record string) bool {
		if record != "" {
			records = append(records, record)
		}
		return record != ""
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lines.Close() })
	return lines, records, dropped
}

func TestLinesOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	lines, _, _ := openLines(t, path)
	for _, record := range []string{"a", "b\nc"} {
		if err := lines.Append(record, record); err != nil {
			t.Fatal(err)
		}
	}
	if _, records, dropped := openLines(t, path); dropped != 0 || !reflect.DeepEqual(records, []string{"a", "a", "b\nc", "b\nc"}) {
		t.Errorf("got %q, %d dropped", records, dropped)
	}
	if lines.Outgrown(3, 1) || !lines.Outgrown(3, 0) {
		t.Error("four lines are one more than three")
	}
	if err := lines.Replace([]string{"d"}); err != nil {
		t.Fatal(err)
	}
	if err := lines.Append("e"); err != nil {
		t.Fatal(err)
	}
	if _, records, _ := openLines(t, path); !reflect.DeepEqual(records, []string{"d", "e"}) {
		t.Errorf("got %q after they were replaced", records)
	}
}

func TestHalfALineSpoilsNoOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(path, []byte("\"a\"\n\n\"\"\n\"b"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, _, dropped := openLines(t, path)
	if dropped != 2 || !lines.Outgrown(10, 10) {
		t.Errorf("%d dropped, want the empty record and the half", dropped)
	}
	if err := lines.Append("c"); err != nil {
		t.Fatal(err)
	}
	if _, records, _ := openLines(t, path); !reflect.DeepEqual(records, []string{"a", "c"}) {
		t.Errorf("got %q", records)
	}
}

func TestLinesOnAFullDiskStayAsTheyAre(t *testing.T) {
	path := filepath.Join(agenttest.SmallDisk(t, "1m"), "lines")
	lines, _, _ := openLines(t, path)
	long := strings.Repeat("x", 64<<10)
	written := 0
	var err error
	for ; err == nil; written++ {
		err = lines.Append(long)
	}
	if err := lines.Append(long); err == nil {
		t.Error("there is room again")
	}
	again, records, dropped := openLines(t, path)
	if dropped != 0 || len(records) != written-1 {
		t.Errorf("%d records of %d, %d dropped", len(records), written-1, dropped)
	}
	if err := again.Replace(records); err == nil {
		t.Error("twice as much found room")
	}
	if _, records, dropped := openLines(t, path); dropped != 0 || len(records) != written-1 {
		t.Errorf("%d records after the second, %d dropped", len(records), dropped)
	}
}
