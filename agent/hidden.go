package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"hostler/agent/command"
	"hostler/agent/event"
	"hostler/agent/removal"
	"hostler/agent/space"
	"hostler/agent/state"
	"hostler/agent/task"
	"hostler/agent/upgrade"
)

// runJob is the process between the agent and a command, see package command. It is not for people.
func runJob(args []string, _ io.Writer) error {
	if len(args) != 1 {
		return errUsage
	}
	return command.Main(args[0])
}

// guardUpgrade is the process that takes an old agent back, see package upgrade. It is not for people.
func guardUpgrade(args []string, _ io.Writer) error { return upgrade.Guard(context.Background(), args) }

// removeAgent is the process that takes the agent off the host, see package removal. It is not for people.
func removeAgent([]string, io.Writer) error {
	return removal.Main(context.Background(), os.Stdin, slog.New(slog.NewTextHandler(os.Stderr, nil)))
}

// selftest is what an agent runs of another that is to take its place: can it be started here, and can it read what
// it will find?
func selftest(args []string, out io.Writer) error {
	s, err := readConfig("selftest", args)
	if err != nil {
		return err
	}
	if _, _, err := state.Peek(s.StateDir); err != nil {
		return err
	}
	if _, err := certificateEnd(filepath.Join(s.StateDir, state.IdentityFile)); err != nil {
		return err
	}
	if _, err := upgrade.Read(s.StateDir); err != nil {
		return err
	}
	room := &space.Room{} // nothing is written
	if _, _, err := task.OpenJournal(filepath.Join(s.StateDir, state.JournalFile), room); err != nil {
		return err
	}
	if _, _, err := event.Open(event.Options{Path: filepath.Join(s.StateDir, state.EventsFile), Room: room}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "hostler-agent %s works here\n", version)
	return err
}
