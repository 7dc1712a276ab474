package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hostler/agent/facts"
	"hostler/agent/settings"
	"hostler/agent/state"
)

// readConfig parses the flags that the commands share and reads agent.ini.
func readConfig(command string, args []string) (*settings.Settings, error) {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("config", settings.DefaultPath, "path of agent.ini")
	if err := parse(flags, args); err != nil {
		return nil, err
	}
	s, err := settings.Read(*path)
	if err != nil {
		return nil, fmt.Errorf("%w; %w", err, errUsage)
	}
	return s, nil
}

func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%s: %w; %w", flags.Name(), err, errUsage)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s takes no argument: %q; %w", flags.Name(), flags.Arg(0), errUsage)
	}
	return nil
}

func factsCommand(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("facts", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	if err := parse(flags, args); err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(facts.Collect(context.Background(), "/"))
}

func statusCommand(args []string, out io.Writer) error {
	s, err := readConfig("status", args)
	if err != nil {
		return err
	}
	known, status, err := state.Peek(s.StateDir)
	if err != nil {
		return err
	}
	expires, err := certificateEnd(filepath.Join(s.StateDir, state.IdentityFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err = io.WriteString(out, describe(s, &known, &status, expires))
	return err
}

func describe(s *settings.Settings, known *state.Values, status *state.Status, expires time.Time) string {
	var text strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&text, "%-18s %s\n", name+":", fmt.Sprintf(format, args...))
	}
	switch {
	case expires.IsZero() && status.Fingerprint != "":
		line("Enrolled", "no, waiting for approval")
		line("Fingerprint", "%s", status.Fingerprint)
	case expires.IsZero():
		line("Enrolled", "no")
	default:
		line("Enrolled", "yes")
		line("Serial number", "%s", known.AgentSN)
		line("Certificate until", "%s", moment(expires))
	}
	line("Hostname", "%s", s.Hostname)
	if status.Server == "" {
		line("Server", "%s", s.SecuredAddress())
	} else {
		line("Server", "%s (from %s)", status.Server, status.ServerSource)
		line("Step", "%d s", status.Step)
	}
	line("Last heartbeat", "%s", moment(status.LastHeartbeat))
	if status.LastError != "" {
		line("Last error", "%s: %s", moment(status.LastErrorTime), status.LastError)
	}
	return text.String()
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format(time.RFC3339)
}

// certificateEnd reads only the certificate of the file that holds the key as well.
func certificateEnd(path string) (time.Time, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, fmt.Errorf("cannot read %s: %w", path, err)
		}
		return certificate.NotAfter, nil
	}
	return time.Time{}, fmt.Errorf("cannot read %s: it holds no certificate", path)
}
