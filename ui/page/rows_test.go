package page

import (
	"context"
	"maps"
	"testing"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/live"
)

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func TestTaskRow(t *testing.T) {
	refused := Problem{
		Code: "key_refused", Cause: "a refuses the SSH key SHA256:x for the user root.", Hint: "Add it.",
		Args: map[string]string{"host": "a", "fingerprint": "SHA256:x", "user": "root"},
	}
	for _, c := range []struct {
		name  string
		lang  string
		task  Task
		tone  string
		group string
		cells map[string]string
	}{
		{"queued", i18n.English, Task{State: Pending, Step: "connect"}, live.ToneWaiting, GroupWaiting, map[string]string{"state": "Queued"}},
		{
			"running", i18n.English,
			Task{State: Running, Step: "install", StepNumber: 4, Steps: 10, Started: start},
			live.ToneRunning, GroupRunning,
			map[string]string{"state": "Running", "step": "Install the agent", "progress": "4/10", "elapsed": "2026-03-04T05:06:07Z"},
		},
		{
			"failed", i18n.English,
			Task{State: Failed, Step: "connect", StepNumber: 1, Steps: 10, Problem: refused, Started: start, Finished: start.Add(1400 * time.Millisecond)},
			live.ToneFailed, GroupFailed,
			map[string]string{"state": "Failed", "step": "Log in", "message": refused.Cause, "hint": "Add it.", "elapsed": "1.4 s"},
		},
		{
			"failed, in Chinese", i18n.Chinese,
			Task{State: Failed, Step: "connect", Problem: refused},
			live.ToneFailed, GroupFailed,
			map[string]string{
				"state": "失败", "step": "登录主机", "message": "a 拒绝了用户 root 的 SSH 密钥 SHA256:x。",
				"hint": "把公钥加入主机上该用户的 authorized_keys，或换用其他密钥或用户。",
			},
		},
		{
			"failed with an unknown code, in Chinese", i18n.Chinese,
			Task{State: Failed, Problem: Problem{Code: "new_code", Cause: "It broke.", Hint: "Mend it."}},
			live.ToneFailed, GroupFailed,
			map[string]string{"state": "失败", "message": "It broke.", "hint": "Mend it."},
		},
		{
			"waiting for the key", i18n.English,
			Task{State: Waiting, Step: "connect", Reason: "secrets"},
			live.ToneWaiting, GroupWaiting,
			map[string]string{"state": "Waiting", "step": "Log in", "message": "Waits for the SSH key: the server was restarted and has forgotten it."},
		},
		{
			"done", i18n.English,
			Task{State: Done, Step: "heartbeat", StepNumber: 10, Steps: 10, Note: "Debian 12", Started: start, Finished: start.Add(72 * time.Second)},
			live.ToneDone, GroupDone,
			map[string]string{"state": "Done", "message": "Debian 12", "elapsed": "1 min 12 s"},
		},
		{"removed", i18n.English, Task{State: Skipped}, live.ToneStopped, GroupStopped, map[string]string{"state": "Removed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task.ID, c.task.Name = 5, "a"
			r := TaskRow(i18n.With(t.Context(), c.lang), c.task)
			want := map[string]string{"name": "a", "state": "", "step": "", "progress": "", "message": "", "hint": "", "elapsed": ""}
			maps.Copy(want, c.cells)
			if r.ID != "5" || r.Tone != c.tone || r.Group != c.group || !maps.Equal(r.Cells, want) {
				t.Errorf("got %+v, want tone %s, group %s, cells %v", r, c.tone, c.group, want)
			}
		})
	}
}

func TestOperationValues(t *testing.T) {
	o := Operation{
		Kind: "bootstrap", Title: "Bootstrap 6 hosts", State: Running, Progress: 72, Started: start,
		Counts: Counts{Done: 2, Running: 1, Failed: 1, Pending: 1, Waiting: 1},
	}
	v := OperationValues(t.Context(), o)
	for name, want := range map[string]string{
		"state": "Running", "tone": live.ToneRunning, "progress": "72", "total": "6", "active": "1", "done": "2", "failed": "1",
		"waiting": "2", "stopped": "0", "counts": "2 done · 1 running · 1 failed · 2 waiting",
		"title": "72% · Bootstrap 6 hosts", "elapsed": "2026-03-04T05:06:07Z",
	} {
		if v[name] != want {
			t.Errorf("%s is %q, want %q", name, v[name], want)
		}
	}
	o.State, o.Finished = Failed, start.Add(3*time.Hour+5*time.Minute)
	v = OperationValues(i18n.With(t.Context(), i18n.Chinese), o)
	if v["active"] != "" || v["title"] != "引导安装 6 台主机" || v["elapsed"] != "3 小时 5 分" {
		t.Errorf("an ended operation has %v", v)
	}
}

