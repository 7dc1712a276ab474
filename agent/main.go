// Command hostler-agent is Hostler's agent: one per host, enrolled with one server, reporting to it and doing
// its jobs. See "hostler-agent help".
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
)

// version is set by the linker.
var version = "0.0.0-dev"

const usage = `Usage: hostler-agent COMMAND [--config FILE]

Commands:
  run       run the agent until SIGTERM; SIGHUP reads the configuration again
  status    say whether this host is enrolled and when its last heartbeat arrived
  facts     print what the agent knows about this host, as JSON
  version   print the version

FILE is /etc/hostler-agent/agent.ini where it is not given.
`

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the command line or the configuration is wrong: trying again does not help
)

func main() {
	os.Exit(dispatch(os.Args[1:], os.Stdout, os.Stderr))
}

func dispatch(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		args = []string{"help"}
	}
	switch args[0] {
	case "run":
		return runCommand(args[1:], stderr)
	case "status":
		return statusCommand(args[1:], stdout, stderr)
	case "facts":
		return factsCommand(args[1:], stdout, stderr)
	case "version", "--version", "-version":
		fmt.Fprintf(stdout, "hostler-agent %s %s/%s\n", version, runtime.GOOS, runtime.GOARCH)
	case "help", "--help", "-help", "-h":
		fmt.Fprint(stdout, usage)
	default:
		fmt.Fprintf(stderr, "hostler-agent: there is no command %q\n\n%s", args[0], usage)
		return exitUsage
	}
	return exitOK
}
