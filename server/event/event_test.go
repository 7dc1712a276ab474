package event_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/server/event"
)

func newBus(t *testing.T) *event.Bus {
	t.Helper()
	b, err := event.OpenBus("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// subscribe collects the topics and payloads that a pattern matches.
func subscribe(t *testing.T, b *event.Bus, pattern string) (got <-chan string, cancel func()) {
	t.Helper()
	c := make(chan string, 2000)
	cancel, err := b.Subscribe(pattern, func(topic string, payload []byte) { c <- topic + " " + string(payload) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return c, cancel
}

func next(t *testing.T, got <-chan string) string {
	t.Helper()
	select {
	case s := <-got:
		return s
	case <-time.After(time.Minute):
		t.Fatal("nothing arrived")
		return ""
	}
}

func TestTopics(t *testing.T) {
	b := newBus(t)
	for pattern, want := range map[string][]string{
		"host.1":   {"host.1"},
		"host.*":   {"host.1", "host.2"},
		"task.*.4": {"task.3.4"},
		"task.>":   {"task.3.4", "task.3"},
		"*":        {"event"},
		">":        {"host.1", "host.2", "task.3.4", "task.3", "event", "hosts.1"},
	} {
		got, cancel := subscribe(t, b, pattern)
		for _, topic := range []string{"host.1", "host.2", "task.3.4", "task.3", "event", "hosts.1"} {
			b.Publish(topic, "")
		}
		b.Publish(want[0], "end")
		var have []string
		for {
			topic, payload, _ := strings.Cut(next(t, got), " ")
			if payload == `"end"` {
				break
			}
			have = append(have, topic)
		}
		cancel()
		if !slices.Equal(have, want) {
			t.Errorf("%s matched %q, want %q", pattern, have, want)
		}
	}
}

func TestOrderOfOnePublisher(t *testing.T) {
	b := newBus(t)
	got, _ := subscribe(t, b, "n.>")
	for i := range 1000 {
		b.Publish(fmt.Sprint("n.", i%7), i)
	}
	for i := range 1000 {
		if s, want := next(t, got), fmt.Sprintf("n.%d %d", i%7, i); s != want {
			t.Fatalf("got %q, want %q", s, want)
		}
	}
}

func TestACanceledSubscriptionIsSilent(t *testing.T) {
	b := newBus(t)
	canceled, cancel := subscribe(t, b, "x")
	cancel()
	kept, _ := subscribe(t, b, "x")
	b.Publish("x", "y")
	if s := next(t, kept); s != `x "y"` {
		t.Errorf("got %s", s)
	}
	if len(canceled) > 0 {
		t.Error("a canceled subscription went on")
	}
}

func TestWhatCannotBePublishedIsLogged(t *testing.T) {
	var log strings.Builder
	b, err := event.OpenBus("", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	b.Publish("x", make(chan int))
	b.Close()
	b.Publish("after the end", 1)
	for _, want := range []string{"topic=x", `topic="after the end"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
	if _, err := b.Subscribe("x", func(string, []byte) {}); err == nil {
		t.Error("a closed bus took a subscription")
	}
}

func TestRecordKeepsAndPublishes(t *testing.T) {
	d, b := dbtest.Open(t), newBus(t)
	l := event.NewLog(d, b, slog.New(slog.DiscardHandler))
	got, _ := subscribe(t, b, event.Topic)
	host := int64(7)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ended, cancel := context.WithCancel(t.Context())
	cancel() // what has happened is kept even if who asked for it has gone
	before := db.Now()
	l.Record(ended, db.Event{Kind: event.HostBack, HostID: &host, Params: map[string]string{"host": "node1"}})
	l.Record(t.Context(), db.Event{Kind: event.HostLost, Time: at, Severity: db.SeverityError, Actor: "alice"})

	kept, err := d.Events(t.Context(), db.EventQuery{})
	if err != nil || len(kept) != 2 {
		t.Fatalf("kept %+v: %v", kept, err)
	}
	slices.Reverse(kept)
	for i, k := range kept {
		topic, payload, _ := strings.Cut(next(t, got), " ")
		var p db.Event
		if err := json.Unmarshal([]byte(payload), &p); err != nil || topic != event.Topic {
			t.Fatalf("%s %s: %v", topic, payload, err)
		}
		if p.ID != k.ID || p.Kind != k.Kind || !p.Time.Equal(k.Time) || p.Severity != k.Severity || p.Params["host"] != k.Params["host"] {
			t.Errorf("event %d: kept %+v, published %+v", i, k, p)
		}
	}
	if k := kept[0]; k.Time.Before(before) || k.Time.After(db.Now()) || k.Severity != db.SeverityInfo || *k.HostID != host {
		t.Errorf("the defaults gave %+v", k)
	}
	if k := kept[1]; !k.Time.Equal(at) || k.Severity != db.SeverityError || k.Actor != "alice" {
		t.Errorf("the defaults replaced what was given: %+v", k)
	}
}

func TestAnEventThatCannotBeKeptIsLoggedAndPublished(t *testing.T) {
	var log strings.Builder
	b := newBus(t)
	empty := dbtest.OpenURL(t, dbtest.URL(t))
	got, _ := subscribe(t, b, event.Topic)
	event.NewLog(empty, b, slog.New(slog.NewTextHandler(&log, nil))).Record(t.Context(), db.Event{Kind: event.HostLost})
	if s := next(t, got); !strings.Contains(s, event.HostLost) {
		t.Errorf("published %s", s)
	}
	if !strings.Contains(log.String(), "kind=host.lost") {
		t.Errorf("logged %q", log.String())
	}
}

func TestLostMessagesAreTold(t *testing.T) {
	b := newBus(t)
	release, lapsed := make(chan struct{}), make(chan struct{}, 1000)
	cancel := b.OnLapse(func() { lapsed <- struct{}{} })
	defer cancel()
	stop, err := b.Subscribe("host.*", func(string, []byte) { <-release })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	defer close(release)
	deadline := time.After(time.Minute)
	for {
		select {
		case <-lapsed:
			return
		case <-deadline:
			t.Fatal("a subscriber that is too slow is not told that it misses messages")
		default:
			b.Publish("host.1", "")
		}
	}
}
