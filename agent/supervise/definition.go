package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"hostler/agent/cgroup"
	"hostler/agent/ini"
	"hostler/agent/owner"
	"hostler/agent/wire"
)

// Definition is what a child agent's file in agents.d says about it. docs/child-agents.md describes the file.
type Definition struct {
	File      string
	Name      string // unique on the host
	Version   string
	Command   []string // the program's absolute path, then its arguments
	Directory string   // "" is the user's home
	User      string   // "" is the agent's own, root
	Group     string   // "" is the user's
	Umask     int
	After     []string // names of those that must be ready before
	Enabled   bool     // started by itself
	Env       map[string]string
	Limits    wire.Limits
	Stop      syscall.Signal
	Grace     time.Duration // between that signal and SIGKILL
	LogSize   int64         // bytes; a larger log is rotated
	LogCount  int           // rotated logs kept
	Restart   Policy
	Ready     Readiness
	Unknown   []string // keys that this version does not know, to be told and not to be fatal

	limit cgroup.Limit
}

// maxDefinitions bounds the list, and so the size of a heartbeat.
const maxDefinitions = 200

func newDefinition(file string) *Definition {
	return &Definition{
		File: file, Umask: 0o022, Enabled: true, Env: map[string]string{}, Stop: syscall.SIGTERM, Grace: 10 * time.Second,
		LogSize: 10 << 20, LogCount: 3, Restart: documentPolicy(), Ready: Readiness{Every: time.Second, Within: time.Minute},
	}
}

// ParseDefinition checks the text of a definition; file is what errors call it.
func ParseDefinition(file string, text []byte) (*Definition, error) {
	f, err := ini.Parse(file, text)
	if err != nil {
		return nil, err
	}
	return interpret(f)
}

func readDefinition(path string) (*Definition, error) {
	f, err := ini.Read(path)
	if err != nil {
		return nil, err
	}
	return interpret(f)
}

func interpret(f *ini.File) (*Definition, error) {
	d := newDefinition(f.Name)
	if policy := f.Get("restart", "policy"); policy.Line > 0 {
		// The policy goes first: the other keys of its section change its numbers.
		var err error
		if d.Restart, err = parsePolicy(policy.Text); err != nil {
			return nil, f.Errorf(policy.Line, "policy %w", err)
		}
	}
	for _, value := range f.Values() {
		if value.Section == "env" {
			d.Env[value.Name] = value.Text
			continue
		}
		key := value.Section + "." + value.Key
		set, known := keys[key]
		if !known {
			d.Unknown = append(d.Unknown, fmt.Sprintf("line %d: %s", value.Line, key))
			continue
		}
		if err := set(d, value.Text); err != nil {
			return nil, f.Errorf(value.Line, "%s %w", value.Key, err)
		}
	}
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", f.Name, err)
	}
	return d, nil
}

func (d *Definition) check() (err error) {
	if d.Name == "" {
		return errors.New("name is missing from [agent]")
	}
	if len(d.Command) == 0 {
		return errors.New("command is missing from [agent]")
	}
	if slices.Contains(d.After, d.Name) {
		return errors.New("after names the child agent itself")
	}
	if err := owner.CheckVariables(d.Env); err != nil {
		return fmt.Errorf("[env]: %w", err)
	}
	if d.limit, err = cgroup.Parse(&d.Limits); err != nil {
		return fmt.Errorf("[limits]: %w", err)
	}
	return d.Ready.check()
}

// same says whether a process that was started by one definition is as the other would start it.
func (d *Definition) same(other *Definition) bool {
	return slices.Equal(d.Command, other.Command) && d.Directory == other.Directory && d.User == other.User && d.Group == other.Group &&
		d.Umask == other.Umask && maps.Equal(d.Env, other.Env) && d.Version == other.Version && d.limit.Files == other.limit.Files
}

// loaded is what a directory of definitions holds.
type loaded struct {
	dir         string
	definitions map[string]*Definition // by name
	problems    map[string]error       // by file
}

// load reads every *.ini of a directory in the order of their names. What cannot be used is told in problems; of two
// files with one name the later is one of them, and so is a file that somebody is writing.
func load(dir string, writing map[string]bool) loaded {
	l := loaded{dir: dir, definitions: map[string]*Definition{}, problems: map[string]error{}}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.problems[dir] = fmt.Errorf("cannot list %s: %w", dir, err)
		return l
	}
	for _, entry := range entries {
		file := filepath.Join(dir, entry.Name())
		if filepath.Ext(file) != ".ini" {
			continue
		}
		if writing[file] {
			l.problems[file] = errWriting
			continue
		}
		d, err := readDefinition(file)
		if err == nil && l.definitions[d.Name] != nil {
			err = fmt.Errorf("cannot use %s: the name %s is taken by %s", file, d.Name, l.definitions[d.Name].File)
		}
		if err == nil && len(l.definitions) == maxDefinitions {
			err = fmt.Errorf("cannot use %s: there are %d child agents already", file, maxDefinitions)
		}
		if err != nil {
			l.problems[file] = err
			continue
		}
		l.definitions[d.Name] = d
	}
	l.refuseCycles()
	return l
}

var errWriting = errors.New("it is being written")

var globEscapes = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// refuseCycles takes out those that wait for each other: none of them could ever start.
func (l *loaded) refuseCycles() {
	for _, name := range slices.Sorted(maps.Keys(l.definitions)) {
		if path := l.cycle(name, nil); path != nil {
			d := l.definitions[name]
			l.problems[d.File] = fmt.Errorf("cannot use %s: after goes in a circle: %s", d.File, strings.Join(path, " after "))
			delete(l.definitions, name)
		}
	}
}

// cycle returns the way from the first name of a path back to it, nil when there is none.
func (l *loaded) cycle(name string, path []string) []string {
	path = append(path, name)
	d := l.definitions[name]
	if d == nil || len(path) > len(l.definitions)+1 {
		return nil
	}
	for _, before := range d.After {
		if before == path[0] {
			return append(path, before)
		}
		if slices.Contains(path, before) {
			continue // a circle that this one only leads to
		}
		if found := l.cycle(before, slices.Clone(path)); found != nil {
			return found
		}
	}
	return nil
}
