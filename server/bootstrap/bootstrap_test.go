package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"hostler/db"
	"hostler/server/operation"
	setupscripts "hostler/setup-scripts"
)

const testToken = "TOKENMARKER"

var regexpDirectory = regexp.MustCompile(`/tmp/hostler-[a-z0-9]+`)

// recorder is a setup script that writes down how it was called. RECORD is replaced by a file's name.
const recorder = `
{ printf '%s' "$(id -u)"; printf ' [%s]' "$@"; echo; } >>RECORD
case $1 in
detect | look) printf '%s\n' 'os_name="Debian GNU/Linux 12 (bookworm)"' arch=amd64 mem_kb=16000000 ;;
repository) cat "$5" "$7" >>RECORD; echo >>RECORD ;;
configure) read -r token; echo "token $token" >>RECORD ;;
esac
echo "hostler: progress: $1 is done"
`

func record(t testing.TB, script string) (text, file string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "hostler-record-")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	must(t, os.Chmod(dir, 0o777))
	file = filepath.Join(dir, "record")
	write(t, file, nil, 0o666)
	return strings.ReplaceAll(script, "RECORD", file), file
}

func TestBootstrap(t *testing.T) {
	tests := []struct {
		name, user string
		password   string // for becoming root
		uids       string // of the verbs
		become     Become
	}{
		{"as the user", "", "", "", ""},
		{"sudo without password", userFree, "", "64001 0 0 0 0 0", ""},
		{"sudo with password", userAsked, testPassword, "64000 0 0 0 0 0", ""},
		{"password that sudo does not ask for", userFree, "x", "64001 0 0 0 0 0", ""},
		{"sudo without password for a shell only", userShell, "", "64004 0 0 0 0 0", ""},
		{"password that sudo does not ask for a shell", userShell, testPassword, "64004 0 0 0 0 0", ""},
		{"su", userRefused, rootPassword, "64002 0 0 0 0 0", BecomeSu},
		{"doas without password", userDoasFree, "", "64006 0 0 0 0 0", BecomeDoas},
		{"doas with password", userDoas, testPassword, "64005 0 0 0 0 0", BecomeDoas},
		{"password that doas does not ask for", userDoasFree, "x", "64006 0 0 0 0 0", BecomeDoas},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			needsRoot(t)
			script, file := record(t, recorder)
			r := newRig(t, script, nil)
			c, key := login(t)
			if tt.user != "" {
				c.User = tt.user
			}
			c.Become, c.SudoPassword = tt.become, []byte(tt.password)
			s := newSSHD(t, "", []ssh.PublicKey{key})
			if tt.become == BecomeDoas {
				s.withDoas()
			}
			task := r.one(s, c)
			wantDone(t, r, task)
			checkRecord(t, file, tt.uids)
			if task.Note != "Debian 12 · amd64 · 15 GB" || *task.HostID != task.ID+1000 {
				t.Errorf("note %q, host %d", task.Note, *task.HostID)
			}
			if s := r.tokens; len(s) != 1 || s[0].Hostname != "node1.test" || *s[0].TaskID != task.ID || s[0].Uses != 1 || s[0].Tags != "rack=/r7" {
				t.Errorf("tokens %+v", s)
			}
			log := r.log(task.ID)
			for _, want := range []string{"SHA256:", "install is done", "registered as host"} {
				if !strings.Contains(log, want) {
					t.Errorf("the log lacks %q:\n%s", want, log)
				}
			}
			for _, secret := range []string{testToken, "BEGIN OPENSSH"} {
				if strings.Contains(log, secret) {
					t.Errorf("the log shows %q", secret)
				}
			}
			wantNoLeftovers(t)
		})
	}
}

