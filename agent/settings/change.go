package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hostler/agent/ini"
	"hostler/agent/state"
)

// Change is a "section.key" and its new value; "" takes the key out.
type Change struct{ Section, Key, Text string }

// Apply writes changes into the agent.ini at path, or a new one, and returns what it says then. All that it does not change
// stays as it is. A file that would not be understood is not written.
func Apply(path string, changes []Change) (*Settings, error) {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read configuration: %w", err)
	}
	text := string(content)
	for _, c := range changes {
		if text, err = apply(path, text, c); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the package manager reads the CA certificate beside it
		return nil, fmt.Errorf("cannot write configuration: %w", err)
	}
	// It is read in a file of its own first: who starts the agent meanwhile gets the former or the new one.
	trial := path + ".new"
	defer func() { _ = os.Remove(trial) }() // there is none after a success
	if err := state.WriteFile(trial, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s, err := Read(trial)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), trial, path))
	}
	if err := os.Rename(trial, path); err != nil {
		return nil, fmt.Errorf("cannot write configuration: %w", err)
	}
	s.Path = path
	return s, nil
}

func apply(path, text string, c Change) (string, error) {
	if strings.ContainsAny(c.Text, "\r\n\";") {
		return "", fmt.Errorf("cannot set %s: %.80q holds a character that a value cannot have", c.Key, c.Text)
	}
	file, err := ini.Parse(path, []byte(text))
	if err != nil {
		return "", err
	}
	lines := strings.SplitAfter(text, "\n")
	line := c.Key + " = " + c.Text + "\n"
	if c.Text == "" {
		line = ""
	}
	if value := file.Get(c.Section, c.Key); value.Line > 0 {
		lines[value.Line-1] = line
		return strings.Join(lines, ""), nil
	}
	if line == "" {
		return text, nil
	}
	for i, l := range lines {
		name, _, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(l), "["), "]")
		if found && strings.HasPrefix(strings.TrimSpace(l), "[") && strings.EqualFold(strings.TrimSpace(name), c.Section) {
			lines[i] = strings.TrimSuffix(l, "\n") + "\n" + line
			return strings.Join(lines, ""), nil
		}
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + "[" + c.Section + "]\n" + line, nil
}
