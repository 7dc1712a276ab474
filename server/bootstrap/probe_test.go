package bootstrap

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"hostler/db"
	"hostler/server/operation"
	setupscripts "hostler/setup-scripts"
)

// check starts a check of one host per name, all on the same sshd.
func (r *rig) check(s *sshd, c *Credentials, names ...string) *db.Operation {
	r.t.Helper()
	r.engine.Register(r.b.CheckKind())
	spec := CheckSpec("", "tester", hosts(names...), c)
	for i := range spec.Tasks {
		spec.Tasks[i].Params = TaskParams{Address: "127.0.0.1", Port: s.port()}
	}
	o, err := r.engine.Start(r.t.Context(), spec)
	must(r.t, err)
	return o
}

func TestCheckChangesNothingAndFindsTheKey(t *testing.T) {
	script, file := record(t, strings.Replace(recorder, "arch=amd64", `arch=amd64 "time=$(($(date +%s) + 100))"`, 1))
	r := newRig(t, script, nil)
	c, key := login(t)
	s := newSSHD(t, "", []ssh.PublicKey{key})
	id := r.check(s, c, "node1.test").ID
	task := r.wait(id)[0]
	wantDone(t, r, task)
	body, err := os.ReadFile(file)
	must(t, err)
	if got := string(body); !strings.Contains(got, "[look]") || strings.Count(got, "\n") != 1 {
		t.Errorf("the script was called %q", got)
	}
	if !strings.Contains(task.Note, "Debian 12") || !strings.Contains(task.Note, "clock +100 s") && !strings.Contains(task.Note, "clock +99 s") {
		t.Errorf("note %q", task.Note)
	}
	wantNoLeftovers(t)
	found := FoundOf(&task)
	if found.Known || !strings.HasPrefix(found.Key.Fingerprint, "SHA256:") || len(r.tokens) != 0 {
		t.Errorf("found %+v, tokens %v", found, r.tokens)
	}
	keys := func() int {
		known, err := r.b.DB.SSHHostKeys(t.Context(), found.Key.Target)
		must(t, err)
		return len(known)
	}
	if keys() != 0 {
		t.Error("the key is trusted though nobody said so")
	}

	// The credentials are there for the bootstrap, and the key once it was approved.
	var clone *Credentials
	must(t, r.engine.Borrow(t.Context(), id, func(s operation.Secrets) error { clone = s.(*Credentials).Clone(); return nil }))
	must(t, clone.Check())
	n, err := TrustFound(t.Context(), r.b.DB, []db.Task{task})
	must(t, err)
	if n != 1 || keys() != 1 {
		t.Errorf("%d keys were trusted, %d are", n, keys())
	}
	if again := r.wait(r.check(s, clone, "node1.test").ID)[0]; !FoundOf(&again).Known {
		t.Error("the key is not known the next time")
	}
	must(t, r.engine.Forget(t.Context(), id))
	if err := r.engine.Borrow(t.Context(), id, func(operation.Secrets) error { return nil }); !errors.Is(err, operation.ErrSecretsNeeded) {
		t.Errorf("forgotten credentials gave %v", err)
	}
}

// The real script finds the system and then, with the same call, that the server cannot be reached from the host.
func TestCheckTellsWhatItFoundOfAnUnfitHost(t *testing.T) {
	const nobody = 1 // tcpmux, where nothing has listened for decades
	r := newRig(t, string(setupscripts.Script()), func(o *Options) {
		o.Advertise, o.HandshakePort, o.SecuredPort = "127.0.0.1", nobody, nobody
	})
	c, key := login(t)
	task := r.wait(r.check(newSSHD(t, "", []ssh.PublicKey{key}), c, "node1.test").ID)[0]
	if task.State != db.Failed || task.Problem.Code != codeServerUnreachable || task.Step != "check" || !strings.Contains(task.Note, "amd64") && !strings.Contains(task.Note, "arm64") {
		t.Errorf("step %s, note %q, problem %+v\n%s", task.Step, task.Note, task.Problem, r.log(task.ID))
	}
	wantNoLeftovers(t)
}