func checkRecord(t *testing.T, file, uids string) {
	t.Helper()
	if uids == "" {
		uids = strings.TrimSpace(strings.Repeat(fmt.Sprintf("%d ", os.Geteuid()), 6))
	}
	body, err := os.ReadFile(file)
	must(t, err)
	var got []string
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	for i, line := range lines {
		uid, rest, ok := strings.Cut(line, " [")
		if ok {
			got = append(got, uid)
			lines[i] = "[" + rest
		}
	}
	if s := strings.Join(got, " "); s != uids {
		t.Errorf("users %s, want %s", s, uids)
	}
	lines[2] = regexpDirectory.ReplaceAllString(lines[2], "DIR")
	want := []string{
		"[detect]",
		"[check] [--server] [server.test] [--handshake] [8440] [--secured] [8441]",
		"[repository] [--url] [https://server.test:8440/repo/] [--ca] [DIR/ca.pem] [--key] [DIR/repository-key.asc] [--wait] [120]",
		"the CAthe key",
		"[install] [--server] [server.test] [--handshake] [8440] [--version] [1.2.3] [--wait] [120]",
		"[configure] [--server] [server.test] [--handshake] [8440] [--secured] [8441] [--ca-pin] [" + strings.Repeat("a", 64) + "] [--hostname] [node1.test]",
		"token " + testToken,
		"[start]",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("calls:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// An empty script does nothing and says nothing, and no phase minds.
func TestBootstrapEmptyScript(t *testing.T) {
	for _, script := range []string{"", "#!/bin/sh\nexit 0\n"} {
		r := newRig(t, script, nil)
		c, key := login(t)
		task := r.one(newSSHD(t, "", []ssh.PublicKey{key}), c)
		wantDone(t, r, task)
		if task.Note != "Debian 12 · amd64 · 15 GB" {
			t.Errorf("note %q", task.Note)
		}
	}
}

func TestBootstrapScriptFailures(t *testing.T) {
	const failing = `
[ "$1" = VERB ] || exit 0
echo "E: something about packages" >&2
echo "hostler: error some-word: the cause it gave" >&2
exit STATUS
`
	tests := []struct {
		verb   string
		status int
		step   string
		code   string
	}{
		{"detect", 11, "detect", codeOSUnsupported},
		{"check", 13, "check", codeServerUnreachable},
		{"check", 12, "check", codeDiskFull},
		{"check", 14, "check", codeClockOff},
		{"repository", 17, "repository", codeSignatureFailed},
		{"install", 15, "install", codePackageBusy},
		{"install", 16, "install", codePackageFailed},
		{"start", 18, "start", codeServiceFailed},
		{"configure", 10, "configure", codeNotRoot},
		{"install", 99, "install", codeScriptFailed},
	}
	c, key := login(t)
	s := newSSHD(t, "", []ssh.PublicKey{key})
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			script := strings.NewReplacer("VERB", tt.verb, "STATUS", strconv.Itoa(tt.status)).Replace(failing)
			r := newRig(t, script, nil)
			mine := &Credentials{User: c.User, PrivateKey: slices.Clone(c.PrivateKey)}
			must(t, mine.Check())
			task := r.one(s, mine)
			p := task.Problem
			if task.State != db.Failed || p.Code != tt.code || Phases()[task.StepIndex].Name != tt.step {
				t.Fatalf("%s at %d: %+v", task.State, task.StepIndex, p)
			}
			if !strings.Contains(p.Cause, "the cause it gave") || strings.ContainsAny(p.Cause+p.Hint, "{}") {
				t.Errorf("cause %q, hint %q", p.Cause, p.Hint)
			}
			if p.Args["output"] != "E: something about packages" {
				t.Errorf("last lines %q", p.Args["output"])
			}
			wantNoLeftovers(t)
		})
	}
}

func TestBootstrapSudoRefused(t *testing.T) {
	needsRoot(t)
	tests := []struct {
		name, user, password, code string
	}{
		{"no password given", userAsked, "", codeSudoPasswordNeeded},
		{"wrong password", userAsked, "wrong", codeSudoRefused},
		{"not allowed", userRefused, testPassword, codeSudoRefused},
		{"no shell", userNoShell, "", codeShellRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, "", nil)
			c, key := login(t)
			c.User, c.SudoPassword = tt.user, []byte(tt.password)
			task := r.one(newSSHD(t, "", []ssh.PublicKey{key}), c)
			if task.Problem.Code != tt.code || strings.ContainsAny(task.Problem.Cause, "{}") {
				t.Errorf("problem %+v", task.Problem)
			}
			t.Log(task.Problem.Cause)
		})
	}
}

