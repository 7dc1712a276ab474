package install

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"hostler/agent/ini"
	"hostler/agent/state"
	"hostler/agent/wire"
)

// maxDefinition bounds a definition, in bytes.
const maxDefinition = ini.MaxSize

// ErrDefinition says that a definition cannot be used.
var ErrDefinition = errors.New("the definition cannot be used")

// own is the file that a job gives a child agent that has none.
func (p *Place) own(name string) string { return filepath.Join(p.Definitions, name+".ini") }

// files are those that define a child agent, whatever they are called. The first one is in force, as the supervisor has it.
func (p *Place) files(name string) ([]string, error) {
	entries, err := os.ReadDir(p.Definitions)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot list the definitions: %w", err)
	}
	var files []string
	for _, entry := range entries {
		path := filepath.Join(p.Definitions, entry.Name())
		if filepath.Ext(path) != ".ini" {
			continue
		}
		file, err := ini.Read(path)
		if err == nil && file.Get("agent", "name").Text == name || err != nil && path == p.own(name) {
			files = append(files, path)
		}
	}
	return files, nil
}

// definition is the file that defines a child agent, or that is to.
func (p *Place) definition(name string) (string, error) {
	files, err := p.files(name)
	if err != nil || len(files) == 0 {
		return p.own(name), err
	}
	return files[0], nil
}

// Defined says whether a file defines the child agent.
func (p *Place) Defined(name string) (bool, error) {
	files, err := p.files(name)
	return len(files) > 0, err
}

// Digest tells definitions apart.
func Digest(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// Tell tells what the file that defines a child agent says now.
func (p *Place) Tell(name string) wire.Definition {
	told := wire.Definition{Name: name}
	files, err := p.files(name)
	if err != nil || len(files) == 0 {
		return told
	}
	told.File = files[0]
	text, err := readSome(files[0])
	if err != nil || len(text) > maxDefinition || !utf8.Valid(text) {
		return told
	}
	told.Text = string(text)
	kept, err := p.Kept(name)
	told.Edited = err == nil && kept.Definition != "" && kept.Definition != Digest(told.Text)
	return told
}

// readSome reads a file, and one that is too large for a definition far enough to tell.
func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	return io.ReadAll(io.LimitReader(f, maxDefinition+1))
}

// define writes a file of definitions.
func (p *Place) define(path, text string) error {
	if err := os.MkdirAll(p.Definitions, 0o755); err != nil { //nolint:gosec // nothing in it is secret to the host's users
		return fmt.Errorf("cannot make the directory of definitions: %w", err)
	}
	return state.WriteFile(path, []byte(text), 0o644)
}

// Undefine removes the files that define a child agent: without the first, a second one would be in force.
func (p *Place) Undefine(name string) error {
	files, err := p.files(name)
	for _, path := range files {
		err = errors.Join(err, p.undefine(path))
	}
	return err
}

func (p *Place) undefine(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a package may have taken its directory away, too
	}
	if err != nil {
		return fmt.Errorf("cannot remove the definition: %w", err)
	}
	return state.SyncDir(p.Definitions)
}

// Settle makes a tree's definition one that can be used where the tree is: a relative program or directory is below
// the tree in force, and the version is that of the job, if it has one.
func (p *Place) Settle(name, version, text string) (string, error) {
	file, err := ini.Parse(name+".ini", []byte(text))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrDefinition, err)
	}
	if got := file.Get("agent", "name").Text; got != name {
		return "", fmt.Errorf("%w: it names %.80q, not %q", ErrDefinition, got, name)
	}
	lines := strings.Split(text, "\n")
	set := func(key, value string) {
		if line := file.Get("agent", key).Line; line > 0 {
			lines[line-1] = key + " = " + value
			return
		}
		at := file.Get("agent", "name").Line
		lines[at-1] += "\n" + key + " = " + value
	}
	for _, key := range []string{"command", "directory"} {
		value := file.Get("agent", key).Text
		if value == "" || filepath.IsAbs(value) {
			continue
		}
		if !filepath.IsLocal(strings.Fields(value)[0]) {
			return "", fmt.Errorf("%w: %s leads out of the archive: %.200q", ErrDefinition, key, value)
		}
		set(key, p.Current(name)+"/"+value)
	}
	if version != "" {
		set("version", version)
	}
	return strings.Join(lines, "\n"), nil
}

var escapes = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

func escape(path string) string { return escapes.Replace(path) }
