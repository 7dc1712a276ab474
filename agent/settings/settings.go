// Package settings reads agent.ini and forgets the token in it once that is used.
//
// Everything an operator may set is in Settings, and every default is written in it once. What the server
// changes at run time (step, server list) is not here but in package state.
package settings

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"hostler/agent/ini"
)

// DefaultPath is where the packages install agent.ini.
const DefaultPath = "/etc/hostler-agent/agent.ini"

// Bounds of the step, in seconds.
const (
	MinStep = 1
	MaxStep = 86400
)

// Settings is a checked agent.ini.
type Settings struct {
	Path          string // of agent.ini
	Host          string // the server's DNS name or IP address; its certificate must carry it
	HandshakePort int
	SecuredPort   int
	CAPin         string // lower-case hex SHA-256 of the CA certificate's DER
	Hostname      string // what the host is called in Hostler, lower case
	Token         string // one-time enrolment token; empty once used
	Step          int    // seconds between heartbeats until the server sets them
	Wake          bool   // keep a connection open by which the server asks for a heartbeat at once
	StateDir      string
	AgentsDir     string // definitions of child agents, *.ini
	GroupTree     string // the tree of control groups that child agents are in
	LogFile       string
	LogSize       int64    // bytes; a larger log is rotated
	LogCount      int      // rotated logs kept
	UpgradeWindow int      // seconds in which a new agent has to prove itself
	JobLimit      int      // jobs that are done at the same time
	Unknown       []string // keys this version does not know, to be told and not to be fatal
}

func defaults(path string) *Settings {
	return &Settings{
		Path:          path,
		HandshakePort: 8440,
		SecuredPort:   8441,
		Step:          10,
		Wake:          true,
		StateDir:      "/var/lib/hostler-agent",
		AgentsDir:     "/etc/hostler-agent/agents.d",
		GroupTree:     "hostler-agent",
		LogFile:       "/var/log/hostler-agent/agent.log",
		LogSize:       10 << 20,
		LogCount:      5,
		UpgradeWindow: 60,
		JobLimit:      8,
	}
}

// keys says how each "section.key" is taken over; an error becomes one of its line.
var keys = map[string]func(s *Settings, text string) error{
	"server.host":           func(s *Settings, text string) (err error) { s.Host, err = name(text); return err },
	"server.handshake_port": func(s *Settings, text string) (err error) { s.HandshakePort, err = number(text, 1, 65535); return err },
	"server.secured_port":   func(s *Settings, text string) (err error) { s.SecuredPort, err = number(text, 1, 65535); return err },
	"server.ca_pin":         func(s *Settings, text string) (err error) { s.CAPin, err = pin(text); return err },
	"agent.hostname":        func(s *Settings, text string) (err error) { s.Hostname, err = name(text); return err },
	"agent.token":           func(s *Settings, text string) (err error) { s.Token, err = token(text); return err },
	"agent.step":            func(s *Settings, text string) (err error) { s.Step, err = number(text, MinStep, MaxStep); return err },
	"agent.wake":            func(s *Settings, text string) (err error) { s.Wake, err = yesNo(text); return err },
	"agent.state_dir":       func(s *Settings, text string) (err error) { s.StateDir, err = absolute(text); return err },
	"agent.agents_dir":      func(s *Settings, text string) (err error) { s.AgentsDir, err = absolute(text); return err },
	"agent.group_tree":      func(s *Settings, text string) (err error) { s.GroupTree, err = word(text); return err },
	"agent.log_file":        func(s *Settings, text string) (err error) { s.LogFile, err = absolute(text); return err },
	"log.size":              func(s *Settings, text string) (err error) { s.LogSize, err = size(text); return err },
	"jobs.limit":            func(s *Settings, text string) (err error) { s.JobLimit, err = number(text, 1, 64); return err },
	"agent.upgrade_window":  func(s *Settings, text string) (err error) { s.UpgradeWindow, err = number(text, 1, 3600); return err },
	"log.count":             func(s *Settings, text string) (err error) { s.LogCount, err = number(text, 0, 100); return err },
}