func TestBootstrapSuAndDoasRefused(t *testing.T) {
	needsRoot(t)
	bare, err := os.MkdirTemp("", "hostler-path-") // a PATH without su and doas
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(bare)) })
	must(t, os.Chmod(bare, 0o755))
	for _, name := range []string{"sh", "env", "id"} {
		program, err := exec.LookPath(name)
		must(t, err)
		must(t, os.Symlink(program, filepath.Join(bare, name)))
	}
	tests := []struct {
		name           string
		become         Become
		user, password string
		config         string // of sshd
		code           string
	}{
		{"su without password", BecomeSu, userRefused, "", "", codeBecomePasswordNeeded},
		{"su with wrong password", BecomeSu, userRefused, testPassword, "", codeBecomeRefused},
		{"su without a terminal", BecomeSu, userRefused, rootPassword, "PermitTTY no", codeBecomeNoTerminal},
		{"no su", BecomeSu, userRefused, "", "SetEnv PATH=" + bare, codeBecomeMissing},
		{"no su for the password", BecomeSu, userRefused, rootPassword, "SetEnv PATH=" + bare, codeBecomeMissing},
		{"doas without password", BecomeDoas, userDoas, "", "", codeBecomePasswordNeeded},
		{"doas with wrong password", BecomeDoas, userDoas, "wrong", "", codeBecomeRefused},
		{"not allowed to use doas", BecomeDoas, userRefused, testPassword, "", codeBecomeRefused},
		{"no doas", BecomeDoas, userDoas, testPassword, "SetEnv PATH=" + bare, codeBecomeMissing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, "", nil)
			c, key := login(t)
			c.User, c.Become, c.SudoPassword = tt.user, tt.become, []byte(tt.password)
			s := newSSHD(t, tt.config, []ssh.PublicKey{key})
			if tt.become == BecomeDoas {
				s.withDoas()
			}
			task := r.one(s, c)
			if task.Problem.Code != tt.code || strings.ContainsAny(task.Problem.Cause+task.Problem.Hint, "{}") {
				t.Errorf("problem %+v", task.Problem)
			}
			for _, secret := range []string{testPassword, rootPassword} {
				if strings.Contains(r.log(task.ID)+task.Problem.Cause, secret) {
					t.Errorf("%q is shown", secret)
				}
			}
		})
	}
}

func TestBootstrapArchitecture(t *testing.T) {
	r := newRig(t, "echo arch=sparc64", nil)
	c, key := login(t)
	if task := r.one(newSSHD(t, "", []ssh.PublicKey{key}), c); task.Problem.Code != codeArchUnsupported {
		t.Errorf("problem %+v", task.Problem)
	}
}

func TestBootstrapWithoutAgents(t *testing.T) {
	r := newRig(t, "", func(o *Options) { o.AgentVersion = "" })
	c, key := login(t)
	if task := r.one(newSSHD(t, "", []ssh.PublicKey{key}), c); task.Problem.Code != codeAgentMissing {
		t.Errorf("problem %+v", task.Problem)
	}
}

func TestBootstrapUnpublished(t *testing.T) {
	r := newRig(t, "", func(o *Options) {
		o.Published = func(context.Context) error { return errors.New("cannot write index: no space left on device") }
	})
	c, key := login(t)
	task := r.one(newSSHD(t, "", []ssh.PublicKey{key}), c)
	if task.Problem.Code != codePackageUnpublished || !strings.Contains(task.Problem.Cause, "no space left") {
		t.Errorf("problem %+v", task.Problem)
	}
}

func TestBootstrapStepTimeoutKillsRemoteWork(t *testing.T) {
	script, file := record(t, `[ "$1" != install ] || { sleep 1000 & echo $! >RECORD; wait; }`)
	r := newRig(t, script, func(o *Options) { o.Limits.Steps = map[string]time.Duration{"install": 3 * time.Second} })
	c, key := login(t)
	task := r.one(newSSHD(t, "", []ssh.PublicKey{key}), c)
	if task.Problem.Code != operation.CodeTimeout || task.Problem.Args["step"] != "install" {
		t.Fatalf("problem %+v", task.Problem)
	}
	pid := readPID(t, file)
	eventually(t, "the remote process is gone", func() bool { return !isAlive(pid) })
	wantNoLeftovers(t)
}

