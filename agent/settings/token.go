package settings

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"hostler/agent/ini"
	"hostler/agent/state"
)

// ForgetToken takes the token's line out of agent.ini, leaving every other byte as it is. A token that is
// not the given one stays: somebody has put a new one there meanwhile, and it has still to be used.
func ForgetToken(path, token string) error {
	file, err := ini.Read(path)
	if err != nil {
		return err
	}
	value := file.Get("agent", "token")
	if value.Line == 0 || value.Text != token {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot remove the token: %w", err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot remove the token: %w", err)
	}
	lines := bytes.SplitAfter(content, []byte("\n"))
	if len(lines) < value.Line || !strings.Contains(string(lines[value.Line-1]), token) {
		return fmt.Errorf("cannot remove the token: %s has changed meanwhile", path)
	}
	lines[value.Line-1] = nil
	return state.WriteFile(path, bytes.Join(lines, nil), info.Mode().Perm())
}
