package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hostler/repo"
)

// TestSlowTransfersAreWhole holds that files may take longer than whole requests and answers may.
func TestSlowTransfersAreWhole(t *testing.T) {
	s := newServer(t)
	const most, pace, pieces = 3 * time.Second, 500 * time.Millisecond, 8
	edge := httptest.NewUnstartedServer(s.web.Public())
	edge.Config.ReadTimeout, edge.Config.WriteTimeout = most, most
	edge.Start()
	defer edge.Close()
	body, feed := io.Pipe()
	go func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for range pieces {
			<-tick.C
			if _, err := io.WriteString(feed, "piece "); err != nil {
				t.Error(err)
			}
		}
		_ = feed.Close() // a pipe's never fails
	}()
	r := send(t, http.DefaultClient, post, edge.URL+pathFiles, body, map[string]string{"Authorization": "Bearer " + s.token, "Content-Type": "application/octet-stream"})
	var f fileReply
	if r.status != http.StatusCreated {
		t.Fatalf("a slow upload answered %d %s", r.status, r.body)
	}
	if r.json(t, &f); f.Size != pieces*int64(len("piece ")) {
		t.Errorf("%d bytes arrived", f.Size)
	}
	if got, err := s.web.Files.Open(f.ID); err != nil {
		t.Error(err)
	} else if text, err := io.ReadAll(got); err != nil || string(text) != strings.Repeat("piece ", pieces) || got.Close() != nil {
		t.Errorf("kept %q, %v", text, err)
	}
}

// deadlines notes those of a connection.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write time.Time
	answered    time.Time // the one of the answer
}

func (d *deadlines) SetReadDeadline(at time.Time) error  { d.read = at; return nil }
func (d *deadlines) SetWriteDeadline(at time.Time) error { d.write = at; return nil }

func (d *deadlines) Write(b []byte) (int, error) {
	d.answered = d.write
	return d.ResponseRecorder.Write(b)
}

// noticing calls itself with what is logged.
type noticing func(message string)

func (noticing) Enabled(context.Context, slog.Level) bool        { return true }
func (n noticing) Handle(_ context.Context, r slog.Record) error { n(r.Message); return nil }
func (n noticing) WithAttrs([]slog.Attr) slog.Handler            { return n }
func (n noticing) WithGroup(string) slog.Handler                 { return n }

// Checks of large packages and publications of many take longer than a transfer may stand still: a limit that ran out
// would end the request's context, or its answer.
func TestWorkOnPackagesHasNoDeadline(t *testing.T) {
	s := newServer(t)
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	worked := 0
	log := slog.New(noticing(func(message string) {
		if message == "repository published" && d.Code == http.StatusOK && d.answered.IsZero() {
			if worked++; !d.read.IsZero() || !d.write.IsZero() {
				t.Errorf("while it publishes the deadlines are %s and %s", d.read, d.write)
			}
		}
	}))
	store, err := repo.Open(t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	s.web.Repo = store
	if err := store.Create(repo.Definition{Name: "tools", Kind: repo.Archive}, nil); err != nil {
		t.Fatal(err)
	}
	worked = 0
	body, contentType := formWith(t, nil, "tool-1.0.tar.gz", string(archiveOf(t, "tool")))
	request := httptest.NewRequestWithContext(t.Context(), post, api+"/repositories/tools/packages", body)
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("Content-Type", contentType)
	s.web.Public().ServeHTTP(d, request)
	if d.Code != http.StatusOK || worked != 1 || d.answered.IsZero() {
		t.Errorf("answered %d %s with a deadline of %s after %d publications", d.Code, d.Body, d.answered, worked)
	}
}
