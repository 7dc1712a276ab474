package link

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
)

func post(t *testing.T, handler http.HandlerFunc) (wire.PingReply, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client := NewClient(nil)
	t.Cleanup(client.CloseIdleConnections)
	var reply wire.PingReply
	err := Post(t.Context(), client, server.URL, map[string]int{"a": 1}, &reply)
	return reply, err
}

func TestPost(t *testing.T) {
	reply, err := post(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"product": %q, "later": 1}`, r.Header.Get("Content-Type")+string(body))
	})
	if err != nil || reply.Product != `application/json{"a":1}` {
		t.Errorf("got %+v, %v", reply, err)
	}
}

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		retryAfter string
		body       string
		want       string
		code       string
		wait       time.Duration
	}{
		"with words": {
			403, "", `{"error":{"code":"wrong_host","message":"no","hint":"try"}}`,
			"the server refused: no [wrong_host]; try", "wrong_host", 0,
		},
		"busy":             {429, "7", `{"error":{"code":"too_many_requests","message":"busy"}}`, "busy", "too_many_requests", 7 * time.Second},
		"busy for ever":    {503, "999999", "", "503 Service Unavailable", "", time.Hour},
		"a date to wait":   {503, "Fri, 31 Dec 1999 23:59:59 GMT", "", "503", "", 0},
		"a page":           {502, "", "<html>", "502 Bad Gateway", "", 0},
		"another redirect": {302, "", "", "302 Found", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := post(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", test.retryAfter)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			})
			refusal, refused := AsRefusal(err)
			if !refused || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got error %v, want %q in it", err, test.want)
			}
			if Code(err) != test.code || refusal.RetryAfter != test.wait {
				t.Errorf("code %q, wait %v", Code(err), refusal.RetryAfter)
			}
		})
	}
}

func TestBodyLimit(t *testing.T) {
	_, err := post(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 20 {
			io.WriteString(w, strings.Repeat(" ", MaxBody/10))
		}
	})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("got error %v, want ErrTooLarge", err)
	}
}

func TestAnAnswerThatIsNoJSON(t *testing.T) {
	_, err := post(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	if err == nil || !strings.Contains(err.Error(), "cannot understand the answer") {
		t.Errorf("got error %v", err)
	}
}

func TestBackoff(t *testing.T) {
	backoff := Backoff{First: 500 * time.Millisecond, Max: 60 * time.Second}
	for _, bound := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000} {
		bound *= time.Millisecond
		if wait := backoff.Next(); wait < bound/2 || wait > bound {
			t.Errorf("waits %v, want %v to %v", wait, bound/2, bound)
		}
	}
	asked := &Refusal{RetryAfter: 8 * time.Second}
	if wait := backoff.After(fmt.Errorf("x: %w", asked)); wait < 8*time.Second || wait > 10*time.Second {
		t.Errorf("waits %v, want 8 to 10 s", wait)
	}
	backoff.Reset()
	if wait := backoff.Next(); wait > backoff.First {
		t.Errorf("waits %v after a reset", wait)
	}
}
