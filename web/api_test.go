package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
)

func TestExpand(t *testing.T) {
	s := newServer(t)
	var got expandReply
	s.api(post, api+"/hosts/expand", toJSON(t, expandRequest{Text: "node[1-2].lab.test, Web\r\n# none\nweb[9-3]\n"})).json(t, &got)
	if strings.Join(got.Hosts, " ") != "node1.lab.test node2.lab.test web" || len(got.Errors) != 1 || got.Errors[0].Line != 3 || got.Errors[0].Message == "" {
		t.Errorf("expanded to %+v", got)
	}
	var empty expandReply
	s.api(post, api+"/hosts/expand", `{"text":""}`).json(t, &empty)
	if empty.Hosts == nil || len(empty.Errors) != 1 {
		t.Errorf("nothing expanded to %+v", empty)
	}
}

func TestBadJSON(t *testing.T) {
	s := newServer(t)
	for body, field := range map[string]string{
		`{"txet":"a"}`: "txet", `{"text":1}`: "text", `{"text":`: "", `nonsense`: "", `{"text":"a"} {}`: "", ``: "",
	} {
		r := s.api(post, api+"/hosts/expand", body)
		e := r.failure(t)
		if r.status != http.StatusBadRequest || e.Code != "bad_json" || (field != "" && e.Fields[field] == "") {
			t.Errorf("%s answered %d %s", body, r.status, r.body)
		}
	}
	r := send(t, http.DefaultClient, post, s.public.URL+api+"/hosts/expand", strings.NewReader("{}"), map[string]string{"Authorization": "Bearer " + s.token})
	if r.status != http.StatusUnsupportedMediaType {
		t.Errorf("a body without a type answered %d", r.status)
	}
}

func TestBootstrapRefusesBadInput(t *testing.T) {
	s := newServer(t)
	key := sshKey(t)
	for _, c := range []struct{ name, hosts, key, field string }{
		{"no host", "", key, "hosts"},
		{"bad range", "host[3-1]", key, "hosts"},
		{"more names than meant", "h[1-99999]", key, "many"},
		{"too many names", "h[1-999999]", key, "hosts"},
		{"bad port", "root@node1:99999", key, "hosts"},
		{"public key", "node1", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me", "ssh.private_key"},
		{"certificate", "node1", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ssh.private_key"},
		{"no key", "node1", "", "ssh.private_key"},
		{"key of 5 MB", "node1", strings.Repeat("k", 5<<20), "ssh.private_key"},
		{"list of 2 MB", strings.Repeat("node1\n", 400_000), key, "hosts"},
	} {
		r := s.api(post, api+"/bootstraps", toJSON(t, map[string]any{"hosts": c.hosts, "ssh": map[string]any{"private_key": c.key}}))
		if e := r.failure(t); r.status != http.StatusUnprocessableEntity || e.Fields[c.field] == "" || len(e.Fields) != 1 {
			t.Errorf("%s answered %d %.300s", c.name, r.status, r.body)
		}
	}
	if r := s.api(post, api+"/bootstraps", `{"hosts":"node1","ssh":{"port":70000},"parallel":-1}`); len(r.failure(t).Fields) != 2 {
		t.Errorf("two bad fields answered %s", r.body)
	}
	if r := s.api(post, api+"/bootstraps", `{"hosts":"`+strings.Repeat("a", 20<<20)+`"}`); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("20 MB answered %d", r.status)
	}
	if ops := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 10)); len(ops) != 0 {
		t.Errorf("%d operations were started", len(ops))
	}
}

