package setupscripts

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What was carried over is compared before any of it runs, by whatever the host has for that; a host that has nothing runs nothing.
func TestCarriedIsComparedFirst(t *testing.T) {
	for _, c := range []struct {
		name, tool string // what the host compares by; "" for nothing
		damaged    bool
		code       int
		says       string
	}{
		{"sha256sum", "sha256sum", false, 0, ""},
		{"sha256sum, damaged", "sha256sum", true, 17, "carry it again"},
		{"openssl", "openssl", false, 0, ""},
		{"openssl, damaged", "openssl", true, 17, "carry it again"},
		{"nothing", "", false, 11, "neither sha256sum nor openssl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachShell(t, func(t *testing.T, shell []string) {
				// busybox would run its own sha256sum without looking for one.
				if shell[0] == "busybox" && c.tool != "sha256sum" {
					t.Skip("this shell compares by itself")
				}
				dir, tools := t.TempDir(), t.TempDir()
				for _, tool := range []string{"sh", "dirname", c.tool} {
					path, err := exec.LookPath(tool)
					if tool == "" {
						continue
					}
					if err != nil {
						t.Skipf("%s is not installed: the script goes untested with it", tool)
					}
					if err := os.Symlink(path, filepath.Join(tools, tool)); err != nil {
						t.Fatal(err)
					}
				}
				interpreter, err := exec.LookPath(shell[0])
				if err != nil {
					t.Fatal(err)
				}
				setup := []byte("echo \"ran $1\"\n")
				files := map[string][]byte{
					"install.sh":     Carried(Target{Server: "hostler.test", Handshake: 8440, Secured: 8441, Pin: strings.Repeat("0", 64)}),
					"setup-agent.sh": setup, "SHA256SUMS": fmt.Appendf(nil, "%x  setup-agent.sh\n", sha256.Sum256(setup)),
				}
				if c.damaged {
					files["setup-agent.sh"] = []byte("echo \"ran what nobody meant\"\n")
				}
				for name, body := range files {
					if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				script := exec.CommandContext(t.Context(), interpreter, append(shell[1:], filepath.Join(dir, "install.sh"))...)
				script.Env = []string{"PATH=" + tools}
				var out, errs bytes.Buffer
				script.Stdout, script.Stderr = &out, &errs
				_ = script.Run() // its code tells
				got := result{script.ProcessState.ExitCode(), out.String(), errs.String()}
				if c.code != 0 {
					got.mustFail(t, c.code, c.says)
				}
				if ran := out.String() == "ran all\n"; got.code != c.code || ran != (c.code == 0) {
					t.Errorf("exit code %d, want %d\n%s%s", got.code, c.code, got.stdout, got.stderr)
				}
			})
		})
	}
}