func TestProgress(t *testing.T) {
	running := func(n int) Task { return Task{State: Running, StepNumber: n, Steps: 10} }
	for _, c := range []struct {
		tasks []Task
		want  int
	}{
		{nil, 0},
		{[]Task{{State: Pending, Steps: 10}}, 0},
		{[]Task{running(1)}, 0},
		{[]Task{running(6)}, 50},
		{[]Task{running(6), {State: Done}}, 75},
		{[]Task{{State: Failed}, {State: Skipped}, {State: Canceled}, {State: Done}}, 100},
	} {
		if got := Progress(c.tasks); got != c.want {
			t.Errorf("progress of %v is %d, want %d", c.tasks, got, c.want)
		}
	}
	if got := (Counts{Done: 1, Failed: 1, Running: 2}).Progress(); got != 50 {
		t.Errorf("progress by counts is %d, want 50", got)
	}
}

func TestHostRow(t *testing.T) {
	h := Host{ID: 7, Name: "a", CallsItself: "A", Address: "10.0.0.1", State: HostUnhealthy, OS: "Debian", AgentVersion: "1.0", Children: 3, ChildrenRun: 2}
	r := HostRow(t.Context(), h)
	want := map[string]string{
		"name": "a", "fqdn": "", "state": "Unhealthy", "address": "10.0.0.1", "os": "Debian", "last_seen": "", "version": "1.0",
		"children": "2/3 running",
	}
	if r.Tone != live.ToneWarning || r.Group != HostUnhealthy || !maps.Equal(r.Cells, want) {
		t.Errorf("got %+v, want %v", r, want)
	}
	h.LastSeen, h.Children, h.State, h.CallsItself = start, 0, HostLost, "b"
	if r = HostRow(t.Context(), h); r.Cells["last_seen"] != "2026-03-04T05:06:07Z" || r.Cells["children"] != "–" || r.Cells["fqdn"] != "b" || r.Tone != live.ToneFailed {
		t.Errorf("got %+v", r)
	}
}

