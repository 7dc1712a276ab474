package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestSlowTransfersAreWhole holds that files may take longer than whole requests and answers may.
func TestSlowTransfersAreWhole(t *testing.T) {
	s := newServer(t)
	const most, pieces = 200 * time.Millisecond, 8
	edge := httptest.NewUnstartedServer(s.web.Public())
	edge.Config.ReadTimeout, edge.Config.WriteTimeout = most, most
	edge.Start()
	defer edge.Close()
	body, feed := io.Pipe()
	go func() {
		pace := time.NewTicker(most / 2)
		defer pace.Stop()
		for range pieces {
			<-pace.C
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
