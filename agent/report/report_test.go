package report

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/command"
	"hostler/agent/enroll"
	"hostler/agent/event"
	"hostler/agent/keyring"
	"hostler/agent/link"
	"hostler/agent/space"
	"hostler/agent/state"
	"hostler/agent/task"
	"hostler/agent/wire"
)

// step is the step of agenttest's agent.ini.
const step = 20 * time.Second

type fixture struct {
	*agenttest.Server
	host   *agenttest.Host
	runner *task.Runner
	events *event.Spool
	wakes  bool // the agent opens a wake channel
	news   chan struct{}
	t      *testing.T
}

// newFixture makes a server and an enrolled host; hooks may be set before start.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	return &fixture{Server: server, host: agenttest.NewHost(t, server, "secret"), news: make(chan struct{}, 1), t: t}
}

// start runs the agent's reporting until the returned function is called or the test ends.
func (f *fixture) start() (stop func()) {
	f.t.Helper()
	host := f.host
	enroller := enroll.New(host.Settings(), host.Store, host.Clock.Clock(), host.Log.Logger(), func(context.Context) *wire.Facts { return nil })
	identity, err := enroller.Identity(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	room := space.Open(host.Store.Path(""))
	events, _, err := event.Open(event.Options{Path: host.Store.Path(state.EventsFile), Room: room, Log: host.Log.Logger(), Now: host.Clock.Clock().Now})
	if err != nil {
		f.t.Fatal(err)
	}
	journal, _, err := task.OpenJournal(host.Store.Path(state.JournalFile), room)
	if err != nil {
		f.t.Fatal(err)
	}
	f.runner = task.NewRunner(task.Options{
		Actions: task.Actions(&task.Parts{Store: host.Store}), Journal: journal, Log: host.Log.Logger(),
		Dir: host.Store.Path(state.JobsDir), Limit: 8, Now: task.Now,
	})
	f.events = events
	session := link.NewSession()
	waker := NewWaker(session, host.Clock.Clock(), host.Log.Logger())
	reporter := New(Options{
		Settings: host.Settings(), Store: host.Store, Clock: host.Clock.Clock(), Log: host.Log.Logger(),
		Version: "1.2.3", Started: host.Clock.Clock().Now(), Enroller: enroller, Identity: identity, Session: session, Keys: &keyring.Keyring{Dir: host.Dir},
		Runner: f.runner, Events: events, Room: room, Woken: waker.Woken(), News: f.news, Answered: func() {},
		Children: func() []wire.ChildAgent { return []wire.ChildAgent{{Name: "BasicAgent", Status: wire.ChildStopped}} },
		Facts:    func(context.Context) *wire.Facts { return &wire.Facts{Arch: "amd64"} },
	})
	ctx, cancel := context.WithCancel(f.t.Context())
	var running sync.WaitGroup
	runs := []func(context.Context){reporter.Run, f.runner.Run, events.Run}
	if f.wakes {
		runs = append(runs, waker.Run)
	}
	for _, run := range runs {
		running.Go(func() { run(ctx) })
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			running.Wait()
			journal.Close()
			if err := events.Close(); err != nil {
				f.t.Error(err)
			}
		}
	}
	f.t.Cleanup(stop)
	return stop
}

// beat waits for a heartbeat, moving the clock on whenever the agent waits.
func (f *fixture) beat() wire.StatusRequest { f.t.Helper(); return await(f, f.Statuses) }

// answered waits for a heartbeat and for the agent to have taken its answer in.
func (f *fixture) answered() {
	f.t.Helper()
	beat := f.beat()
	agenttest.Eventually(f.t, "the heartbeat's answer taken in", func() bool {
		status := f.status()
		return status.LastHeartbeat.Unix() >= beat.Timestamp && status.LastError == ""
	})
}

func (f *fixture) status() state.Status {
	f.t.Helper()
	_, status, err := state.Peek(f.host.Settings().StateDir)
	if err != nil {
		f.t.Fatal(err)
	}
	return status
}