func TestBeatsText(t *testing.T) {
	strip := func(unknown, missed, seen int) []Beat {
		beats := make([]Beat, unknown+missed+seen)
		for i := range beats {
			beats[i] = Beat{Known: i >= unknown, Seen: i >= unknown+missed}
		}
		return beats
	}
	chinese := i18n.With(t.Context(), i18n.Chinese)
	for _, c := range []struct {
		ctx   context.Context
		beats []Beat
		slot  time.Duration
		want  string
	}{
		{t.Context(), strip(0, 0, 30), 20 * time.Second, "No heartbeat missed in the last 10 minutes"},
		{t.Context(), strip(28, 0, 2), 20 * time.Second, "No heartbeat missed in the last 40 seconds"},
		{t.Context(), strip(10, 1, 19), 20 * time.Second, "1 interval without a heartbeat in the last 6 minutes"},
		{t.Context(), strip(0, 30, 0), 20 * time.Second, "30 intervals without a heartbeat in the last 10 minutes"},
		{t.Context(), strip(0, 0, 30), 2 * time.Hour, "No heartbeat missed in the last 2 days"},
		{t.Context(), strip(0, 0, 30), 10 * time.Minute, "No heartbeat missed in the last 5 hours"},
		{chinese, strip(0, 0, 30), 20 * time.Second, "最近 10 分钟内心跳无缺失"},
	} {
		if got := beatsText(c.ctx, c.beats, c.slot); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestEventText(t *testing.T) {
	zh := i18n.With(t.Context(), i18n.Chinese)
	for _, c := range []struct {
		ctx   context.Context
		event Event
		want  string
	}{
		{t.Context(), Event{Kind: "host.lost", Params: map[string]string{"host": "a"}}, "a is lost: its heartbeats stopped"},
		{t.Context(), Event{Kind: "host.lost", HostName: "b"}, "b is lost: its heartbeats stopped"},
		{
			zh,
			Event{Kind: "operation.finished", Params: map[string]string{"kind": "bootstrap", "title": "Bootstrap 4 hosts", "done": "3", "failed": "1"}},
			"引导安装 4 台主机：3 台完成，1 台失败",
		},
		{zh, Event{Kind: "operation.started", Params: map[string]string{"kind": "bootstrap", "title": "Bootstrap a.b"}}, "引导安装 a.b：已开始"},
		{
			zh,
			Event{Kind: "enrol.refused", Params: map[string]string{"host": "a", "code": "token_expired", "message": "the enrolment token expired at noon"}},
			"一个代理的登记请求被拒绝：a（登记令牌已过期）",
		},
		{
			t.Context(),
			Event{Kind: "enrol.refused", Params: map[string]string{"host": "a", "code": "token_expired", "message": "the enrolment token expired at noon"}},
			"An agent was refused at enrolment: a (the enrolment token expired at noon)",
		},
		{
			t.Context(),
			Event{Kind: "config.refused", HostName: "a", Params: map[string]string{"file": "/etc/x.ini", "reason": "line 2: no", "kept": "yes"}},
			"a: /etc/x.ini was refused: line 2: no; what was in force before goes on",
		},
		{zh, Event{Kind: "config.refused", HostName: "a", Params: map[string]string{"file": "/etc/x.ini", "reason": "line 2: no"}}, "a：/etc/x.ini 被拒绝：line 2: no"},
		{t.Context(), Event{Kind: "some.thing"}, "some.thing"},
	} {
		if got := EventText(c.ctx, c.event); got != c.want {
			t.Errorf("%s is %q, want %q", c.event.Kind, got, c.want)
		}
	}
}

func TestActors(t *testing.T) {
	zh := i18n.With(t.Context(), i18n.Chinese)
	for _, c := range []struct {
		ctx         context.Context
		actor, want string
	}{
		{t.Context(), "admin", "admin"}, {t.Context(), "token:t1", "token t1"}, {zh, "token:t1", "令牌 t1"}, {zh, "", ""},
	} {
		row, event := OperationRow(c.ctx, Operation{CreatedBy: c.actor}), EventRow(c.ctx, Event{Actor: c.actor})
		if row.Cells["by"] != c.want || event.Cells["actor"] != c.want {
			t.Errorf("%q is %q and %q, want %q", c.actor, row.Cells["by"], event.Cells["actor"], c.want)
		}
	}
}

func TestElapsedAndBytes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0 s", 1449 * time.Millisecond: "1.4 s", 59 * time.Second: "59 s", time.Minute: "1 min 0 s",
		3 * time.Hour: "3 h 0 min", 76 * time.Hour: "3 d 4 h",
	} {
		if got := Elapsed(t.Context(), d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 16 << 30: "16.0 GiB", 931 << 30: "931 GiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestCertificateTone(t *testing.T) {
	const day = 24 * time.Hour
	for left, want := range map[time.Duration]string{
		7 * day: "", 3 * day: "", 28 * time.Hour: "", 27 * time.Hour: live.ToneWarning, time.Hour: live.ToneWarning, 0: live.ToneFailed, -day: live.ToneFailed,
	} {
		h := Host{CertIssued: start, CertExpires: start.Add(7 * day)}
		if got := certificateTone(h, h.CertExpires.Add(-left)); got != want {
			t.Errorf("%v before the end: %q, want %q", left, got, want)
		}
	}
	if certificateTone(Host{}, start) != "" {
		t.Error("an unknown certificate is warned of")
	}
}

// Lists that go forward by name are asked for what comes after, the others for what came before.
func TestPagesGoOnByTheirKey(t *testing.T) {
	for path, want := range map[string]string{"/hosts": "after", "/host-checks?state=fail": "after", "/wizards/3/checks": "after", "/events": "before", "/operations": "before"} {
		if got := pageKey(path); got != want {
			t.Errorf("%s goes on by %s, not %s", path, got, want)
		}
	}
}
