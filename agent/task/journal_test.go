package task

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"hostler/agent/space"
	"hostler/agent/wire"
)

func openJournal(t *testing.T, path string) (*Journal, int) {
	t.Helper()
	journal, dropped, err := OpenJournal(path, space.Open(filepath.Dir(path)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { journal.Close() })
	return journal, dropped
}

func anyJob(string) bool { return true }

func ids(results []wire.JobResult) (all []string) {
	for _, result := range results {
		all = append(all, result.ID)
	}
	return all
}

func TestJournalOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	journal, _ := openJournal(t, path)
	for _, id := range []string{"a", "b", "c"} {
		if err := journal.Finish(wire.JobResult{ID: id, Message: strings.Repeat("é", maxMessage)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := journal.Acknowledge([]wire.JobResult{{ID: "a"}, {ID: "stranger"}}); err != nil {
		t.Fatal(err)
	}
	journal.Close()

	again, dropped := openJournal(t, path)
	pending := again.Pending(10, anyJob)
	if got := ids(pending); dropped != 0 || !reflect.DeepEqual(got, []string{"b", "c"}) {
		t.Fatalf("pending %v, %d dropped", got, dropped)
	}
	if message := pending[0].Message; len(message) > maxMessage || !strings.HasSuffix(message, "é…") {
		t.Errorf("message of %d bytes ends in %q", len(message), message[len(message)-6:])
	}
	if !again.Knows("a") || again.Knows("stranger") {
		t.Error("only jobs that are kept are known")
	}
}

func TestJournalSurvivesADamagedTail(t *testing.T) {
	for name, tail := range map[string]string{"half a line": `{"id":"c","errc`, "zeros": "\x00\x00\x00\x00", "no id": "{}\n"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			whole := "{\"id\":\"a\",\"result\":{\"id\":\"a\",\"errcode\":1}}\n{\"id\":\"b\",\"result\":{\"id\":\"b\"}}\n{\"id\":\"b\",\"sent\":true}\n"
			if err := os.WriteFile(path, []byte(whole+tail), 0o600); err != nil {
				t.Fatal(err)
			}
			journal, dropped := openJournal(t, path)
			if dropped != 1 {
				t.Errorf("%d lines dropped, want 1", dropped)
			}
			if err := journal.Finish(wire.JobResult{ID: "d"}); err != nil {
				t.Fatal(err)
			}
			journal.Close()
			again, dropped := openJournal(t, path)
			if got := ids(again.Pending(10, anyJob)); dropped != 0 || !reflect.DeepEqual(got, []string{"a", "d"}) {
				t.Errorf("pending %v, %d dropped", got, dropped)
			}
		})
	}
}

func TestAJobThatTheDiskRefusesIsNotTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	journal, _ := openJournal(t, path)
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	if err := journal.Take([]wire.Job{{ID: "a"}}, Now()); !space.IsFull(err) {
		t.Errorf("got %v, want a full disk", err)
	}
	if journal.Knows("a") || len(journal.Open()) != 0 {
		t.Error("it was taken over")
	}
	if err := journal.Finish(wire.JobResult{ID: "b"}); err == nil {
		t.Error("no error for a full disk")
	}
	if got := ids(journal.Pending(10, anyJob)); !reflect.DeepEqual(got, []string{"b"}) {
		t.Errorf("pending %v", got)
	}
}

func TestJournalIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	journal, _ := openJournal(t, path)
	for i := range 3 * spareLines / 2 {
		result := []wire.JobResult{{ID: fmt.Sprint(i)}}
		if err := journal.Finish(result[0]); err != nil {
			t.Fatal(err)
		}
		if err := journal.Acknowledge(result); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(content), "\n"); lines > spareLines+keepDone+4 || len(journal.entries) > keepDone {
		t.Errorf("%d lines, %d results kept", lines, len(journal.entries))
	}
}

func TestTheJournalKnowsWhatWasBegun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	journal, _ := openJournal(t, path)
	at := Now()
	jobs := []wire.Job{{ID: "a", Action: "exec", Exec: &wire.Exec{Script: "x\ny"}}, {ID: "b", Action: "push"}, {ID: "c", Action: "push"}}
	if err := journal.Take(jobs, at); err != nil {
		t.Fatal(err)
	}
	if err := journal.Begin("b"); err != nil {
		t.Fatal(err)
	}
	if err := journal.Finish(wire.JobResult{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	again, dropped := openJournal(t, path) // the first was never closed: it was killed
	open := again.Open()
	if dropped != 0 || len(open) != 2 || open[0].Begun || !open[1].Begun || !reflect.DeepEqual(*open[0].Job, jobs[0]) || *open[0].At != at {
		t.Errorf("open %+v, %d dropped", open, dropped)
	}
}