func TestBootstrapCancelAndRetry(t *testing.T) {
	script, file := record(t, `[ "$1" != install ] || [ -e RECORD.second ] || { sleep 1000 & echo $! >RECORD; echo waiting; wait; }`)
	r := newRig(t, script, nil)
	c, key := login(t)
	again := &Credentials{User: c.User, PrivateKey: slices.Clone(c.PrivateKey)}
	o := r.start(newSSHD(t, "", []ssh.PublicKey{key}), c, "node1.test")
	eventually(t, "the script waits", func() bool { b, _ := os.ReadFile(file); return len(b) > 0 })
	_, err := r.engine.Cancel(t.Context(), o.ID, nil, "tester")
	must(t, err)
	task := r.wait(o.ID)[0]
	if task.State != db.Canceled {
		t.Fatalf("task %+v", task)
	}
	pid := readPID(t, file)
	eventually(t, "the remote process is gone", func() bool { return !isAlive(pid) })
	wantNoLeftovers(t)

	write(t, file+".second", nil, 0o644)
	_, err = r.engine.Retry(t.Context(), o.ID, []int64{task.ID}, again, "tester")
	must(t, err)
	wantDone(t, r, r.wait(o.ID)[0])
}

func TestBootstrapRegisterTimeout(t *testing.T) {
	r := newRig(t, "", func(o *Options) { o.Await, o.Limits.Register = noHost, 50*time.Millisecond })
	c, key := login(t)
	task := r.one(newSSHD(t, "", []ssh.PublicKey{key}), c)
	if task.Problem.Code != codeRegisterTimeout {
		t.Fatalf("problem %+v", task.Problem)
	}
	if log := r.log(task.ID); !strings.Contains(log, "the agent's last lines are:") {
		t.Errorf("log:\n%s", log)
	}
}

// What a host tells must not fill the server's memory.
func TestSystemIsBounded(t *testing.T) {
	s := system{}
	for i := range 1000 {
		s.learn(fmt.Sprintf("key%d=%d", i, i))
	}
	if len(s) != 0 {
		t.Errorf("%d unknown keys are kept", len(s))
	}
	if !s.learn("arch=" + strings.Repeat("x", 10000)) {
		t.Error("the architecture is no news")
	}
	if n := len(s["arch"]); n != maxSystemValue {
		t.Errorf("%d bytes of a value are kept", n)
	}
	if s.learn("arch="+strings.Repeat("x", 10000)) || !s.learn("arch='amd64'") || s["arch"] != "amd64" {
		t.Errorf("the architecture is %q", s["arch"])
	}
}

// The script tells nothing that is not taken note of.
func TestSystemKeysAreTheScripts(t *testing.T) {
	body := string(setupscripts.Script())
	_, body, _ = strings.Cut(body, "verb_detect()")
	body, _, _ = strings.Cut(body, "\n}\n")
	var told []string
	for _, m := range regexp.MustCompile(`"([a-z_]+)=\$`).FindAllStringSubmatch(body, -1) {
		told = append(told, m[1])
	}
	if !slices.Equal(told, systemKeys) {
		t.Errorf("the script tells %q, taken note of are %q", told, systemKeys)
	}
}

func TestNotes(t *testing.T) {
	for want, s := range map[string]system{
		"":                            {},
		"Debian 12 · amd64 · 16 GB":   {"os_name": "Debian GNU/Linux 12 (bookworm)", "arch": "x86_64", "mem_kb": "16369812"},
		"Rocky Linux 9.3 · arm64":     {"os_name": "Rocky Linux 9.3 (Blue Onyx)", "arch": "arm64", "mem_kb": "x"},
		"Ubuntu 24.04.1 LTS · 512 MB": {"os_name": "Ubuntu 24.04.1 LTS", "mem_kb": "524288"},
	} {
		if got := s.note(); got != want {
			t.Errorf("note %q, want %q", got, want)
		}
	}
}