// await waits for a message, moving the clock on whenever the agent waits. Heartbeats that nobody waits for are
// let go: while a command starts, hours of them may pass.
func await[T any](f *fixture, from <-chan T) T {
	f.t.Helper()
	beats := f.Statuses
	if any(from) == any((<-chan wire.StatusRequest)(f.Statuses)) {
		beats = nil
	}
	deadline := time.After(time.Minute)
	for {
		select {
		case message := <-from:
			return message
		case wait := <-f.host.Clock.Waits():
			f.host.Clock.Advance(wait)
		case <-beats:
		case <-deadline:
			f.t.Fatalf("nothing came; log:\n%s", f.host.Log)
		}
	}
}

func (f *fixture) logged(text string) {
	f.t.Helper()
	agenttest.Eventually(f.t, text+" in the log", func() bool { return strings.Contains(f.host.Log.String(), text) })
}

// TestMain makes the test's own binary the runner of commands, as the agent's is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == command.Argument {
		if err := command.Main(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestRegistersThenBeatsEveryStep(t *testing.T) {
	f := newFixture(t)
	f.start()
	register := agenttest.Receive(t, f.Registers)
	if register.Hostname != "node1.lab.test" || register.AgentSN != agenttest.AgentSN || register.Version != "1.2.3" || register.Facts.Arch != "amd64" {
		t.Errorf("registered %+v", register)
	}
	first := agenttest.Receive(t, f.Statuses) // at once: nobody has moved the clock
	if first.Hostname != "node1.lab.test" || first.Step != 20 || first.Uptime != 0 || first.Agents[0].Name != "BasicAgent" {
		t.Errorf("first heartbeat %+v", first)
	}
	distinct := map[time.Duration]bool{}
	for range 20 {
		wait := f.host.Clock.Waiting()
		if wait < step*85/100 || wait > step*95/100 {
			t.Errorf("waits %v, want 5 to 15 %% less than %v", wait, step)
		}
		distinct[wait] = true
		f.host.Clock.Advance(wait)
		agenttest.Receive(t, f.Statuses)
	}
	if len(distinct) < 10 {
		t.Errorf("%d different intervals of 20: no jitter", len(distinct))
	}
	if n := len(f.Handshakes); n != 1 {
		t.Errorf("%d connections, want 1 kept alive", n)
	}
	f.host.Clock.Waiting()
	if status := f.status(); status.LastHeartbeat.IsZero() || status.LastError != "" || status.Server != f.Secured || status.ServerSource != "agent.ini" {
		t.Errorf("status %+v", status)
	}
}

func TestAChangedSerialNumberIsKept(t *testing.T) {
	const changed = "dcb886e9-04ed-41bb-9c12-4d2de12cd59b"
	f := newFixture(t)
	f.OnRegister = func(wire.RegisterRequest) (wire.RegisterReply, error) {
		return wire.RegisterReply{AgentSN: changed, Tags: "service=ecs"}, nil
	}
	stop := f.start()
	f.answered()
	stop()
	agenttest.Receive(t, f.Registers)
	if known := f.host.Store.Values(); known.AgentSN != changed || known.Tags != "service=ecs" {
		t.Errorf("remembered %+v", known)
	}
	f.start()
	if again := await(f, f.Registers); again.AgentSN != changed {
		t.Errorf("registered as %s after a restart", again.AgentSN)
	}
}

func TestTheServerSetsTheStep(t *testing.T) {
	f := newFixture(t)
	steps := []int{0, 600, -5, 90000, 1}
	f.OnStatus = func(wire.StatusRequest) (wire.StatusReply, error) {
		next := steps[0]
		steps = steps[1:]
		return wire.StatusReply{Step: next}, nil
	}
	f.start()
	for _, want := range []int{20, 600, 600, 600, 1} {
		agenttest.Receive(t, f.Statuses)
		wait := f.host.Clock.Waiting()
		if wait < time.Duration(want)*850*time.Millisecond || wait > time.Duration(want)*950*time.Millisecond {
			t.Errorf("waits %v, want about %d s", wait, want)
		}
		if want != 1 {
			f.host.Clock.Advance(wait)
		}
	}
	if known := f.host.Store.Values(); known.Step != 1 {
		t.Errorf("remembered step %d", known.Step)
	}
}

func TestAConfigJobChangesTheStepWithinTheInterval(t *testing.T) {
	f := newFixture(t)
	f.OnStatus = func(ask wire.StatusRequest) (wire.StatusReply, error) {
		if ask.Step == 3 {
			return wire.StatusReply{}, nil
		}
		return wire.StatusReply{Jobs: []wire.Job{{ID: "j", Action: "config", Step: 3}, {ID: "j", Action: "config", Step: 3}}}, nil
	}
	f.start()
	agenttest.Receive(t, f.Statuses)
	results := agenttest.Receive(t, f.Results)
	if len(results) != 1 || results[0].ID != "j" || results[0].ErrCode != 0 {
		t.Errorf("results %+v", results)
	}
	for wait := f.host.Clock.Waiting(); wait > 4*time.Second; wait = f.host.Clock.Waiting() {
	}
	f.host.Clock.Advance(4 * time.Second)
	if next := agenttest.Receive(t, f.Statuses); next.Step != 3 {
		t.Errorf("step %d, want 3", next.Step)
	}
}

func TestResultsAreSentUntilTheServerTakesThem(t *testing.T) {
	f := newFixture(t)
	answers := []func() (wire.ResultReply, error){
		func() (wire.ResultReply, error) { return wire.ResultReply{ErrCode: 7}, nil },
		func() (wire.ResultReply, error) { return wire.ResultReply{}, errors.New("out of order") },
		func() (wire.ResultReply, error) { return wire.ResultReply{}, agenttest.Refuse(400, "bad_result") },
		func() (wire.ResultReply, error) { return wire.ResultReply{ErrCode: 1}, nil },
		func() (wire.ResultReply, error) { return wire.ResultReply{}, nil },
	}
	f.OnResults = func([]wire.JobResult) (wire.ResultReply, error) {
		answer := answers[0]
		answers = answers[1:]
		return answer()
	}
	f.OnStatus = func(wire.StatusRequest) (wire.StatusReply, error) {
		return wire.StatusReply{Jobs: []wire.Job{{ID: "j", Action: "dance"}}}, nil
	}
	stop := f.start()
	for i := range 5 {
		if i == 3 { // results outlive the agent
			f.logged("bad_result")
			stop()
			stop = f.start()
		}
		results := await(f, f.Results)
		if len(results) != 1 || results[0].ID != "j" || results[0].ErrCode != wire.ErrCodeUnknownAction {
			t.Fatalf("results %+v", results)
		}
	}
	f.logged("errcode 7")
}

func TestADuplicateJobIsAnsweredAgainAndDoneOnce(t *testing.T) {
	f := newFixture(t)
	f.OnStatus = func(wire.StatusRequest) (wire.StatusReply, error) {
		return wire.StatusReply{Jobs: []wire.Job{{ID: "j", Action: "config", Step: 20}}}, nil
	}
	f.start()
	for range 3 {
		f.beat()
		if results := await(f, f.Results); len(results) != 1 || results[0].ErrCode != 0 {
			t.Errorf("results %+v", results)
		}
	}
	if n := strings.Count(f.host.Log.String(), "job done"); n != 1 {
		t.Errorf("done %d times", n)
	}
}

func TestAHostThatTheServerForgotRegistersAgain(t *testing.T) {
	f := newFixture(t)
	beats := 0
	f.OnStatus = func(wire.StatusRequest) (wire.StatusReply, error) {
		if beats++; beats == 2 {
			return wire.StatusReply{}, agenttest.Refuse(http.StatusNotFound, "not_registered")
		}
		return wire.StatusReply{}, nil
	}
	f.start()
	await(f, f.Registers)
	f.beat()
	f.beat()
	await(f, f.Registers)
	f.beat()
	f.logged("not_registered")
	f.logged("heartbeats arrive again")
}

func TestRefusalsAreLoggedOnceAndWaited(t *testing.T) {
	f := newFixture(t)
	refusal := &link.Refusal{Status: 429, Cause: wire.Error{Code: "too_many_requests", Message: "busy"}, RetryAfter: 40 * time.Second}
	f.OnRegister = func(wire.RegisterRequest) (wire.RegisterReply, error) { return wire.RegisterReply{}, refusal }
	f.start()
	for range 5 {
		agenttest.Receive(t, f.Registers)
		wait := f.host.Clock.Waiting()
		if wait < 40*time.Second || wait > 50*time.Second {
			t.Errorf("waits %v, want 40 to 50 s", wait)
		}
		f.host.Clock.Advance(wait)
	}
	if n := strings.Count(f.host.Log.String(), "too_many_requests"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

func TestARestartedServerIsFoundAgain(t *testing.T) {
	f := newFixture(t)
	f.start()
	f.answered()
	f.Stop()
	for {
		wait := f.host.Clock.Waiting()
		if wait > step*11/10 {
			t.Errorf("waits %v, longer than a step", wait)
		}
		f.host.Clock.Advance(wait)
		if strings.Contains(f.host.Log.String(), "trouble with the server") {
			break
		}
	}
	f.Start()
	f.beat()
	f.logged("heartbeats arrive again")
	if n := strings.Count(f.host.Log.String(), "msg=registered"); n != 1 {
		t.Errorf("registered %d times, want once", n)
	}
}

func TestAnIdleConnectionThatTheServerClosedIsReplacedSilently(t *testing.T) {
	f := newFixture(t)
	f.start()
	f.answered()
	f.CloseIdle()
	f.answered()
	if log := f.host.Log.String(); strings.Contains(log, "trouble") {
		t.Errorf("a restart between two heartbeats was trouble:\n%s", log)
	}
}

func TestFailOver(t *testing.T) {
	f := newFixture(t)
	second := *f
	second.Server = agenttest.NewServer(t, f.CA)
	f.OnStatus = func(wire.StatusRequest) (wire.StatusReply, error) {
		list := "127.0.0.1:1," + second.Secured + ","
		return wire.StatusReply{Jobs: []wire.Job{{ID: "j", Action: "config", SvrList: list}}}, nil
	}
	f.start()
	f.beat()
	second.answered() // nothing listens on the first of the list
	if status := f.status(); status.ServerSource != "list set by a job" || status.Server != second.Secured {
		t.Errorf("status %+v", status)
	}
	second.Stop()
	f.beat() // the default list is still there
}

func TestRenewal(t *testing.T) {
	f := newFixture(t)
	f.Life = 30 * time.Hour
	refusals := 2
	f.OnRenew = func(wire.RenewRequest) error {
		if refusals--; refusals >= 0 {
			return agenttest.Refuse(500, "internal")
		}
		return nil
	}
	f.start()
	f.beat()
	before := agenttest.Receive(t, f.Handshakes).PeerCertificates[0]
	if len(f.Renews) != 0 {
		t.Error("renewed at once")
	}
	f.host.Clock.Advance(19*time.Hour + 58*time.Minute)
	f.beat()
	if len(f.Renews) != 0 {
		t.Error("renewed before 2/3 of the life")
	}
	f.host.Clock.Advance(2 * time.Hour)
	await(f, f.Renews)
	f.beat() // goes on with the old certificate
	await(f, f.Renews)
	f.logged("the certificate is not renewed")
	await(f, f.Renews)
	f.beat()
	after := await(f, f.Handshakes).PeerCertificates[0]
	if after.Equal(before) || after.Subject.CommonName != before.Subject.CommonName {
		t.Error("the connection after the renewal shows the old certificate or another agent")
	}
	if public, ok := after.PublicKey.(interface{ Equal(x any) bool }); ok && public.Equal(before.PublicKey) {
		t.Error("the key is the old one")
	}
}

func TestAnAnswerWithoutEndIsAnError(t *testing.T) {
	f := newFixture(t)
	f.OnStatus = func(wire.StatusRequest) (wire.StatusReply, error) {
		return wire.StatusReply{Message: strings.Repeat("x", link.MaxBody)}, nil
	}
	f.start()
	f.beat()
	f.beat()
	f.logged(link.ErrTooLarge.Error())
}

func TestSessionsAreResumed(t *testing.T) {
	f := newFixture(t)
	f.start()
	f.beat()
	if first := agenttest.Receive(t, f.Handshakes); first.DidResume {
		t.Error("the first connection resumed a session")
	}
	f.CloseIdle()
	f.beat()
	if second := agenttest.Receive(t, f.Handshakes); !second.DidResume {
		t.Error("the second connection did not resume the session")
	}
}
