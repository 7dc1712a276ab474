package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/server/event"
)

func TestBundlesByPageAndAPI(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	if r := b.get("/trust/bundles/new"); r.status != http.StatusOK || !strings.Contains(r.body, "Whoever has the archive is these hosts") {
		t.Errorf("the page answered %d", r.status)
	}
	if r := b.post("/trust/bundles/new", url.Values{"hosts": {"a b[2-1]"}}); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "a b[2-1]") {
		t.Errorf("a wrong list answered %d", r.status)
	}
	form := url.Values{"hosts": {"carried[1-3].test"}}
	if r := b.post("/trust/bundles/new", form); r.status != http.StatusCreated || !strings.HasPrefix(r.body, "\x1f\x8b") || !strings.Contains(r.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the bundle answered %d", r.status)
	}
	if r := b.post("/trust/bundles/new", form); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "has a certificate") {
		t.Errorf("a second click answered %d", r.status)
	}
	if r := s.api(post, api+"/bundles", `{"hosts":"other.test"}`); r.status != http.StatusCreated || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the API answered %d %s", r.status, r.header)
	}
	if r := s.api(post, api+"/bundles", `{"hosts":"carried1.test"}`); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields["hosts"] == "" {
		t.Errorf("a known host answered %d %s", r.status, r.body)
	}
	if events := s.events(event.CertificatePresigned); len(events) != 2 || events[1].Params["more"] != "2" && events[0].Params["more"] != "2" {
		t.Errorf("recorded are %+v", events)
	}
}
