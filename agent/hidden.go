package main

import (
	"io"

	"hostler/agent/command"
)

// runJob is the process between the agent and a command, see package command. It is not for people.
func runJob(args []string, _ io.Writer) error {
	if len(args) != 1 {
		return errUsage
	}
	return command.Main(args[0])
}