func TestOperationLife(t *testing.T) {
	s := newServer(t)
	id := s.startBootstrap("node[1-2].lab.test, bad.lab.test")
	s.awaitOperation(id, db.Failed)
	path := fmt.Sprintf("%s/operations/%d", api, id)
	var o operationDetailReply
	s.api(get, path, "").json(t, &o)
	if o.Counts[db.Done] != 2 || o.Counts[db.Failed] != 1 || !o.HasSecrets || o.CreatedBy != "token:ci" || len(o.Tasks) != 3 {
		t.Errorf("the operation is %+v", o)
	}
	failed := o.Tasks[2]
	if failed.Name != "bad.lab.test" || failed.Problem.Code != "disk_full" || len(failed.Steps) != 2 || failed.Steps[1].State != db.Failed {
		t.Errorf("the failed task is %+v", failed)
	}

	log := s.api(get, fmt.Sprintf("%s/tasks/%d/log", path, failed.ID), "")
	if !strings.Contains(log.body, "hello bad.lab.test") || log.header.Get("X-Log-Next") != fmt.Sprint(len(log.body)) {
		t.Errorf("the log ends at %s: %q", log.header.Get("X-Log-Next"), log.body)
	}
	if rest := s.api(get, fmt.Sprintf("%s/tasks/%d/log?offset=5", path, failed.ID), ""); rest.body != log.body[5:] {
		t.Errorf("the log from 5 is %q", rest.body)
	}

	if r := s.api(post, path+"/cancel", ""); r.status != http.StatusConflict || r.failure(t).Code != "nothing_to_do" {
		t.Errorf("cancelling what has ended answered %d %s", r.status, r.body)
	}
	if r := s.api(post, path+"/retry", fmt.Sprintf(`{"tasks":[%d]}`, failed.ID)); r.status != 200 {
		t.Errorf("the retry answered %d %s", r.status, r.body)
	}
	s.awaitOperation(id, db.Done)
	if r := s.api(get, fmt.Sprintf("%s/operations/%d/tasks/%d", api, id+1, failed.ID), ""); r.status != http.StatusNotFound {
		t.Errorf("a task of another operation answered %d", r.status)
	}
}

func TestPendingStepsAreTold(t *testing.T) {
	s := newServer(t)
	id := s.startBootstrap("slow.lab.test")
	path := fmt.Sprintf("%s/operations/%d", api, id)
	started := make(chan struct{})
	cancel := must[func()](t)(s.bus.Subscribe("task.>", func(_ string, payload []byte) {
		if strings.Contains(string(payload), `"step":"install"`) {
			select {
			case <-started:
			default:
				close(started)
			}
		}
	}))
	defer cancel()
	var o operationDetailReply
	s.api(get, path, "").json(t, &o)
	if o.Tasks[0].Step != "install" {
		<-started
		s.api(get, path, "").json(t, &o)
	}
	if steps := o.Tasks[0].Steps; steps[0].State != db.Done || steps[1].State != db.Running {
		t.Errorf("the steps are %+v", steps)
	}
	if r := s.api(post, path+"/skip", fmt.Sprintf(`{"tasks":[%d]}`, o.Tasks[0].ID)); r.status != 200 {
		t.Errorf("taking the host out answered %d %s", r.status, r.body)
	}
	s.awaitOperation(id, db.Skipped)
}

func TestSecretsAreAskedForAgain(t *testing.T) {
	s := newServer(t)
	id := s.startBootstrap("slow.lab.test")
	path := fmt.Sprintf("%s/operations/%d", api, id)
	ctx, cancel := context.WithTimeout(t.Context(), waitMost)
	defer cancel()
	if err := s.web.Engine.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	s.restart()
	s.awaitOperation(id, db.Waiting)
	close(s.release)
	if r := s.api(post, path+"/unlock", "{}"); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields["ssh"] == "" {
		t.Errorf("unlocking without a key answered %d %s", r.status, r.body)
	}
	if r := s.api(post, path+"/unlock", `{"ssh":{"private_key":"nonsense"}}`); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields["ssh.private_key"] == "" {
		t.Errorf("unlocking with nonsense answered %d %s", r.status, r.body)
	}
	if r := s.api(post, path+"/unlock", toJSON(t, map[string]any{"ssh": map[string]any{"private_key": sshKey(t)}})); r.status != 200 {
		t.Errorf("unlocking answered %d %s", r.status, r.body)
	}
	s.awaitOperation(id, db.Done)
}

func TestRetryNeedsSecrets(t *testing.T) {
	s := newServer(t)
	id := s.startBootstrap("bad.lab.test")
	s.awaitOperation(id, db.Failed)
	s.restart()
	path := fmt.Sprintf("%s/operations/%d", api, id)
	if r := s.api(post, path+"/retry", ""); r.status != http.StatusConflict || r.failure(t).Code != "secrets_needed" {
		t.Errorf("a retry without a key answered %d %s", r.status, r.body)
	}
	if r := s.api(post, path+"/retry", toJSON(t, map[string]any{"ssh": map[string]any{"private_key": sshKey(t)}})); r.status != 200 {
		t.Errorf("a retry with a key answered %d %s", r.status, r.body)
	}
	s.awaitOperation(id, db.Done)
}

