package job_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/job"
)

func TestOutput(t *testing.T) {
	r := newRig(t)
	j := r.queued(r.a)
	grew := make(chan string, 10)
	cancel, err := r.bus.Subscribe("job-output.*", func(topic string, payload []byte) { grew <- topic + string(payload) })
	r.must(err)
	defer cancel()
	send := func(host int64, offset int64, data string) {
		t.Helper()
		r.must(r.queue.Output(t.Context(), host, []wire.OutputChunk{{Job: j.ID, Stream: wire.Stdout, Offset: offset, Data: []byte(data)}}))
	}
	read := func() string {
		t.Helper()
		pieces, _, err := r.db.ReadOutput(t.Context(), j.ID, wire.Stdout, 0, 1<<30)
		r.must(err)
		var b strings.Builder
		for _, p := range pieces {
			fmt.Fprintf(&b, "%d:%s ", p.Start, p.Body)
		}
		return b.String()
	}
	send(r.a, 0, "hello ")
	send(r.a, 0, "hello ")     // sent again
	send(r.a, 3, "lo world")   // cut in other places by an agent that was restarted
	send(r.b, 14, "forged")    // another host
	send(r.a, 100, "the tail") // what is between was not kept
	if got := read(); got != "0:hello  6:world 100:the tail " {
		t.Errorf("kept %q", got)
	}
	if got := <-grew; got != "job-output."+j.ID+`{"stream":"stdout","size":6}` {
		t.Errorf("published %s", got)
	}
	got, err := r.db.Job(t.Context(), j.ID)
	r.must(err)
	if got.StdoutSize != 108 || got.StdoutKept != 19 || got.OutputHash != "" {
		t.Errorf("the job is %+v", got)
	}
	r.finish(r.a, wire.JobResult{ID: j.ID, Stdout: 200})
	first, err := r.db.Job(t.Context(), j.ID)
	r.must(err)
	send(r.a, 108, "!")
	second, err := r.db.Job(t.Context(), j.ID)
	r.must(err)
	if first.OutputHash == "" || second.OutputHash == first.OutputHash || second.StdoutSize != 200 {
		t.Errorf("the output that came late made %q of %q, size %d", second.OutputHash, first.OutputHash, second.StdoutSize)
	}
	for what, c := range map[string]wire.OutputChunk{
		"no stream": {Job: j.ID, Stream: "stdlog"}, "before the beginning": {Job: j.ID, Stream: wire.Stdout, Offset: -1},
		"too large": {Job: j.ID, Stream: wire.Stdout, Data: make([]byte, wire.MaxChunk+1)},
	} {
		var refused *wire.Error
		if err := r.queue.Output(t.Context(), r.a, []wire.OutputChunk{c}); !errors.As(err, &refused) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestOutputShowsThatAJobRuns has the output come before the heartbeat that names the job: with a long step that may be
// minutes earlier.
func TestOutputShowsThatAJobRuns(t *testing.T) {
	r := newRig(t)
	j := r.queued(r.a)
	write := func(host int64) db.JobState {
		t.Helper()
		r.must(r.queue.Output(t.Context(), host, []wire.OutputChunk{{Job: j.ID, Stream: wire.Stdout, Data: []byte("x")}}))
		got, err := r.db.Job(t.Context(), j.ID)
		r.must(err)
		return got.State
	}
	if got := write(r.a); got != db.JobQueued {
		t.Errorf("a job that was never sent is %s", got)
	}
	if work := r.report(r.a); len(work.Jobs) != 1 {
		t.Fatalf("delivered %+v", work)
	}
	if got := write(r.b); got != db.JobDelivered {
		t.Errorf("another host's output makes it %s", got)
	}
	if got := write(r.a); got != db.JobRunning {
		t.Errorf("it writes and is %s", got)
	}
}

func TestOutputIsBounded(t *testing.T) {
	r := newRig(t)
	j := r.queued(r.a)
	data := make([]byte, wire.MaxChunk)
	for i := range 20 {
		r.must(r.queue.Output(t.Context(), r.a, []wire.OutputChunk{
			{Job: j.ID, Stream: wire.Stdout, Offset: int64(i * len(data)), Data: data}, {Job: j.ID, Stream: wire.Stderr, Offset: int64(i), Data: []byte("x")},
		}))
	}
	got, err := r.db.Job(t.Context(), j.ID)
	r.must(err)
	if got.StdoutKept != 1<<20 || got.StdoutSize != 20*wire.MaxChunk || got.StderrKept != 20 {
		t.Errorf("kept %d of %d bytes, and %d of the other stream", got.StdoutKept, got.StdoutSize, got.StderrKept)
	}
}

// TestOutputTwiceAtOnce: two messages about one job, as of an agent that lost the answer to the first.
func TestOutputTwiceAtOnce(t *testing.T) {
	r := newRig(t)
	other := r.second()
	j := r.queued(r.a)
	var wg sync.WaitGroup
	for i := range 20 {
		chunk := []wire.OutputChunk{{Job: j.ID, Stream: wire.Stdout, Offset: int64(i * 4), Data: []byte("four")}}
		for _, q := range []*job.Queue{r.queue, other} {
			wg.Go(func() {
				if err := q.Output(t.Context(), r.a, chunk); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	got, err := r.db.Job(t.Context(), j.ID)
	r.must(err)
	if got.StdoutKept != 80 || got.StdoutSize != 80 {
		t.Errorf("kept %d of %d bytes, want 80", got.StdoutKept, got.StdoutSize)
	}
}