// BenchmarkBootstrap is the server's part of forty hosts with an empty script: ten names on each of four sshds.
func BenchmarkBootstrap(b *testing.B) {
	c, key := login(b)
	var servers []*sshd
	for range 4 {
		servers = append(servers, newSSHD(b, "", []ssh.PublicKey{key}))
		servers[len(servers)-1].daemon()
	}
	r := newRig(b, "", nil)
	before := cpuTime(b)
	defer func() { b.ReportMetric((cpuTime(b)-before).Seconds()/float64(b.N), "cpu-s/op") }()
	for b.Loop() {
		mine := &Credentials{User: c.User, PrivateKey: slices.Clone(c.PrivateKey)}
		must(b, mine.Check())
		names := make([]string, 40)
		for i := range names {
			names[i] = fmt.Sprintf("node%d.test", i)
		}
		spec := Spec("", "tester", hosts(names...), mine)
		for i := range spec.Tasks {
			spec.Tasks[i].Params = TaskParams{Address: "127.0.0.1", Port: servers[i%4].port()}
		}
		o, err := r.engine.Start(b.Context(), spec)
		must(b, err)
		for _, task := range r.wait(o.ID) {
			if task.State != db.Done {
				b.Fatalf("%+v\n%s", task.Problem, r.log(task.ID))
			}
		}
	}
}

// cpuTime is what this process, the server, has used; sshd and what it starts are others.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func readPID(t testing.TB, file string) int {
	t.Helper()
	body, err := os.ReadFile(file)
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(body)))
	must(t, err)
	return pid
}

// wantNoLeftovers checks that no private directory is left on the host, which is this machine.
func wantNoLeftovers(t testing.TB) {
	t.Helper()
	for _, parent := range parents {
		found, err := filepath.Glob(filepath.Join(parent, "hostler-*", scriptFile))
		must(t, err)
		if len(found) > 0 {
			t.Errorf("left behind: %q", found)
		}
	}
}

// TestSources holds that what was chosen for a host's family is what its setup script is told, and that others are left alone.
func TestSources(t *testing.T) {
	key := "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nbWlycm9y\n-----END PGP PUBLIC KEY BLOCK-----\n"
	for _, test := range []struct {
		name, pkg string
		chosen    Sources
		has       []string
		lacks     string
		fails     string
	}{
		{"a mirror", "apt", Sources{"debian": {URL: "http://mirror.test/apt", Channel: "bookworm", Key: key}}, []string{
			"[--channel] [bookworm] [--mirror] [http://mirror.test/apt] [--mirror-key] [DIR/mirror-key.asc]\nthe CAthe key\n[install] [--server] [server.test] [--handshake] [8440] [--wait] [120]\n",
		}, "[--version]", ""},
		{"a channel", "dnf", Sources{"rhel": {Channel: "test"}, "debian": {}}, []string{"[--wait] [120] [--channel] [test]\n"}, "[--version]", ""},
		{"the usual", "zypper", Sources{"suse": {}}, []string{"[--version] [1.2.3] [--wait] [120]\n"}, "[--channel]", ""},
		{"left out", "none", Sources{"debian": {}}, []string{"[detect]\n"}, "[check]", codeFamilyLeftOut},
	} {
		t.Run(test.name, func(t *testing.T) {
			script, file := record(t, strings.Replace(recorder, "arch=amd64", "arch=amd64 pkg="+test.pkg, 1))
			r := newRig(t, script, nil)
			c, public := login(t)
			sshd := newSSHD(t, "", []ssh.PublicKey{public})
			spec := Spec("", "tester", hosts("node1.test"), c)
			spec.Tasks[0].Params = TaskParams{Address: "127.0.0.1", Port: sshd.port()}
			must(t, test.chosen.Check())
			test.chosen.Put(&spec)
			o, err := r.engine.Start(t.Context(), spec)
			must(t, err)
			task := r.wait(o.ID)[0]
			if test.fails == "" {
				wantDone(t, r, task)
			} else if task.Problem.Code != test.fails {
				t.Errorf("it ended with %+v", task.Problem)
			}
			body, err := os.ReadFile(file)
			must(t, err)
			said := regexp.MustCompile(`(?m)^\d+ `).ReplaceAllString(regexpDirectory.ReplaceAllString(string(body), "DIR"), "")
			for _, want := range test.has {
				if !strings.Contains(said, want) {
					t.Errorf("the calls lack %q:\n%s", want, said)
				}
			}
			if strings.Contains(said, test.lacks) {
				t.Errorf("the calls have %q:\n%s", test.lacks, said)
			}
		})
	}
}
