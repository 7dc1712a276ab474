package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const somePin = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestApplyChangesNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc", "agent.ini")
	first := []Change{{"server", "host", "hostler.example"}, {"server", "ca_pin", somePin}, {"agent", "hostname", "node1"}, {"agent", "token", "secret"}}
	s, err := Apply(path, first)
	if err != nil || s.Host != "hostler.example" || s.Token != "secret" || s.Path != path {
		t.Fatalf("made is %+v, %v", s, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info, err)
	}
	edited := "# ours\n[Server]\nhost = old.example ; the first\nca_pin = " + somePin + "\n\n[agent]\nstep = 20\nhostname = node1\ntoken = old"
	if err := os.WriteFile(path, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = Apply(path, []Change{{"server", "host", "new.example"}, {"server", "secured_port", "9441"}, {"agent", "token", ""}, {"agent", "wake", "no"}})
	if err != nil || s.Host != "new.example" || s.SecuredPort != 9441 || s.Step != 20 || s.Token != "" || s.Wake {
		t.Fatalf("changed is %+v, %v", s, err)
	}
	want := "# ours\n[Server]\nsecured_port = 9441\nhost = new.example\nca_pin = " + somePin + "\n\n[agent]\nwake = no\nstep = 20\nhostname = node1\n"
	if text, _ := os.ReadFile(path); string(text) != want {
		t.Errorf("it reads\n%s", text)
	}
}

func TestApplyWritesNothingThatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.ini")
	good := "[server]\nhost = hostler.example\nca_pin = " + somePin + "\n"
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Change{
		"a wrong name":      {"server", "host", "a b"},
		"a wrong pin":       {"server", "ca_pin", "1234"},
		"a missing one":     {"server", "host", ""},
		"a line of its own": {"agent", "token", "x\nhostname = evil"},
		"a comment":         {"agent", "token", "x ; y"},
	} {
		if _, err := Apply(path, []Change{c}); err == nil || strings.Contains(err.Error(), ".new") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, _ := os.ReadFile(path); string(text) != good {
		t.Errorf("it reads\n%s", text)
	}
	if left, _ := filepath.Glob(path + "?*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
