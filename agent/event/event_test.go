package event

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/space"
	"hostler/agent/wire"
)

func open(t *testing.T, dir string) (*Spool, int) {
	t.Helper()
	log := &agenttest.Log{}
	s, damaged, err := Open(Options{Path: filepath.Join(dir, "events"), Room: space.Open(dir), Log: log.Logger(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s, damaged
}

// run runs the spool as long as the test.
func run(t *testing.T, s *Spool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; s.Close() })
}

func named(name string, severity wire.Severity) wire.Event {
	return wire.Event{Kind: wire.EventChildExited, Severity: severity, Child: name}
}

func names(events []wire.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, e.Child)
	}
	return strings.Join(all, " ")
}

func TestEventsOutliveTheAgentUntilTheyAreAcknowledged(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir)
	run(t, s)
	for _, name := range []string{"a", "b", "c"} {
		s.Emit(named(name, wire.SeverityInfo))
	}
	agenttest.Receive(t, s.Ready())
	first := s.Next(2)
	if names(first) != "a b" || first[0].ID == first[1].ID || first[0].Time == 0 {
		t.Errorf("next %+v", first)
	}
	s.Acknowledge(first)
	agenttest.Eventually(t, "everything is on the disk", func() bool {
		again, damaged := open(t, dir) // as after a kill -9
		return damaged == 0 && names(again.Next(10)) == "c"
	})
}

func TestADamagedTailIsDropped(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir)
	s.Emit(named("a", wire.SeverityInfo))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(s.Path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"event":{"id":"x","ki`)
	f.Close()
	again, damaged := open(t, dir)
	if damaged != 1 {
		t.Errorf("%d lines damaged", damaged)
	}
	again.Emit(named("b", wire.SeverityInfo))
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	third, damaged := open(t, dir)
	if got := names(third.Next(10)); got != "a b" || damaged != 0 {
		t.Errorf("kept %q, %d damaged", got, damaged)
	}
}

func TestTheOldestAndLeastSevereGoFirst(t *testing.T) {
	s, _ := open(t, t.TempDir())
	s.Emit(named("error", wire.SeverityError))
	s.Emit(named("warning", wire.SeverityWarning))
	for i := range maxEvents + 50 {
		s.Emit(named(fmt.Sprint(i), wire.SeverityInfo))
	}
	kept := s.Next(2 * maxEvents)
	if len(kept) != maxEvents || kept[0].Child != "error" || kept[1].Child != "warning" {
		t.Errorf("%d events kept, the first %+v", len(kept), kept[:2])
	}
	dropped := ""
	for _, e := range kept {
		if e.Kind == wire.EventEventsDropped {
			dropped += e.Params["count"] + " "
		}
	}
	if dropped != "53 " { // 2 + 1050 events and the note, of which 1000 are kept
		t.Errorf("told of %sdropped", dropped)
	}
	// What was offered to the server must not change: the next one is counted in a note of its own.
	s.Emit(named("more", wire.SeverityInfo))
	notes := 0
	for _, e := range s.Next(2 * maxEvents) {
		if e.Kind == wire.EventEventsDropped {
			notes++
		}
	}
	if notes != 2 {
		t.Errorf("%d notes, want 2", notes)
	}
}

func TestTheFileIsBounded(t *testing.T) {
	s, _ := open(t, t.TempDir())
	for i := range 3000 {
		s.Emit(named(fmt.Sprint(i), wire.SeverityInfo))
		s.Acknowledge(s.Next(1))
		if i%10 == 0 {
			if err := s.save(); err != nil {
				t.Fatal(err)
			}
		}
	}
	content, err := os.ReadFile(s.Path)
	if err != nil || strings.Count(string(content), "\n") > spareLines+20 { // 20 are written at a time
		t.Errorf("%d lines, %v", strings.Count(string(content), "\n"), err)
	}
}

func TestScenario27EventsOnAFullDisk(t *testing.T) {
	dir := agenttest.SmallDisk(t, "16m")
	s, _ := open(t, dir)
	s.Emit(named("before", wire.SeverityInfo))
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	agenttest.Fill(t, dir)
	for i := range 100 {
		s.Emit(named(fmt.Sprint(i), wire.SeverityInfo))
		if err := s.save(); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	again, damaged := open(t, dir)
	if n := len(again.Next(1000)); n != 101 || damaged != 0 {
		t.Errorf("%d events kept, %d damaged", n, damaged)
	}
}
