// Command hostler-agent is Hostler's agent: one per host, enrolled with one server, reporting to it and doing
// its jobs. See "hostler-agent help".
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"hostler/agent/command"
	"hostler/agent/removal"
	"hostler/agent/upgrade"
)

// version is set by the linker.
var version = "0.0.0-dev"

// errUsage is in the chain of errors that trying again does not mend: the command line or the configuration
// is wrong. The process exits with 2 then, with 1 for every other error.
var errUsage = errors.New("see \"hostler-agent help\"")

func main() {
	err := dispatch(os.Args[1:], os.Stdout)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "hostler-agent:", err)
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

func dispatch(args []string, out io.Writer) error {
	commands := map[string]func([]string, io.Writer) error{
		"run": runCommand, "setup": setupCommand, "reset": resetCommand, "status": statusCommand, "facts": factsCommand, "selftest": selftest,
		command.Argument: runJob, upgrade.GuardArgument: guardUpgrade, removal.Argument: removeAgent,
	}
	text := usage
	if len(args) > 0 {
		if command := commands[args[0]]; command != nil {
			return command(args[1:], out)
		}
		switch args[0] {
		case "version", "--version", "-version":
			text = fmt.Sprintf("hostler-agent %s %s/%s\n", version, runtime.GOOS, runtime.GOARCH)
		case "help", "--help", "-help", "-h":
		default:
			return fmt.Errorf("there is no command %q; %w", args[0], errUsage)
		}
	}
	_, err := io.WriteString(out, text)
	return err
}
