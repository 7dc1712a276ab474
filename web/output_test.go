package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/ui/page"
)

func TestCutter(t *testing.T) {
	type piece struct {
		start int64
		body  string
	}
	for name, c := range map[string]struct {
		pieces []piece
		size   int64 // of a stream that has ended; 0: it goes on
		want   string
		next   page.Place
		rest   string
	}{
		"whole lines":              {[]piece{{0, "a\nb\n"}}, 0, "1:a 2:b", page.Place{Offset: 4, Line: 3}, ""},
		"a line without its end":   {[]piece{{0, "a\nb"}}, 0, "1:a", page.Place{Offset: 2, Line: 2}, "b"},
		"a line over two pieces":   {[]piece{{0, "a\nb"}, {3, "c\n"}}, 0, "1:a 2:bc", page.Place{Offset: 5, Line: 3}, ""},
		"an end without a newline": {[]piece{{0, "a\nb"}}, 3, "1:a 2:b", page.Place{Offset: 3, Line: 3}, ""},
		"a gap within a line":      {[]piece{{0, "a\nb"}, {10, "c\n"}}, 12, "1:a 2:b -7 3:c", page.Place{Offset: 12, Line: 4}, ""},
		"a gap at the end":         {[]piece{{0, "a\n"}}, 9, "1:a -7", page.Place{Offset: 9, Line: 2}, ""},
		"nothing kept":             {nil, 9, "-9", page.Place{Offset: 9, Line: 1}, ""},
		"progress and colours":     {[]piece{{0, "10%\r\x1b[1m90%\x1b[0m\r\n"}}, 0, "1:90%", page.Place{Offset: 17, Line: 2}, ""},
	} {
		cut := cutter{next: page.Place{Line: 1}}
		for _, p := range c.pieces {
			cut.write(p.start, []byte(p.body))
		}
		if c.size > 0 {
			cut.end(c.size)
		}
		var got []string
		for _, l := range cut.lines {
			if l.Number == 0 {
				got = append(got, fmt.Sprintf("-%d", l.Lost))
			} else {
				got = append(got, fmt.Sprintf("%d:%s", l.Number, l.Text))
			}
		}
		if strings.Join(got, " ") != c.want || cut.next != c.next || string(cut.rest) != c.rest {
			t.Errorf("%s: got %q, next %v, rest %q", name, got, cut.next, cut.rest)
		}
	}
}

func TestOutputInPartsAndSearched(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	agent, hostID := s.register("node1.lab.test")
	s.work("/commands", map[string]any{"targets": map[string]any{"ids": []int64{hostID}}, "exec": map[string]any{"script": "true"}})
	j := s.job(agent, "node1.lab.test")
	var text strings.Builder
	for i := range partLines + 10 {
		fmt.Fprintf(&text, "line <%d>\n", i+1)
	}
	text.WriteString("the End")
	s.agentPost(agent, wire.PathOutput, []wire.OutputChunk{{Job: j.ID, Stream: wire.Stdout, Data: []byte(text.String())}})
	path := "/jobs/" + j.ID
	has := func(path string, want ...string) string {
		t.Helper()
		r := b.get(path)
		for _, w := range want {
			if r.status != http.StatusOK || !strings.Contains(r.body, w) {
				t.Errorf("%s answered %d without %q", path, r.status, w)
			}
		}
		return r.body
	}
	first := has(path, `id="L1"`, "line &lt;1&gt;", fmt.Sprintf(`id="L%d"`, partLines), "data-output-more")
	if strings.Contains(first, fmt.Sprintf(`id="L%d"`, partLines+1)) {
		t.Error("a part has more lines than it may have")
	}
	next := page.Place{Offset: int64(strings.Index(text.String(), fmt.Sprintf("line <%d>", partLines+1))), Line: partLines + 1}
	for _, query := range []string{"?stdout=" + next.String(), "/output?from=" + next.String()} {
		has(path+query, fmt.Sprintf(`id="L%d"`, partLines+1), fmt.Sprintf(`id="L%d"`, partLines+11), "the End", " data-open")
	}
	has(path+"?find=THE+end", "1 line holds", "the End")
	has(path+"?find=%3C"+fmt.Sprint(partLines+5)+"%3E", fmt.Sprintf("%s?stdout=%s#L%d", path, next, partLines+5))
	has(path+"?find=line", fmt.Sprintf("The first %d lines", mostFound))
	for _, bad := range []string{"?stdout=x", "?stderr=-1.1", "/output?from=1.0", "/output?stream=both"} {
		if r := b.get(path + bad); r.status != http.StatusBadRequest {
			t.Errorf("%s answered %d", bad, r.status)
		}
	}
	// What was not kept is told of where it was, and the whole is saved with it.
	s.agentPost(agent, wire.PathOutput, []wire.OutputChunk{{Job: j.ID, Stream: wire.Stderr, Offset: 2048, Data: []byte("tail\n")}})
	s.agentPost(agent, wire.PathJobResult, []wire.JobResult{{ID: j.ID, Stdout: int64(text.Len()), Stderr: 2053}})
	has(path, "2.0 KiB are missing here", `id="E1"`)
	if r := b.get(api + path + "/output?whole=1"); r.body != text.String() {
		t.Errorf("%d bytes were saved", len(r.body))
	}
	if body := has(path + "/output?from=" + next.String()); strings.Contains(body, "data-open") {
		t.Error("a job that has ended has an open line")
	}
}
