package report

import (
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

// once delivers jobs with the first heartbeat and none later.
func (f *fixture) once(jobs ...wire.Job) {
	f.OnStatus = func(wire.StatusRequest) (wire.StatusReply, error) {
		reply := wire.StatusReply{Jobs: jobs}
		jobs = nil
		return reply, nil
	}
}

func shell(script string) wire.Job {
	return wire.Job{ID: "j", Action: wire.ActionExec, Exec: &wire.Exec{Command: []string{"sh", "-c", script}}}
}

// gate makes a pipe that a command of the test waits at, and opens it.
func gate(t *testing.T) (path string, open func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, func() {
		t.Helper()
		f, err := agenttest.OpenPipe(path)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

func TestOutputComesWhileTheCommandRunsAndTheResultAfterIt(t *testing.T) {
	f := newFixture(t)
	path, open := gate(t)
	f.once(shell("echo one; read x <" + path + "; echo two; echo three >&2; exit 4"))
	f.start()
	first := await(f, f.Outputs)
	if len(first) != 1 || first[0].Job != "j" || first[0].Stream != wire.Stdout || first[0].Offset != 0 || string(first[0].Data) != "one\n" {
		t.Errorf("first output %+v", first)
	}
	if len(f.Results) != 0 {
		t.Error("a result while the command runs")
	}
	open()
	got := map[wire.Stream]string{wire.Stdout: "one\n"}
	for got[wire.Stdout] != "one\ntwo\n" || got[wire.Stderr] != "three\n" {
		for _, chunk := range await(f, f.Outputs) {
			if int(chunk.Offset) != len(got[chunk.Stream]) {
				t.Fatalf("%s goes on at %d after %q", chunk.Stream, chunk.Offset, got[chunk.Stream])
			}
			got[chunk.Stream] += string(chunk.Data)
		}
	}
	result := await(f, f.Results)[0]
	if result.ErrCode != wire.ErrCodeExitStatus || *result.ExitCode != 4 || result.Stdout != 8 || result.Stderr != 6 || result.Elapsed < 1 {
		t.Errorf("result %+v", result)
	}
}

func TestOutputIsSentAgainUntilTheServerTakesIt(t *testing.T) {
	f := newFixture(t)
	f.once(shell("seq 1 20000"))
	answers := []error{errors.New("out of order"), agenttest.Refuse(400, "bad"), nil}
	var got strings.Builder
	f.OnOutput = func(chunks []wire.OutputChunk) (wire.ResultReply, error) {
		if len(answers) > 1 {
			answer := answers[0]
			answers = answers[1:]
			return wire.ResultReply{}, answer
		}
		for _, chunk := range chunks {
			if int(chunk.Offset) == got.Len() {
				got.Write(chunk.Data)
			}
		}
		return wire.ResultReply{}, nil
	}
	f.start()
	result := await(f, f.Results)[0]
	if int(result.Stdout) != got.Len() || !strings.HasSuffix(got.String(), "\n20000\n") {
		t.Errorf("%d bytes of %d arrived before the result", got.Len(), result.Stdout)
	}
}

func TestAServerWithoutTheNewPathsGetsResults(t *testing.T) {
	f := newFixture(t)
	absent := agenttest.Refuse(http.StatusNotFound, "")
	tries := 0
	f.OnOutput = func([]wire.OutputChunk) (wire.ResultReply, error) { tries++; return wire.ResultReply{}, absent }
	f.OnEvents = func([]wire.Event) (wire.ResultReply, error) { return wire.ResultReply{}, absent }
	f.once(shell("echo x"))
	f.start()
	f.events.Emit(wire.Event{Kind: wire.EventConfigRefused, Severity: wire.SeverityError})
	if result := await(f, f.Results)[0]; result.ErrCode != 0 {
		t.Errorf("result %+v", result)
	}
	for range 5 {
		f.beat()
	}
	if tries != 1 {
		t.Errorf("tried %d times within a minute", tries)
	}
	if log := f.host.Log.String(); strings.Contains(log, "trouble") || !strings.Contains(log, "older than this agent") {
		t.Errorf("log:\n%s", log)
	}
}

func TestTheHeartbeatSaysHowFarJobsAre(t *testing.T) {
	f := newFixture(t)
	path, open := gate(t)
	second := shell("true")
	second.ID = "done"
	f.once(shell("read x <"+path), second)
	f.OnResults = func([]wire.JobResult) (wire.ResultReply, error) { return wire.ResultReply{ErrCode: 1}, nil }
	f.start()
	if first := f.beat(); len(first.Jobs) != 0 {
		t.Errorf("first heartbeat: %+v", first.Jobs)
	}
	for {
		beat := f.beat()
		text, _ := json.Marshal(beat.Jobs)
		if string(text) == `[{"id":"j","state":"running"},{"id":"done","state":"done"}]` {
			break
		}
	}
	open()
	for beat := f.beat(); beat.Jobs[0].State != wire.JobDone; beat = f.beat() { // what still runs would write into a directory that is removed
	}
}

func TestTheServerCancels(t *testing.T) {
	f := newFixture(t)
	running := false
	f.OnStatus = func(ask wire.StatusRequest) (wire.StatusReply, error) {
		if len(ask.Jobs) == 0 {
			return wire.StatusReply{Jobs: []wire.Job{shell("exec sleep 1000")}}, nil
		}
		running = running || ask.Jobs[0].State == wire.JobRunning
		if !running {
			return wire.StatusReply{}, nil
		}
		return wire.StatusReply{Cancel: []string{"j", "never-came"}}, nil
	}
	f.start()
	codes := map[string]int{}
	for len(codes) < 2 {
		for _, result := range await(f, f.Results) {
			codes[result.ID] = result.ErrCode
		}
	}
	if codes["j"] != wire.ErrCodeCanceled || codes["never-came"] != wire.ErrCodeCanceled {
		t.Errorf("results %v", codes)
	}
}

func TestWake(t *testing.T) {
	f := newFixture(t)
	f.wakes = true
	stop := f.start()
	f.beat()
	agenttest.Receive(t, f.Wakes)
	for len(f.Statuses) > 0 {
		<-f.Statuses
	}
	f.host.Clock.Advance(wakePace)
	f.Wake()
	agenttest.Receive(t, f.Statuses) // long before the step has passed
	f.CloseIdle()
	f.Stop()
	f.Start()
	await(f, f.Wakes) // opened again
	stop()
}

func TestWhatChildAgentsDoIsToldAtOnce(t *testing.T) {
	f := newFixture(t)
	f.start()
	agenttest.Receive(t, f.Statuses)
	f.host.Clock.Waiting() // for the step to pass
	f.news <- struct{}{}
	if wait := f.host.Clock.Waiting(); wait > newsWait {
		t.Fatalf("the agent waits %v to tell it", wait)
	}
	f.host.Clock.Advance(newsWait)
	agenttest.Receive(t, f.Statuses)
}

func TestAFloodOfWakesIsFiveHeartbeatsASecond(t *testing.T) {
	f := newFixture(t)
	f.wakes = true
	f.start()
	f.beat()
	agenttest.Receive(t, f.Wakes)
	f.answered()
	for len(f.Statuses) > 0 {
		<-f.Statuses
	}
	// The clock moves in small steps, and before each the agent is woken and has begun to wait again. One heartbeat
	// may be on its way already, so that six are five that began within the time counted here.
	const tick, beats = wakePace / 10, 6
	var passed time.Duration
	for seen := 0; seen < beats; {
		f.Wake()
		f.host.Clock.Waiting()
		f.host.Clock.Advance(tick)
		passed += tick
		for len(f.Statuses) > 0 {
			<-f.Statuses
			seen++
		}
	}
	if least := (beats - 2) * wakePace; passed < least {
		t.Errorf("%d heartbeats within %v, not %v", beats-1, passed, least)
	}
}

func TestEventsAreSentUntilTheServerTakesThem(t *testing.T) {
	f := newFixture(t)
	f.OnEvents = func(events []wire.Event) (wire.ResultReply, error) {
		if len(events) < 2 {
			return wire.ResultReply{ErrCode: 1}, nil
		}
		return wire.ResultReply{}, nil
	}
	stop := f.start()
	f.events.Emit(wire.Event{Kind: wire.EventChildFatal, Severity: wire.SeverityError, Child: "a"})
	first := await(f, f.Events)
	stop()
	f.start()
	f.events.Emit(wire.Event{Kind: wire.EventChildExited, Severity: wire.SeverityWarning, Child: "a"})
	var last []wire.Event
	for len(last) < 2 {
		last = await(f, f.Events)
	}
	if last[0].ID != first[0].ID || last[0].Time == 0 || last[1].Kind != wire.EventChildExited {
		t.Errorf("got %+v after %+v", last, first)
	}
}

func TestAStoppedAgentLeavesTheCommandAloneAndTheNextReportsIt(t *testing.T) {
	f := newFixture(t)
	path, open := gate(t)
	f.once(shell("echo one; read x <" + path + "; echo two"))
	stop := f.start()
	await(f, f.Outputs)
	f.answered()
	stop()
	f.start()
	open()
	text := ""
	for text != "two\n" {
		for _, chunk := range await(f, f.Outputs) {
			text += strings.TrimPrefix(string(chunk.Data), "one\n") // sent again if its acknowledgement was cut off
		}
	}
	if result := await(f, f.Results)[0]; result.ErrCode != 0 || result.Stdout != 8 {
		t.Errorf("result %+v", result)
	}
}
