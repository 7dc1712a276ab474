// Package check looks a host over for what often goes wrong later: full disks, clocks, names, settings of the kernel.
//
// There is one file per group of checks. They read what the kernel and the distribution keep and ask the host's own tools,
// within bounds of time and bytes. The package changes nothing and judges nothing: verdicts are the server's.
package check

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"hostler/agent/facts"
	"hostler/agent/wire"
)

const (
	// Most is how long everything may take.
	Most = 90 * time.Second
	// toolTimeout bounds one run of a tool.
	toolTimeout = 20 * time.Second
	// maxSaid bounds what a tool may say, in bytes.
	maxSaid = 256 << 10
	// maxText bounds one text of the findings, in bytes.
	maxText = 300
)

// look is one look at a host.
type look struct {
	facts.Files
	ask   *wire.Check
	to    *Server
	found wire.Findings
}

// Collect looks at the host whose files are below root.
func Collect(ctx context.Context, root string, ask *wire.Check, to *Server) *wire.Findings {
	ctx, cancel := context.WithTimeout(ctx, Most)
	defer cancel()
	began := time.Now()
	l := &look{Files: facts.Files{Root: root}, ask: ask, to: to}
	// What waits for others, the network and tools, does so at the same time; each writes fields of its own.
	var waiting sync.WaitGroup
	for _, group := range []func(context.Context){l.network, l.names, l.firewall, l.packages} {
		waiting.Go(func() { group(ctx) })
	}
	l.disks()
	l.memory()
	l.limits()
	l.system(ctx)
	l.clock()
	l.security()
	l.leftovers()
	waiting.Wait()
	l.found.Took = max(1, time.Since(began).Milliseconds())
	return &l.found
}

// lines returns a file's lines.
func (l *look) lines(name string) []string { return strings.Split(string(l.Read(name)), "\n") }

func (l *look) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(l.Root, name))
	return err == nil
}

// toolPaths is where tools are looked for: an agent's own environment may lack the directories of administrators.
const toolPaths = "/usr/sbin:/usr/bin:/sbin:/bin"

// answer is what a tool says.
type answer struct {
	text  string // its beginning
	err   error  // it ended with another status than 0, or not in time
	there bool   // the host has such a tool
}

func (a answer) good() bool { return a.there && a.err == nil }

// tool runs one of the host's programs.
func (l *look) tool(ctx context.Context, name string, args ...string) answer {
	path := ""
	for _, dir := range strings.Split(toolPaths, ":") {
		candidate := filepath.Join(l.Root, dir, name)
		if info, err := os.Stat(candidate); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			path = candidate
			break
		}
	}
	if path == "" {
		return answer{}
	}
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	out := &bounded{}
	command := exec.CommandContext(ctx, path, args...)
	command.Env = []string{"PATH=" + toolPaths, "LC_ALL=C", "HOME=/"}
	command.Stdout, command.Stderr = out, out
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	err := command.Run()
	return answer{strings.TrimSpace(out.String()), err, true}
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	_, err := b.Buffer.Write(p[:min(len(p), max(0, maxSaid-b.Len()))])
	return len(p), err
}

// clip shortens a text to what the findings hold of one.
func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}

// fewest sorts texts and leaves out those beyond a number.
func fewest(texts []string, most int) []string {
	slices.Sort(texts)
	return texts[:min(len(texts), most)]
}
