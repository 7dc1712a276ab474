package hosts

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// broken is an agent that passes every check before it takes over. Then it hangs, and when it is started again it does nothing but
// end.
const broken = `package main

import (
	"fmt"
	"os"
	"time"
)

var version string

func main() {
	if len(os.Args) > 1 && os.Args[1] != "run" {
		fmt.Println("hostler-agent", version)
		return
	}
	_, err := os.Stat("/tried")
	tried, _ := os.OpenFile("/tried", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	fmt.Fprintln(tried, os.Args)
	_ = tried.Sync()
	if err == nil {
		os.Exit(1)
	}
	time.Sleep(time.Hour)
}
`

// buildServer makes a server of that version with an agent of that version in it, from the agent's source or from other
// source. It carries none for other architectures: those of "make build" are of one version, and the repository refuses
// the same content as another version.
func buildServer(t *testing.T, version, source string) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	agent, server, overlay := filepath.Join(dir, "hostler-agent"), filepath.Join(dir, "hostler"), filepath.Join(dir, "overlay.json")
	what := "./agent"
	if source != "" {
		what = filepath.Join(dir, "broken.go")
		write(t, what, []byte(source))
	}
	compile(t, root, "-tags", "nethttpomithttp2", "-ldflags", "-s -w -X main.version="+version, "-o", agent, what)
	own := built(t, "repo/agentbin/dist/hostler-agent-linux-"+runtime.GOARCH)
	all, err := filepath.Glob(filepath.Join(filepath.Dir(own), "hostler-agent-linux-*"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range all {
		files[f] = "" // not there
	}
	files[own] = agent
	replace, err := json.Marshal(map[string]map[string]string{"Replace": files})
	if err != nil {
		t.Fatal(err)
	}
	write(t, overlay, replace)
	compile(t, root, "-overlay", overlay, "-ldflags", "-s -w -X main.version="+version, "-o", server, "./server")
	return server
}

// built is the path of something that "make build" makes.
func built(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../..", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: run this by \"make lab\", which builds it", err)
	}
	return path
}

func compile(t *testing.T, root string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"build", "-trimpath"}, args...)...)
	command.Dir, command.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command.Args, err, out)
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
