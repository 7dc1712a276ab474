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
	"time"

	"hostler/agent/facts"
	"hostler/agent/settings"
	"hostler/agent/state"
)

// configFlag parses the flags that commands have. A message has been printed where ok is false.
func configFlag(command string, args []string, stderr io.Writer) (path string, ok bool) {
	flags := flag.NewFlagSet("hostler-agent "+command, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&path, "config", settings.DefaultPath, "path of agent.ini")
	if err := flags.Parse(args); err != nil {
		return "", false
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "hostler-agent: %s takes no argument: %q\n", command, flags.Arg(0))
		return "", false
	}
	return path, true
}

func factsCommand(args []string, stdout, stderr io.Writer) int {
	if _, ok := configFlag("facts", args, stderr); !ok {
		return exitUsage
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(facts.Collect(context.Background(), "/")); err != nil {
		fmt.Fprintln(stderr, "hostler-agent:", err)
		return exitFailed
	}
	return exitOK
}

func statusCommand(args []string, stdout, stderr io.Writer) int {
	path, ok := configFlag("status", args, stderr)
	if !ok {
		return exitUsage
	}
	s, err := settings.Read(path)
	if err != nil {
		fmt.Fprintln(stderr, "hostler-agent:", err)
		return exitUsage
	}
	known, status, err := state.Peek(s.StateDir)
	if err != nil {
		fmt.Fprintln(stderr, "hostler-agent:", err)
		return exitFailed
	}
	expires, err := certificateEnd(filepath.Join(s.StateDir, state.IdentityFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(stderr, "hostler-agent:", err)
		return exitFailed
	}
	printStatus(stdout, s, &known, &status, expires)
	return exitOK
}

func printStatus(to io.Writer, s *settings.Settings, known *state.Values, status *state.Status, expires time.Time) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(to, "%-17s %s\n", name+":", fmt.Sprintf(format, args...))
	}
	enrolled := !expires.IsZero()
	line("Enrolled", "%s", map[bool]string{true: "yes", false: "no"}[enrolled])
	line("Hostname", "%s", s.Hostname)
	if enrolled {
		line("Serial number", "%s", known.AgentSN)
		line("Certificate until", "%s", moment(expires))
	}
	if status.Server != "" {
		line("Server", "%s (from %s)", status.Server, status.ServerSource)
	} else {
		line("Server", "%s", s.SecuredAddress())
	}
	if status.Step != 0 {
		line("Step", "%d s", status.Step)
	}
	line("Last heartbeat", "%s", moment(status.LastHeartbeat))
	if status.LastError != "" {
		line("Last error", "%s: %s", moment(status.LastErrorTime), status.LastError)
	}
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
