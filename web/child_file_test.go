package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hostler/agent/wire"
)

// answered has a host answer a question for a definition that nobody waits for any more.
func (s *server) answered(c *http.Client, hostname string, id int64, d wire.Definition) {
	s.t.Helper()
	s.beat(c, hostname, wire.ChildAgent{Name: d.Name, Status: wire.ChildRunning})
	over, cancel := context.WithCancel(s.t.Context())
	cancel()
	if _, err := s.web.Fleet.Definition(over, id, d.Name, func(int64) {}); !errors.Is(err, context.Canceled) {
		s.t.Fatalf("without an answer there is %v", err)
	}
	s.agentPost(c, wire.PathStatus, wire.StatusRequest{Hostname: hostname, Version: "1", Step: 10, Agents: []wire.ChildAgent{{Name: d.Name, Status: wire.ChildRunning}}, Definitions: []wire.Definition{d}})
}

func TestConfiguringShowsWhatTheHostHas(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	const host = "node1.lab.test"
	c, id := s.register(host)
	child := wire.ChildAgent{Name: "BasicAgent", Status: wire.ChildRunning}
	tell := func(told ...wire.Definition) wire.StatusReply {
		var answer wire.StatusReply
		s.agentPost(c, wire.PathStatus, wire.StatusRequest{Hostname: host, Version: "1", Step: 10, Agents: []wire.ChildAgent{child}, Definitions: told}).json(t, &answer)
		return answer
	}
	tell()
	path := fmt.Sprintf("/child-agents/configure?host=%d&name=BasicAgent", id)
	shows(t, "a host that cannot be woken", b.get(path), http.StatusOK, "has not told yet")
	if asked := tell().Definitions; len(asked) != 1 || asked[0] != "BasicAgent" {
		t.Fatalf("the host is asked for %v", asked)
	}
	text := "[agent]\nname = BasicAgent\ncommand = /bin/mine\n"
	tell(wire.Definition{Name: "BasicAgent", File: "/etc/x/basic.ini", Text: text})
	shows(t, "its answer", b.get(path), http.StatusOK, "This is /etc/x/basic.ini as it is on "+host+" now.", "command = /bin/mine")

	// One with a wake channel answers while the page waits, or is slow and has answered when somebody looks again.
	_, told := s.openWake(c)
	if err := woken(t, told); err != nil {
		t.Fatal(err)
	}
	var has atomic.Pointer[wire.Definition]
	has.Store(&wire.Definition{Name: "BasicAgent", File: "/etc/x/basic.ini", Text: text, Edited: true})
	go func() {
		for <-told == nil {
			if len(tell().Definitions) > 0 {
				tell(*has.Load())
			}
		}
	}()
	until := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(waitMost); !strings.Contains(b.get(path).body, want); {
			if time.Now().After(deadline) {
				t.Fatalf("the page never says %q", want)
			}
		}
	}
	until("It was changed there")
	api := api + "/child-agents/definition?"
	for _, which := range []string{host, fmt.Sprint(id)} {
		var file childFileReply
		s.api(get, api+url.Values{"host": {which}, "name": {"BasicAgent"}}.Encode(), "").json(t, &file)
		if file.Text != text || !file.Edited || file.File != "/etc/x/basic.ini" {
			t.Errorf("host %s: %+v", which, file)
		}
	}
	has.Store(&wire.Definition{Name: "BasicAgent"})
	until("has no file for it")
	for _, wrong := range []string{"host=nobody&name=BasicAgent", "host=" + host + "&name=Other", ""} {
		if r := s.api(get, api+wrong, ""); r.status != http.StatusNotFound {
			t.Errorf("%q answered %d %s", wrong, r.status, r.body)
		}
	}
	// What was only shown is not sent, and what was changed is.
	form := url.Values{"hosts": {host}, "name": {"BasicAgent"}, "definition": {strings.ReplaceAll(text, "\n", "\r\n")}, "shown": {strings.ReplaceAll(text, "\n", "\r\n")}}
	if r := b.post("/child-agents/configure", form); r.status != http.StatusUnprocessableEntity {
		t.Errorf("what was only shown was sent: %d", r.status)
	}
}
