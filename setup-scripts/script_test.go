package setupscripts

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"hostler/internal/distro"
)

// shells are the ones that target hosts have for /bin/sh.
var shells = [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}}

// eachShell runs test once per shell; say gives the test's own word to t.Run.
func eachShell(t *testing.T, test func(t *testing.T, shell []string)) {
	for _, shell := range shells {
		t.Run(shell[0], func(t *testing.T) {
			if _, err := exec.LookPath(shell[0]); err != nil {
				t.Skipf("%s is not installed: the script goes untested under it", shell[0])
			}
			test(t, shell)
		})
	}
}

type result struct {
	code           int
	stdout, stderr string
}

// lastError is the script's last line on standard error.
func (r result) lastError() string {
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	return lines[len(lines)-1]
}

// host is what a run of the script sees of its host.
type host struct {
	shell []string
	stdin string
	env   []string
	temp  string // TMPDIR; must be empty afterwards
}

func newHost(t *testing.T, shell []string) *host {
	t.Helper()
	return &host{shell: shell, temp: t.TempDir()}
}

func (h *host) command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	script := filepath.Join(t.TempDir(), "setup-agent.sh")
	if err := os.WriteFile(script, Script(), 0o700); err != nil {
		t.Fatal(err)
	}
	words := append(append(slices.Clone(h.shell), script), args...)
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Stdin = strings.NewReader(h.stdin)
	command.Env = append(append(os.Environ(), "TMPDIR="+h.temp), h.env...)
	return command
}

func (h *host) run(t *testing.T, args ...string) result {
	t.Helper()
	command := h.command(t.Context(), t, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(h.temp)
	if err != nil || len(left) > 0 {
		t.Errorf("the script left %v behind (error %v)", left, err)
	}
	return result{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// mustFail checks the exit code and that the last line names the same cause.
func (r result) mustFail(t *testing.T, code int, says string) {
	t.Helper()
	want := "hostler: error " + Failures[code].Code + ": "
	if r.code != code || !strings.HasPrefix(r.lastError(), want) || !strings.Contains(r.lastError(), says) {
		t.Errorf("exit code %d, last line %q; want %d and %q…%q", r.code, r.lastError(), code, want, says)
	}
}

func (r result) mustSucceed(t *testing.T) {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestScriptsAreClean(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("shellcheck is not installed: the scripts go unchecked")
	}
	out, err := exec.CommandContext(t.Context(), "shellcheck", "--shell=sh", "setup-agent.sh", "hostler-agent.sysv").CombinedOutput()
	if err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
}

func TestHelpListsEveryFailure(t *testing.T) {
	help := newHost(t, []string{"sh"}).run(t, "--help")
	help.mustSucceed(t)
	listed := map[string]int{}
	for _, line := range regexp.MustCompile(`(?m)^  (\d\d)  ([a-z-]+) `).FindAllStringSubmatch(help.stdout, -1) {
		code, err := strconv.Atoi(line[1])
		if err != nil {
			t.Fatal(err)
		}
		listed[line[2]] = code
	}
	for code, failure := range Failures {
		if listed[failure.Code] != code {
			t.Errorf("help gives %q the code %d, Failures %d", failure.Code, listed[failure.Code], code)
		}
	}
	if len(listed) != len(Failures) {
		t.Errorf("help lists %d causes, Failures %d", len(listed), len(Failures))
	}
	used := regexp.MustCompile(`fail ([a-z-]+) `).FindAllSubmatch(Script(), -1)
	for _, word := range used {
		if _, known := listed[string(word[1])]; !known {
			t.Errorf("the script fails with %q, which the help does not list", word[1])
		}
	}
}

func TestDetect(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"etc/os-release":  "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID='9.4'\nPRETTY_NAME=\"Rocky Linux 9.4 (Blue; $(onyx))\"",
		"usr/bin/dnf":     "",
		"usr/bin/apt-get": "",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "run/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	eachShell(t, func(t *testing.T, shell []string) {
		got := newHost(t, shell).run(t, "detect", "--root", root)
		got.mustSucceed(t)
		facts := map[string]string{}
		for line := range strings.Lines(got.stdout) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			facts[key] = value
		}
		for key, want := range map[string]string{
			"os_id": "rocky", "os_like": "rhel centos fedora", "os_version": "9.4",
			"os_name": "Rocky Linux 9.4 (Blue; $(onyx))", "init": "systemd", "pkg": "dnf",
			"uid": strconv.Itoa(os.Getuid()), "agent": "",
		} {
			if facts[key] != want {
				t.Errorf("%s = %q, want %q", key, facts[key], want)
			}
		}
		for _, key := range []string{"time", "mem_kb", "free_root_kb"} {
			if n, err := strconv.ParseInt(facts[key], 10, 64); err != nil || n <= 0 {
				t.Errorf("%s = %q, want a number above 0", key, facts[key])
			}
		}
		for _, key := range []string{"arch", "kernel", "hostname", "sudo", "free_var_kb", "free_usr_kb", "free_tmp_kb"} {
			if _, printed := facts[key]; !printed {
				t.Errorf("%s is missing", key)
			}
		}
	})
}