// Read reads and checks the agent.ini at path. Errors name the file and the line.
func Read(path string) (*Settings, error) {
	file, err := ini.Read(path)
	if err != nil {
		return nil, err
	}
	settings := defaults(path)
	for _, value := range file.Values() {
		key := value.Section + "." + value.Key
		set, known := keys[key]
		if !known {
			settings.Unknown = append(settings.Unknown, fmt.Sprintf("line %d: %s", value.Line, key))
			continue
		}
		if err := set(settings, value.Text); err != nil {
			return nil, file.Errorf(value.Line, "%s %w", value.Key, err)
		}
	}
	for _, key := range []string{"host", "ca_pin"} {
		if file.Get("server", key).Text == "" {
			return nil, fmt.Errorf("cannot read %s: %s is missing from [server]", path, key)
		}
	}
	if settings.Hostname == "" {
		return settings, settings.hostnameFromKernel()
	}
	return settings, nil
}

// CAFile is where the server's CA certificate lies: beside agent.ini, and not in the state directory,
// because the package manager must be able to read it, too.
func (s *Settings) CAFile() string { return filepath.Join(filepath.Dir(s.Path), "ca.pem") }

// HandshakeAddress is "host:port" of the handshake port.
func (s *Settings) HandshakeAddress() string {
	return net.JoinHostPort(s.Host, strconv.Itoa(s.HandshakePort))
}

// SecuredAddress is "host:port" of the secured port.
func (s *Settings) SecuredAddress() string {
	return net.JoinHostPort(s.Host, strconv.Itoa(s.SecuredPort))
}

func (s *Settings) hostnameFromKernel() error {
	kernel, err := os.Hostname()
	if err == nil {
		s.Hostname, err = name(kernel)
	}
	if err != nil {
		return fmt.Errorf("cannot read %s: hostname is missing from [agent], and the machine's own cannot be used: %w",
			s.Path, err)
	}
	return nil
}

func name(text string) (string, error) {
	text = strings.ToLower(strings.TrimSuffix(text, "."))
	if ip := net.ParseIP(text); ip != nil {
		return ip.String(), nil
	}
	if !isHostName(text) {
		return "", fmt.Errorf("is neither a host name nor an IP address: %.80q", text)
	}
	return text, nil
}

const alphanumerics = "abcdefghijklmnopqrstuvwxyz0123456789"

// isHostName goes by RFC 1123, and allows underscores: hosts have them.
func isHostName(text string) bool {
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || strings.Trim(label, alphanumerics+"_-") != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return len(text) <= 253
}

func number(text string, low, high int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("must be a number from %d to %d, not %.40q", low, high, text)
	}
	return n, nil
}

// word is part of a path.
func word(text string) (string, error) {
	if text == "" || len(text) > 64 || strings.Trim(text, alphanumerics+"-") != "" || text[0] == '-' {
		return "", fmt.Errorf("must be up to 64 small letters, digits and dashes, not %.80q", text)
	}
	return text, nil
}

func yesNo(text string) (bool, error) {
	if text != "yes" && text != "no" {
		return false, fmt.Errorf("must be yes or no, not %.40q", text)
	}
	return text == "yes", nil
}

func pin(text string) (string, error) {
	text = strings.ToLower(text)
	if raw, err := hex.DecodeString(text); err != nil || len(raw) != 32 {
		return "", fmt.Errorf("must be a SHA-256 in 64 hexadecimal digits, not %.80q", text)
	}
	return text, nil
}

func token(text string) (string, error) {
	if len(text) > 512 || strings.ContainsAny(text, " \t") {
		return "", errors.New("is no token: it has blanks or more than 512 characters")
	}
	return text, nil
}

func absolute(text string) (string, error) {
	if !filepath.IsAbs(text) {
		return "", fmt.Errorf("must be an absolute path, not %.80q", text)
	}
	return filepath.Clean(text), nil
}

// size understands "500000", "64K" and "10M"; less than 4 KiB would rotate all the time.
func size(text string) (int64, error) {
	digits, factor := text, int64(1)
	switch {
	case strings.HasSuffix(text, "K"):
		digits, factor = text[:len(text)-1], 1<<10
	case strings.HasSuffix(text, "M"):
		digits, factor = text[:len(text)-1], 1<<20
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n*factor < 4<<10 || n*factor > 1<<30 {
		return 0, fmt.Errorf("must be from 4K to 1024M, not %.40q", text)
	}
	return n * factor, nil
}

// Address checks "host:port" and returns it in the form the agent dials.
func Address(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", fmt.Errorf("is not host:port: %.80q", text)
	}
	if host, err = name(host); err != nil {
		return "", err
	}
	if _, err := number(port, 1, 65535); err != nil {
		return "", fmt.Errorf("has a port that %w", err)
	}
	return net.JoinHostPort(host, port), nil
}
