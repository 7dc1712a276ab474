// Package agentbin holds the agent executables that are built into the server.
//
// "make build" puts one static executable per architecture into dist before it builds the server, plain and
// uncompressed: hostler-agent-linux-amd64 and hostler-agent-linux-arm64. A server built by plain "go build"
// carries none; everything but installing agents works then. The build tag noagents leaves them out as well: it is for
// tests that start servers often and need no agents, because each new server packs those that it carries. The package
// never writes and never executes anything.
package agentbin

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

const prefix = "hostler-agent-linux-"

// ErrNoAgents says that the server was built without agent executables.
var ErrNoAgents = errors.New("this server was built without agents: build it with make build")

// Binary returns the agent executable for a Go architecture name such as "amd64". The bytes must not be changed.
// The error is ErrNoAgents when no agent at all is built in.
func Binary(arch string) ([]byte, error) {
	data, err := dist.ReadFile("dist/" + prefix + arch)
	if errors.Is(err, fs.ErrNotExist) {
		archs := Archs()
		if len(archs) == 0 {
			return nil, ErrNoAgents
		}
		return nil, fmt.Errorf("cannot find an agent for %s: this server carries %s", arch, strings.Join(archs, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the built-in agent for %s: %w", arch, err)
	}
	return data, nil
}

// Archs lists the Go architecture names of the built-in agents, sorted; none when the server was built without.
func Archs() []string {
	entries, err := dist.ReadDir("dist")
	if err != nil {
		return nil
	}
	var archs []string
	for _, entry := range entries {
		if arch, found := strings.CutPrefix(entry.Name(), prefix); found {
			archs = append(archs, arch)
		}
	}
	return archs
}