// The script knows a system's package manager as the server does, by one table: where others are installed beside it, the
// distribution's own goes first.
func TestDetectAgreesWithTheTableOfSystems(t *testing.T) {
	own := map[distro.Family]string{distro.Debian: "apt", distro.RHEL: "dnf", distro.SUSE: "zypper"}
	for id, family := range distro.IDs() {
		root := t.TempDir()
		files := map[string]string{"etc/os-release": "ID=\"" + id + "\"\n"}
		for _, manager := range []string{"apt-get", "dnf", "yum", "zypper"} {
			files["usr/bin/"+manager] = ""
		}
		for name, text := range files {
			file := filepath.Join(root, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o755)); err != nil {
				t.Fatal(err)
			}
		}
		got := newHost(t, []string{"sh"}).run(t, "detect", "--root", root)
		if got.mustSucceed(t); !strings.Contains(got.stdout, "\npkg="+own[family]+"\n") {
			t.Errorf("%s is of the family %s, and the script says\n%s", id, family, got.stdout)
		}
	}
}

func TestDetectElsewhere(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		if shell[0] == "busybox" {
			return // busybox has a uname of its own, which no test can replace
		}
		h, tools := newHost(t, shell), t.TempDir()
		uname := "#!/bin/sh\n[ \"$1\" != -snrm ] || { echo FreeBSD host 14.1 amd64; exit 0; }\nexit 1\n"
		if err := os.WriteFile(filepath.Join(tools, "uname"), []byte(uname), 0o755); err != nil {
			t.Fatal(err)
		}
		h.env = []string{"PATH=" + tools + ":" + os.Getenv("PATH")}
		h.run(t, "detect").mustFail(t, 11, "FreeBSD")
	})
}

func TestBadUsage(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		h := newHost(t, shell)
		for _, test := range []struct {
			args []string
			says string
		}{
			{nil, "no verb"},
			{[]string{"explode"}, "unknown verb"},
			{[]string{"check"}, "--server"},
			{[]string{"check", "--server"}, "needs a value"},
			{[]string{"check", "--server", "a b"}, "host name"},
			{[]string{"check", "--server", "x;reboot"}, "host name"},
			{[]string{"check", "--server", "h", "--handshake", "65536"}, "port"},
			{[]string{"check", "--server", "h", "--handshake", "0"}, "port"},
			{[]string{"install", "--wait", "soon"}, "seconds"},
			{[]string{"install", "--root", "/x"}, "--root"},
			{[]string{"install", "--version", "$(id)"}, "version"},
			{[]string{"repository", "--url", "http://h/repo/"}, "https"},
			{[]string{"repository", "--url", "https://h/repo/", "--key", "/dev/null"}, "--ca"},
			{[]string{"configure", "--ca-pin", "abc"}, "SHA-256"},
			{[]string{"detect", "--verbose"}, "unknown option"},
		} {
			h.run(t, test.args...).mustFail(t, 19, test.says)
		}
	})
}

const pin = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func configureArgs(root string) []string {
	return []string{
		"configure", "--root", root, "--server", "hostler.example", "--handshake", "18440",
		"--secured", "18441", "--ca-pin", pin, "--hostname", "Node1.Lab.test",
	}
}

