package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"hostler/agent/cgroup"
)

func TestEveryKey(t *testing.T) {
	d, err := ParseDefinition("a.ini", []byte(`[agent]
name = BasicAgent
version = 1.5.6
command = /usr/sbin/basic "two words" 'it''s' a\ b
directory = /var/lib/basic/
user = daemon
group = games
umask = 027
after = A, B
enabled = no
later = x
[env]
Path = /usr/bin
[limits]
cpu = 250%
memory = 20M
pids = 10
files = 64
[stop]
signal = int
grace = 90
[log]
size = 64K
count = 0
[restart]
strikes = 7
policy = fast
first = 5ms
most = 1m
stable = 1h
expected = 0 3
check = 2
hold_off = 1s
[ready]
kind = command
command = /bin/true
every = 2s
within = 10s
delay = 1s
address = h:1
url = http://h/
`))
	if err != nil {
		t.Fatal(err)
	}

	d.limit = cgroup.Limit{} // Limits as numbers
	want := &Definition{
		File: "a.ini", Name: "BasicAgent", Version: "1.5.6", Command: []string{"/usr/sbin/basic", "two words", "its", "a b"},
		Directory: "/var/lib/basic", User: "daemon", Group: "games", Umask: 0o027, After: []string{"A", "B"},
		Env: map[string]string{"Path": "/usr/bin"}, Stop: syscall.SIGINT, Grace: 90 * time.Second, LogSize: 64 << 10,
		Restart: Policy{
			Kind: "fast", Check: 2 * time.Second, HoldOff: time.Second, First: 5 * time.Millisecond, Most: time.Minute, Stable: time.Hour,
			Strikes: 7, Expected: []int{0, 3},
		},
		Ready: Readiness{
			Kind: "command", Command: []string{"/bin/true"}, Every: 2 * time.Second, Within: 10 * time.Second, Delay: time.Second,
			Address: "h:1", URL: "http://h/",
		},
		Unknown: []string{"line 11: agent.later"},
	}
	want.Limits.CPU, want.Limits.Memory, want.Limits.PIDs, want.Limits.Files = "250%", "20M", 10, 64
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
}

func TestDefinitionsThatCannotBeUsed(t *testing.T) {
	agent := "[agent]\nname = A\ncommand = /bin/x\n"
	for text, want := range map[string]string{
		"[agent]\ncommand = /bin/x\n":                "name is missing from [agent]",
		"[agent]\nname = a/b\ncommand = /bin/x\n":    "line 2: name must be",
		"[agent]\nname = ..\ncommand = /bin/x\n":     "line 2: name must be",
		"[agent]\nname = A\n":                        "command is missing from [agent]",
		"[agent]\nname = A\ncommand = x --y\n":       "line 3: command must begin with an absolute path",
		"[agent]\nname = A\ncommand = /x \"y\n":      "line 3: command has a quotation mark",
		"rubbish\n":                                  "line 1: expected \"key",
		agent + "umask = 8\n":                        "line 4: umask must be octal",
		agent + "after = A\n":                        "after names the child agent itself",
		agent + "enabled = maybe\n":                  "line 4: enabled must be yes or no",
		agent + "[env]\n1 = x\n":                     "no name of an environment variable",
		agent + "[limits]\ncpu = 10\n":               "CPU must be per cent",
		agent + "[limits]\nmemory = lots\n":          "memory must be",
		agent + "[stop]\nsignal = SIGNOTHING\n":      "line 5: signal must be the name of a signal",
		agent + "[restart]\npolicy = sometimes\n":    "line 5: policy must be document, fast or never",
		agent + "[restart]\nhold_off = 3 minutes\n":  "line 5: hold_off must be a time",
		agent + "[ready]\nkind = tcp\naddress = x\n": "address must be host:port",
		agent + "[ready]\nkind = http\n":             "url must be one of http",
		agent + "[ready]\nkind = smell\n":            "kind must be none",
	} {
		if _, err := ParseDefinition("a.ini", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestCirclesAreRefused(t *testing.T) {
	dir := t.TempDir()
	for name, after := range map[string]string{"A": "B", "B": "C", "C": "A", "D": "A", "E": "", "F": "E"} {
		text := fmt.Sprintf("[agent]\nname = %s\ncommand = /bin/x\nafter = %s\n", name, after)
		if err := os.WriteFile(filepath.Join(dir, name+".ini"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := load(dir, nil)
	if l.definitions["E"] == nil || l.definitions["F"] == nil {
		t.Errorf("those without a circle are refused: %v", l.problems)
	}
	told := fmt.Sprint(l.problems)
	if len(l.problems) == 0 || !strings.Contains(told, "A after B after C after A") {
		t.Errorf("got %v", l.problems)
	}
}

func TestAMissingDirectoryIsEmpty(t *testing.T) {
	if l := load(filepath.Join(t.TempDir(), "[x"), nil); len(l.definitions) != 0 || len(l.problems) != 0 {
		t.Errorf("got %+v", l)
	}
}