func TestLookingTakesPartOfTheScript(t *testing.T) {
	whole, part := setupscripts.Script(), looking(setupscripts.Script())
	if len(part) > len(whole)*6/10 || bytes.Contains(part, []byte("verb_install()")) || !bytes.Contains(part, []byte("verb_look()")) {
		t.Errorf("%d of %d bytes", len(part), len(whole))
	}
	other := []byte("#!/bin/sh\nexit 0\n")
	if got := looking(other); !bytes.Equal(got, other) {
		t.Errorf("another script became %q", got)
	}
}

func TestFailedHostsAreMendedAlone(t *testing.T) {
	r := newRig(t, "", nil)
	c, key := login(t)
	s := newSSHD(t, "", []ssh.PublicKey{key})
	wrong, _ := login(t)
	names := []string{"node1.test", "node2.test"}
	good := c.Clone()
	must(t, good.Check())
	wrong.With("good", good) // node2 has credentials of its own
	r.engine.Register(r.b.CheckKind())
	spec := CheckSpec("", "tester", hosts(names...), wrong)
	spec.Tasks[0].Params = TaskParams{Address: "127.0.0.1", Port: s.port()}
	spec.Tasks[1].Params = TaskParams{Address: "127.0.0.1", Port: s.port(), Credentials: "good"}
	o, err := r.engine.Start(t.Context(), spec)
	must(t, err)
	tasks := r.wait(o.ID)
	if tasks[0].Problem.Code != codeKeyRefused || tasks[1].State != db.Done {
		t.Fatalf("tasks %+v", tasks)
	}
	var all *Credentials
	must(t, r.engine.Borrow(t.Context(), o.ID, func(s operation.Secrets) error { all = s.(*Credentials).Clone(); return nil }))
	must(t, all.Check())
	all.With("mended", all.Changed(c))
	params, err := ParamsOf(&tasks[0])
	must(t, err)
	params.Credentials = "mended"
	n, err := r.engine.Change(t.Context(), o.ID, map[int64]any{tasks[0].ID: params, tasks[1].ID: params}, all, "tester")
	must(t, err)
	tasks = r.wait(o.ID)
	if n != 1 || tasks[0].State != db.Done || tasks[0].Attempt != 2 || tasks[1].Attempt != 1 {
		t.Errorf("%d ran again: %+v", n, tasks)
	}
	checked, err := Checked(tasks)
	must(t, err)
	if got := []string{checked[0].Credentials, checked[1].Credentials}; !slices.Equal(got, []string{"mended", "good"}) {
		t.Errorf("the bootstrap would use %v", got)
	}
	missing := TaskParams{Address: "127.0.0.1", Port: s.port(), Credentials: "none"}
	spec = CheckSpec("", "tester", hosts("node3.test"), c)
	spec.Tasks[0].Params = missing
	o, err = r.engine.Start(t.Context(), spec)
	must(t, err)
	if got := r.wait(o.ID)[0].Problem.Code; got != codeCredentialsMissing {
		t.Errorf("credentials that nobody gave fail with %q", got)
	}
}

func TestChangedCredentials(t *testing.T) {
	c := &Credentials{User: "me", Port: 7, PrivateKey: []byte("k"), Passphrase: []byte("p"), Password: []byte("w"), SudoPassword: []byte("s")}
	set := c.Changed(&Credentials{SudoPassword: []byte("t")})
	if string(set.SudoPassword) != "t" || string(set.PrivateKey) != "k" || set.User != "me" || set.Port != 7 {
		t.Errorf("another sudo password gives %s", set)
	}
	set = c.Changed(&Credentials{Password: []byte("x")})
	if string(set.Password) != "x" || len(set.PrivateKey)+len(set.Passphrase) != 0 || string(set.SudoPassword) != "s" {
		t.Errorf("another password gives %s", set)
	}
	c.With("other", set)
	c.Wipe()
	if len(set.Password) != 0 {
		t.Error("further credentials are not wiped")
	}
}
