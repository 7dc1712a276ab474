package web

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hostler/server/trust"
	"hostler/ui/i18n"
)

// asked is what a host asks for its certificate with. An empty answer code means that it got one.
type asked struct {
	what, host, token string
	want              string
}

// ask sends it and returns the code of the refusal.
func (s *server) ask(q asked) string {
	s.t.Helper()
	r := s.enrol(q.host, q.token)
	if r.status == http.StatusOK {
		return ""
	}
	return r.failure(s.t).Code
}

// decidedBy has a program decide, whose body is given.
func (s *server) decidedBy(body string) {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "decide")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := s.web.CA.SetProgram(path); err != nil {
		s.t.Fatal(err)
	}
}

// TestEnrolmentPolicies holds all ways in which a host is let in against one table: what each admits, and what it does not.
func TestEnrolmentPolicies(t *testing.T) {
	for way, p := range map[string]struct {
		prepare func(s *server) []asked
		on      bool // whether the page says so, once it is prepared
	}{
		"tokens": {func(s *server) []asked {
			scoped, far, once := s.enrolToken(trust.TokenRequest{Host: "*.rack.test", Uses: 9}), s.enrolToken(trust.TokenRequest{Networks: "10.0.0.0/8"}), s.enrolToken(trust.TokenRequest{Uses: 1})
			ended := s.enrolToken(trust.TokenRequest{})
			s.api(post, api+"/enrol-tokens/"+idText(ended.ID)+"/end", "{}")
			late := must[string](s.t)(s.web.CA.MintToken(s.t.Context(), trust.TokenSpec{Uses: 1, Lifetime: -time.Minute}))
			return []asked{
				{"a name in its scope", "a.rack.test", scoped.Token, ""},
				{"the bare domain", "rack.test", scoped.Token, "token_scope"},
				{"an address outside of its ranges", "b.test", far.Token, "token_network"},
				{"its only use", "c.test", once.Token, ""},
				{"one use more", "d.test", once.Token, "token_used"},
				{"one that was ended", "e.test", ended.Token, "token_ended"},
				{"one that has expired", "f.test", late, "token_expired"},
				{"one that nobody made", "g.test", "nonsense", "token_unknown"},
			}
		}, true},
		"queue": {func(s *server) []asked {
			return []asked{{"nobody has decided", "a.test", "", "approval_pending"}, {"another", "b.test", "", "approval_pending"}}
		}, true},
		"queue, closed": {func(s *server) []asked {
			s.api(post, api+"/enrol-queue", `{"open":false}`)
			return []asked{{"a host without a token", "a.test", "", "queue_closed"}}
		}, false},
		"rules": {func(s *server) []asked {
			for _, rule := range []string{`{"host":"*.test.com","networks":"127.0.0.0/8"}`, `{"host":"*.far.com","networks":"10.0.0.0/8"}`} {
				if r := s.api(post, api+"/sign-rules", rule); r.status != http.StatusCreated {
					s.t.Fatalf("%s answered %d %s", rule, r.status, r.body)
				}
			}
			return []asked{
				{"name and address match", "a.test.com", "", ""},
				{"any depth", "a.b.test.com", "", ""},
				{"the bare domain", "test.com", "", "approval_pending"},
				{"another address", "a.far.com", "", "approval_pending"},
				{"a name that somebody has", "a.test.com", "", "approval_pending"},
			}
		}, true},
		"program": {func(s *server) []asked {
			s.decidedBy("[ \"$1\" = good.test ]")
			return []asked{{"it exits with 0", "good.test", "", ""}, {"it exits with 1", "bad.test", "", "approval_pending"}}
		}, true},
		"bundle": {func(s *server) []asked {
			if r := s.api(post, api+"/bundles", `{"hosts":"carried.test"}`); r.status != http.StatusCreated {
				s.t.Fatalf("the bundle answered %d %s", r.status, r.body)
			}
			return []asked{{"another machine of its name", "carried.test", "", "approval_pending"}}
		}, true},
		"ssh": {func(s *server) []asked {
			// As the step "configure" makes one for each host that it has logged in to.
			token := must[string](s.t)(s.web.CA.MintToken(s.t.Context(), trust.TokenSpec{Hostname: "boot.test", Uses: 1, Lifetime: time.Hour}))
			return []asked{{"another host", "other.test", token, "token_scope"}, {"the host that was logged in to", "boot.test", token, ""}, {"once more", "boot.test", token, "token_used"}}
		}, true},
	} {
		t.Run(way, func(t *testing.T) {
			s := newServer(t)
			b := s.setUp()
			for _, q := range p.prepare(s) {
				if got := s.ask(q); got != q.want {
					t.Errorf("%s: %s is answered with %q, want %q", q.what, q.host, got, q.want)
				}
			}
			ctx := i18n.With(t.Context(), "en")
			page := b.get("/trust/policies").body
			for _, name := range []string{"ssh", "tokens", "queue", "rules", "program", "bundle"} {
				if !strings.Contains(page, i18n.T(ctx, "policies.way."+name)) || !strings.Contains(page, i18n.T(ctx, "policies.text."+name)) {
					t.Errorf("the page lacks %s", name)
				}
			}
			name, _, _ := strings.Cut(way, ",")
			row, _, _ := strings.Cut(page, i18n.T(ctx, "policies.text."+name))
			row = row[strings.LastIndex(row, "<tr"):]
			if on := strings.Contains(row, `data-tone="done"`); on != p.on {
				t.Errorf("the page says that %s is on: %t", way, on)
			}
		})
	}
}
