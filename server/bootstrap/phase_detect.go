package bootstrap

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var detectPhase = Phase{Name: "detect", Title: "Look at the system", timeout: 30 * time.Second, repeat: true, run: detect}

// system is what is known of the host before anything is installed; see the setup script's "detect".
type system map[string]string

// architectures are the machine names of uname for which there are agents.
var architectures = map[string]string{"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

// detect asks the host what it is and how its user becomes root. Nothing is changed on the host.
func detect(ctx context.Context, r *run) error {
	r.system = system{}
	each := func(line string) (news bool) {
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return true
		}
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		news = value != "" && r.system[name] != value
		r.system[name] = value
		return news
	}
	// The user's number decides what follows, also for a script that tells nothing.
	if err := r.fed(ctx, privilege{}, `echo "uid=$(id -u)"; `, each, "detect"); err != nil {
		return err
	}
	if arch := r.system["arch"]; arch != "" && architectures[arch] == "" {
		return fail(codeArchUnsupported, nil, "arch", printable(arch))
	}
	if err := r.becomeRoot(ctx, r.system["uid"]); err != nil {
		return err
	}
	r.task.SetNote(r.system.note())
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
