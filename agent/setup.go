package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"

	"hostler/agent/settings"
	"hostler/agent/state"
)

// setupCommand writes agent.ini for a server. Which server it was before does not matter: the agent forgets that one when it
// enrols with the new one.
func setupCommand(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("setup", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("config", settings.DefaultPath, "path of agent.ini")
	server := flags.String("server", "", "name or address of the server, perhaps with its handshake port")
	secured := flags.String("secured", "", "the server's port for heartbeats")
	pin := flags.String("ca-pin", "", "SHA-256 of the server's CA certificate")
	token := flags.String("token", "", "enrolment token; - reads it from standard input")
	hostname := flags.String("hostname", "", "what the host is to be called")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *server == "" || *pin == "" {
		return fmt.Errorf("setup: --server and --ca-pin are needed; %w", errUsage)
	}
	if *token == "-" {
		line, err := bufio.NewReader(io.LimitReader(os.Stdin, 4096)).ReadString('\n')
		if *token = strings.TrimSpace(line); *token == "" {
			return fmt.Errorf("setup: there is no token on standard input: %w", err)
		}
	}
	host, port := *server, ""
	if h, p, err := net.SplitHostPort(*server); err == nil {
		host, port = h, p
	}
	changes := []settings.Change{
		{Section: "server", Key: "host", Text: strings.Trim(host, "[]")},
		{Section: "server", Key: "handshake_port", Text: port},
		{Section: "server", Key: "secured_port", Text: *secured},
		{Section: "server", Key: "ca_pin", Text: *pin},
		{Section: "agent", Key: "token", Text: *token},
	}
	if *hostname != "" {
		changes = append(changes, settings.Change{Section: "agent", Key: "hostname", Text: *hostname})
	}
	s, err := settings.Apply(*path, changes)
	if err != nil {
		return fmt.Errorf("setup: %w; %w", err, errUsage)
	}
	how := "with the token"
	if *token == "" {
		how = "and wait for approval"
	}
	_, err = fmt.Fprintf(out, "%s is to enrol with %s %s\nstart the agent, or restart it: systemctl enable hostler-agent && systemctl restart hostler-agent\n",
		s.Hostname, s.HandshakeAddress(), how)
	return err
}

// forgotten are the files of an identity, and those of everything that the server has said.
var forgotten = struct{ identity, all []string }{
	identity: []string{state.IdentityFile, state.RequestFile, state.StatusFile},
	all:      []string{state.ValuesFile, state.JournalFile, state.EventsFile, state.TrustFile},
}

// resetCommand makes the agent ask for a certificate anew, with another key.
func resetCommand(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("reset", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("config", settings.DefaultPath, "path of agent.ini")
	all := flags.Bool("all", false, "forget the serial number, jobs and events, too")
	if err := parse(flags, args); err != nil {
		return err
	}
	s, err := settings.Read(*path)
	if err != nil {
		return fmt.Errorf("%w; %w", err, errUsage)
	}
	store, _, err := state.Open(s.StateDir) // a running agent has it
	if errors.Is(err, state.ErrInUse) {
		return errors.New("cannot reset: the agent is running; stop it first, for example by systemctl stop hostler-agent")
	}
	if err != nil {
		return err
	}
	names := forgotten.identity
	if *all {
		names = append(names[:len(names):len(names)], forgotten.all...)
	}
	for _, name := range names {
		if err := os.Remove(store.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("cannot reset: %w", err), store.Close())
		}
	}
	if err := store.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "the key and the certificate are gone; the agent asks for new ones when it starts")
	return err
}
