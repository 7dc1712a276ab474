package bootstrap

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

var detectPhase = Phase{Name: "detect", Title: "Look at the system", timeout: 30 * time.Second, repeat: true, run: detect}

// system is what is known of the host before anything is installed; see the setup script's "detect".
type system map[string]string

// systemKeys are what the setup script's "detect" tells.
var systemKeys = []string{
	"os_id", "os_version", "os_name", "os_like", "arch", "kernel", "init", "pkg", "uid", "sudo", "time", "free_root_kb",
	"free_var_kb", "free_usr_kb", "free_tmp_kb", "mem_kb", "hostname", "agent",
}

// lastSystemKey is what it tells last.
const lastSystemKey = "agent"

const maxSystemValue = 256 // bytes

// learn takes note of a line "key=value" and says whether it tells something new. Lines of another form are news
// to a person only.
func (s system) learn(line string) (news bool) {
	name, value, ok := strings.Cut(line, "=")
	if !ok || !slices.Contains(systemKeys, name) {
		return true
	}
	value = strings.Trim(strings.TrimSpace(value), `"'`)
	value = strings.ToValidUTF8(value[:min(len(value), maxSystemValue)], "")
	news = value != "" && s[name] != value
	s[name] = value
	return news
}

// architectures are the machine names of uname for which there are agents.
var architectures = map[string]string{"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

// detect asks the host what it is and how its user becomes root. Nothing is changed on the host.
func detect(ctx context.Context, r *run) error {
	r.system = system{}
	if err := r.fed(ctx, privilege{}, tellUser, r.system.learn, "detect"); err != nil {
		return err
	}
	return r.use(ctx)
}

// tellUser tells the user's number, which decides what follows, also for a script that tells nothing.
const tellUser = `echo "uid=$(id -u)"; `

// use decides what the system that was found is good for, and how its user becomes root.
func (r *run) use(ctx context.Context) error {
	if arch := r.system["arch"]; arch != "" && architectures[arch] == "" {
		return fail(codeArchUnsupported, nil, "arch", printable(r.redact(arch)))
	}
	if err := r.choose(); err != nil {
		return err
	}
	if err := r.becomeRoot(ctx, r.system["uid"]); err != nil {
		return err
	}
	note := r.redact(r.system.note())
	if r.found != nil {
		note = r.noteClock(note)
	}
	r.task.SetNote(note)
	return nil
}

// note is what the finished task shows: "Debian 12 · amd64 · 16 GB".
func (s system) note() string {
	var parts []string
	if name := shortOS(s["os_name"]); name != "" {
		parts = append(parts, name)
	}
	if arch := architectures[s["arch"]]; arch != "" {
		parts = append(parts, arch)
	}
	if kb, err := strconv.ParseUint(s["mem_kb"], 10, 64); err == nil && kb > 0 {
		parts = append(parts, memorySize(kb*1024))
	}
	return strings.Join(parts, " · ")
}

// shortOS shortens os-release's pretty name: "Debian GNU/Linux 12 (bookworm)" is Debian 12.
func shortOS(pretty string) string {
	pretty, _, _ = strings.Cut(pretty, " (")
	return strings.TrimSpace(printable(strings.Replace(pretty, " GNU/Linux", "", 1)))
}

// memorySize rounds to what is printed on the modules; kernels report a little less.
func memorySize(bytes uint64) string {
	const mb, gb = 1 << 20, 1 << 30
	if bytes < gb*9/10 {
		return fmt.Sprintf("%.0f MB", math.Round(float64(bytes)/mb))
	}
	return fmt.Sprintf("%.0f GB", math.Round(float64(bytes)/gb))
}
