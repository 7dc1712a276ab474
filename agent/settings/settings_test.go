package settings

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var pinText = strings.Repeat("aB", 32)

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.ini")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadFillsInTheDefaults(t *testing.T) {
	path := write(t, "[server]\nhost = Hostler.Example. ; advertised\nca_pin = "+pinText+"\n[agent]\nhostname = Node1.lab.test\n")
	s, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Host != "hostler.example" || s.Hostname != "node1.lab.test" || s.CAPin != strings.ToLower(pinText) {
		t.Errorf("got %+v", s)
	}
	if s.HandshakeAddress() != "hostler.example:8440" || s.SecuredAddress() != "hostler.example:8441" {
		t.Errorf("got %s and %s", s.HandshakeAddress(), s.SecuredAddress())
	}
	if s.Step != 10 || !s.Wake || s.LogSize != 10<<20 || s.LogCount != 5 || s.CAFile() != filepath.Join(filepath.Dir(path), "ca.pem") {
		t.Errorf("got %+v", s)
	}
}

func TestReadTakesEveryKey(t *testing.T) {
	s, err := Read(write(t, "[server]\nhost = 0:0::1\nhandshake_port = 1\nsecured_port = 2\nca_pin = "+pinText+`
[agent]
hostname = 10.0.0.1
token = secret
step = 86400
wake = no
state_dir = /a/
agents_dir = /b
group_tree = c-1
log_file = /c
later = x
[log]
size = 64K
count = 0
`))
	if err != nil {
		t.Fatal(err)
	}
	if s.SecuredAddress() != "[::1]:2" || s.HandshakeAddress() != "[::1]:1" || s.Token != "secret" || s.Step != 86400 || s.Wake {
		t.Errorf("got %+v", s)
	}
	if s.StateDir != "/a" || s.AgentsDir != "/b" || s.GroupTree != "c-1" || s.LogFile != "/c" || s.LogSize != 64<<10 || s.LogCount != 0 {
		t.Errorf("got %+v", s)
	}
	if len(s.Unknown) != 1 || s.Unknown[0] != "line 15: agent.later" {
		t.Errorf("unknown keys %q", s.Unknown)
	}
}

// hostNames is what isHostName has to take, but for the length.
var hostNames = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

func FuzzHostName(f *testing.F) {
	for _, text := range []string{
		"", "a", "7", "_", "node1", "node1.lab.test", "a-b", "a--b", "a_b", "_dmarc.x", "3com.net", "a-.b", "-a", "a-", "a.-b", ".", "a.", ".a", "a..b", "A", "a b", "a\n", "a\nb",
		"a/b", "../x", "a\x00", "a\xff", "ä", "名", "a:b", "a*", strings.Repeat("a.", 126) + "a", strings.Repeat("a.", 127), strings.Repeat("a", 253), strings.Repeat("a", 254),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, want := isHostName(text), len(text) <= 253 && hostNames.MatchString(text); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	})
}

func TestReadRefuses(t *testing.T) {
	server := "[server]\nhost = h\nca_pin = " + pinText + "\n"
	for name, test := range map[string]struct{ content, want string }{
		"no host":         {"[server]\nca_pin = " + pinText, "host is missing from [server]"},
		"no pin":          {"[server]\nhost = h\n", "ca_pin is missing from [server]"},
		"host":            {"[server]\nhost = a b\n", `line 2: host is neither`},
		"long host":       {"[server]\nhost = " + strings.Repeat("a.", 127) + "a\n", `line 2: host is neither`},
		"port":            {"[server]\n\nsecured_port = 65536\n", "line 3: secured_port must be a number from 1 to 65535"},
		"pin":             {"[server]\nca_pin = abc\n", "line 2: ca_pin must be a SHA-256"},
		"token":           {server + "[agent]\ntoken = a b\n", "line 5: token is no token"},
		"group tree":      {server + "[agent]\ngroup_tree = ../x\n", "line 5: group_tree must be"},
		"wake":            {server + "[agent]\nwake = maybe\n", "line 5: wake must be yes or no"},
		"step 0":          {server + "[agent]\nstep = 0\n", "line 5: step must be a number from 1 to 86400"},
		"relative path":   {server + "[agent]\nstate_dir = x\n", "line 5: state_dir must be an absolute path"},
		"log size":        {server + "[log]\nsize = 1K\n", "line 5: size must be from 4K"},
		"log size, large": {server + "[log]\nsize = 2000000M\n", "line 5: size must be from 4K"},
		"log size, words": {server + "[log]\nsize = M\n", "line 5: size must be from 4K"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Read(write(t, test.content)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q in it", err, test.want)
			}
		})
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error for a missing file")
	}
}

func TestForgetToken(t *testing.T) {
	const before, after = "# mine\r\n[agent]\r\nhostname = h\r\n", "\r\n[log]\nsize=10M"
	path := write(t, before+"  Token = abc ; once\n"+after)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := ForgetToken(path, "another"); err != nil {
		t.Fatal(err)
	}
	if s, _ := os.ReadFile(path); !strings.Contains(string(s), "abc") {
		t.Fatal("a token that was not used is gone")
	}
	for range 2 {
		if err := ForgetToken(path, "abc"); err != nil {
			t.Fatal(err)
		}
		if content, _ := os.ReadFile(path); string(content) != before+after {
			t.Errorf("got %q, want %q", content, before+after)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v; want mode 0640", info.Mode(), err)
	}
}
