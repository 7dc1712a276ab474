package hosts

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"hostler/e2e/bench/rig"
)

// browser is somebody who has logged in and sends forms.
type browser struct {
	*run
	client *http.Client
}

// logIn makes an operator and lets it log in by the form.
func (r *run) logIn() *browser {
	r.Helper()
	const name, password = "olga", "correct horse battery staple"
	must(r.T, r.Call(r.Context(), http.MethodPost, "/api/v1/users", map[string]any{"name": name, "password": password, "role": "operator"}, nil))
	jar, err := cookiejar.New(nil)
	must(r.T, err)
	b := &browser{r, &http.Client{
		Jar: jar, Transport: &http.Transport{DialContext: r.Lab.Dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	b.Cleanup(b.client.CloseIdleConnections)
	b.send("/login", url.Values{"name": {name}, "password": {password}})
	return b
}

var (
	csrfField  = regexp.MustCompile(`name="csrf" value="([^"]*)"`)
	batchField = regexp.MustCompile(`<input[^>]* name="batch"`)
)

// send fills in the form of a page and returns where that leads.
func (b *browser) send(path string, fields url.Values) (to string) {
	b.Helper()
	_, form := b.do(http.MethodGet, path, nil)
	found := csrfField.FindStringSubmatch(form)
	if found == nil {
		b.Fatalf("%s has no form: %.2000s", path, form)
	}
	if fields.Has("batch") && !batchField.MatchString(form) {
		b.Errorf("the form of %s has no field for batches", path)
	}
	fields.Set("csrf", html.UnescapeString(found[1]))
	answer, text := b.do(http.MethodPost, path, fields)
	if answer.StatusCode != http.StatusSeeOther {
		b.Fatalf("the form of %s answered %s: %.2000s", path, answer.Status, text)
	}
	return answer.Header.Get("Location")
}

func (b *browser) do(method, path string, fields url.Values) (*http.Response, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, rig.Site+path, strings.NewReader(fields.Encode()))
	must(b.T, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", rig.Site)
	answer, err := b.client.Do(r)
	must(b.T, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	must(b.T, err)
	return answer, string(text)
}

// upgradeInBatches has the agents of all hosts upgraded by the form, one after the other.
func (r *run) upgradeInBatches() {
	r.Helper()
	to := r.logIn().send("/agent-upgrades/new", url.Values{"all": {"1"}, "batch": {"1"}, "timeout": {"120"}})
	id, err := strconv.ParseInt(strings.TrimPrefix(to, "/operations/"), 10, 64)
	if err != nil {
		r.Fatalf("the form leads to %q", to)
	}
	must(r.T, r.Await(r.Context(), id))
	var done struct {
		Tasks []struct {
			StartedAt string `json:"started_at"`
			EndedAt   string `json:"finished_at"`
		} `json:"tasks"`
	}
	must(r.T, r.Call(r.Context(), http.MethodGet, fmt.Sprintf("/api/v1/operations/%d", id), nil, &done))
	if len(done.Tasks) != 2 {
		r.Fatalf("there are %d tasks", len(done.Tasks))
	}
	first, second := done.Tasks[0], done.Tasks[1]
	if second.StartedAt < first.StartedAt {
		first, second = second, first
	}
	if first.EndedAt == "" || second.StartedAt < first.EndedAt {
		r.Errorf("the second batch began before the first had ended: %+v", done.Tasks)
	}
}