func TestHosts(t *testing.T) {
	s := newServer(t)
	for _, name := range []string{"a.lab.test", "b.lab.test", "c.lab.test"} {
		s.register(name)
	}
	var all []string
	next := ""
	for {
		var page hostsReply
		s.api(get, api+"/hosts?limit=2&after="+next, "").json(t, &page)
		for _, h := range page.Items {
			all = append(all, h.Name)
			if h.State != db.HostHealthy || h.Step != 10 || h.LastSeenAt == nil {
				t.Errorf("host %+v", h)
			}
		}
		if next = page.Next; next == "" {
			break
		}
	}
	if strings.Join(all, " ") != "a.lab.test b.lab.test c.lab.test" {
		t.Errorf("the pages hold %v", all)
	}
	var found hostsReply
	s.api(get, api+"/hosts?search=b.lab", "").json(t, &found)
	if len(found.Items) != 1 {
		t.Errorf("found %+v", found)
	}
	for _, query := range []string{"state=none", "after=x", "limit=0", "limit=x"} {
		if r := s.api(get, api+"/hosts?"+query, ""); r.status != http.StatusBadRequest || len(r.failure(t).Fields) != 1 {
			t.Errorf("?%s answered %d %s", query, r.status, r.body)
		}
	}
}

func TestHostHistory(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	_, id := s.register("node1.lab.test")
	row := must[*db.Host](t)(s.db.HostByID(t.Context(), id))
	if _, sn := s.agent("node1.lab.test"); sn != row.AgentSN {
		t.Fatalf("the host came back as %s", sn)
	}
	var h hostDetailReply
	s.api(get, fmt.Sprintf("%s/hosts/%d", api, id), "").json(t, &h)
	newest := must[*db.Certificate](t)(s.db.CurrentCertificate(t.Context(), row.AgentSN))
	if h.CertExpires == nil || !h.CertExpires.Equal(newest.NotAfter) || time.Until(*h.CertExpires) < 6*24*time.Hour {
		t.Errorf("the certificate ends at %v", h.CertExpires)
	}
	if !slices.ContainsFunc(h.Events, func(e db.Event) bool { return e.Kind == event.HostEnrolled }) {
		t.Errorf("its enrolment is not among %+v", h.Events)
	}
	if page := b.get(fmt.Sprintf("/hosts/%d", id)).body; !strings.Contains(page, newest.NotAfter.UTC().Format(time.RFC3339)[:19]) {
		t.Error("its page does not tell when the certificate ends")
	}
}

func TestHostStep(t *testing.T) {
	s := newServer(t)
	c, id := s.register("node1.lab.test")
	path := fmt.Sprintf("%s/hosts/%d", api, id)
	if r := s.api(post, path+"/step", `{"step":30}`); r.status != 200 {
		t.Fatalf("answered %d %s", r.status, r.body)
	}
	if got := s.beat(c, "node1.lab.test"); got.Step != 30 {
		t.Errorf("the heartbeat brought step %d", got.Step)
	} else if len(got.Jobs) != 1 || got.Jobs[0].Action != wire.ActionConfig || got.Jobs[0].Step != 30 {
		t.Errorf("the heartbeat brought the jobs %+v", got.Jobs)
	}
	if r := s.api(post, path+"/step", `{"step":-1}`); r.failure(t).Fields["step"] == "" {
		t.Errorf("a negative step answered %d %s", r.status, r.body)
	}
	var h hostDetailReply
	s.api(get, path, "").json(t, &h)
	if h.Step != 30 || h.Facts == nil || len(h.Events) == 0 || h.Jobs == nil {
		t.Errorf("the host is %+v", h)
	}
}

func TestMetrics(t *testing.T) {
	s := newServer(t)
	s.register("node1.lab.test")
	s.awaitOperation(s.startBootstrap("bad.lab.test"), db.Failed)
	r := s.browser().get("/metrics")
	for _, line := range []string{
		`hostler_hosts{state="healthy"} 1`, `hostler_hosts{state="lost"} 0`, "hostler_heartbeats_total 1", `hostler_operations{state="running"} 0`,
		"hostler_live_connections 0", "hostler_wake_channels 0", "hostler_agent_events_total 0", "process_resident_memory_bytes", `route="/agent/status"`, `route="/api/v1/bootstraps"`,
	} {
		if !strings.Contains(r.body, line) {
			t.Errorf("there is no %s", line)
		}
	}
}

func TestHealth(t *testing.T) {
	s := newServer(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if r := s.browser().get(path); r.status != 200 {
			t.Errorf("%s answered %d", path, r.status)
		}
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	if r := s.browser().get("/readyz"); r.status != http.StatusServiceUnavailable {
		t.Errorf("/readyz without a database answered %d", r.status)
	}
}