func TestConfigure(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		root, h := t.TempDir(), newHost(t, shell)
		for _, token := range []string{"s3cret-token.A", "s3cret-token.B"} { // the second time over the first
			h.stdin = token + "\n"
			got := h.run(t, configureArgs(root)...)
			got.mustSucceed(t)
			if strings.Contains(got.stdout+got.stderr, "s3cret") {
				t.Errorf("the token is in the output:\n%s%s", got.stdout, got.stderr)
			}
			file := filepath.Join(root, "etc/hostler-agent/agent.ini")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := "[server]\nhost = hostler.example\nhandshake_port = 18440\nsecured_port = 18441\nca_pin = " + pin +
				"\n\n[agent]\nhostname = node1.lab.test\ntoken = " + token + "\n"
			if string(text) != want {
				t.Errorf("agent.ini:\n%swant:\n%s", text, want)
			}
			if stat, err := os.Stat(file); err != nil || stat.Mode() != 0o600 {
				t.Errorf("mode of agent.ini = %v (error %v), want 0600", stat.Mode(), err)
			}
		}
		entries, err := os.ReadDir(filepath.Join(root, "etc/hostler-agent"))
		if err != nil || len(entries) != 1 {
			t.Errorf("beside agent.ini there is %v (error %v)", entries, err)
		}
		h.stdin = ""
		h.run(t, configureArgs(root)...).mustFail(t, 19, "no token")
		h.stdin = "a b\n"
		h.run(t, configureArgs(root)...).mustFail(t, 19, "token")
	})
}

// A strace would show the same: no process that the script starts has the token among its arguments.
func TestTokenIsInNoArguments(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		h, log := newHost(t, shell), filepath.Join(t.TempDir(), "argv")
		spies := t.TempDir()
		for _, tool := range []string{"mkdir", "chmod", "mv", "cat", "grep", "sed", "tr", "id", "rm", "printf", "env"} {
			path, err := exec.LookPath(tool)
			if err != nil {
				t.Fatal(err)
			}
			spy := "#!/bin/sh\necho \"$0 $*\" >>" + log + "\nexec " + path + " \"$@\"\n"
			if err := os.WriteFile(filepath.Join(spies, tool), []byte(spy), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		h.env, h.stdin = []string{"PATH=" + spies + ":" + os.Getenv("PATH")}, "s3cret-token\n"
		h.run(t, configureArgs(t.TempDir())...).mustSucceed(t)
		calls, err := os.ReadFile(log)
		if err != nil && shell[0] != "busybox" { // busybox has its tools within and starts nothing
			t.Fatal(err)
		}
		if strings.Contains(string(calls), "s3cret") {
			t.Errorf("the token is among the arguments:\n%s", calls)
		}
		if shell[0] != "busybox" && !strings.Contains(string(calls), "agent.ini") {
			t.Errorf("the spies saw nothing:\n%s", calls)
		}
	})
}

func TestSignalLeavesNothingBehind(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	_, port, err := net.SplitHostPort(silent.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	eachShell(t, func(t *testing.T, shell []string) {
		h := newHost(t, shell)
		command := h.command(t.Context(), t, "check", "--server", "127.0.0.1", "--handshake", port)
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		var stderr bytes.Buffer
		command.Stderr = &stderr
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		connection, err := silent.Accept() // the script waits for an answer now
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = connection.Close() }()
		if left, err := os.ReadDir(h.temp); err != nil || len(left) == 0 {
			t.Errorf("the script has no temporary files to leave (error %v): this test shows nothing", err)
		}
		if err := syscall.Kill(-command.Process.Pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = command.Wait() // its exit code is looked at below
		result{command.ProcessState.ExitCode(), "", stderr.String()}.mustFail(t, 20, "signal")
		if left, err := os.ReadDir(h.temp); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v (error %v)", left, err)
		}
	})
}

func TestRootIsNeeded(t *testing.T) {
	if os.Getuid() != 0 {
		newHost(t, []string{"sh"}).run(t, "install").mustFail(t, 10, "root")
		return
	}
	script := filepath.Join(t.TempDir(), "setup-agent.sh")
	if err := os.WriteFile(script, Script(), 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "sh", "-s", "install")
	command.Stdin = bytes.NewReader(Script())
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	var stderr bytes.Buffer
	command.Stderr, command.Dir = &stderr, "/"
	_ = command.Run() // its exit code is looked at below
	result{command.ProcessState.ExitCode(), "", stderr.String()}.mustFail(t, 10, "root")
}
