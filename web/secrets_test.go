package web

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hostler/db"
	"hostler/db/dbtest"
)

// TestSecretsStayInMemory posts marked secrets in every way there is and then looks for them everywhere.
func TestSecretsStayInMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hostler.db") // SQLite in any case: its files can be searched
	d := dbtest.OpenURL(t, "sqlite:"+path)
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := newServerOn(t, d)
	b := s.setUp()
	key := sshKey(t)
	const password, sudo = "marker-login-password", "marker-sudo-password"
	// A line from the middle of the key: its frame is the same in every key.
	markers := map[string]string{"key": strings.Split(key, "\n")[2], "password": password, "sudo password": sudo, "bearer token": s.token, "session": b.cookie(sessionCookie)}

	ssh := map[string]any{"private_key": key, "password": password, "sudo_password": sudo, "passphrase": ""}
	r := s.api(post, api+"/bootstraps", toJSON(t, map[string]any{"hosts": "bad.lab.test", "ssh": ssh}))
	var started startedReply
	r.json(t, &started)
	s.awaitOperation(started.OperationID, db.Failed)
	seen := []string{r.body, s.api(post, fmt.Sprintf("%s/operations/%d/retry", api, started.OperationID), toJSON(t, map[string]any{"ssh": ssh})).body}
	s.awaitOperation(started.OperationID, db.Done)
	seen = append(seen, s.api(post, api+"/bootstraps", toJSON(t, map[string]any{"hosts": "a[", "ssh": ssh, "unknown": 1})).body)

	seen = append(seen, s.api(post, api+"/keys/check", toJSON(t, map[string]any{"private_key": key, "passphrase": password})).body)
	draft := b.newDraft("dc1")
	form := b.hostsForm(draft, "bad[", key)
	form.Set("password", password)
	form.Set("sudo_password", sudo)
	seen = append(seen, b.save(draft, toJSON(t, map[string]any{"version": 2, "password": password, "key": key})).body, b.upload(draft+"/hosts", form, "text/html").body)
	form = b.hostsForm(draft, "bad.lab.test", key)
	form.Set("password", password)
	form.Set("sudo_password", sudo)
	form.Set("key", key)
	seen = append(seen, b.upload(draft+"/hosts", form, scripts).body)
	last := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 1))[0]
	s.awaitOperation(last.ID, db.Failed)
	seen = append(seen, b.upload(operationPath(last.ID)+"/unlock", url.Values{"key": {key}, "password": {password}, "sudo_password": {sudo}}, "text/html").body)
	s.awaitOperation(last.ID, db.Done)
	for _, p := range []string{"/", "/operations", operationPath(last.ID), draft + "/hosts", draft + "/confirm", draft + "/summary", "/events", "/wizards", "/metrics"} {
		seen = append(seen, b.get(p).body)
	}

	files := must[[]string](t)(filepath.Glob(path + "*"))
	if len(files) < 2 {
		t.Fatalf("the database has no WAL: %v", files)
	}
	for what, marker := range markers {
		for _, file := range files {
			if bytes.Contains(must[[]byte](t)(os.ReadFile(file)), []byte(marker)) {
				t.Errorf("the %s is in %s", what, filepath.Base(file))
			}
		}
		if strings.Contains(s.log.String(), marker) {
			t.Errorf("the %s is in the log", what)
		}
		for i, text := range seen {
			if strings.Contains(text, marker) {
				t.Errorf("the %s is in answer %d: %.300s", what, i, text)
			}
		}
	}
	if !strings.Contains(s.log.String(), "/wizards/") {
		t.Error("the log that was searched is not the one that requests are told in")
	}
}
