package supervise

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"hostler/agent/ini"
)

// Definition is what a child agent's file says about it:
//
//	[agent]
//	name = BasicAgent
//	version = 1.2.3
//	command = /usr/sbin/basic-agent --quiet
//	pidfile = /run/basic-agent.pid    ; optional
type Definition struct {
	File    string
	Name    string // unique on the host
	Version string
	Program string // absolute path, the command's first word
	PIDFile string // absolute path or empty
}

// maxDefinitions bounds the list, and so the size of a heartbeat.
const maxDefinitions = 200

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// load reads every *.ini of a directory in the order of their names. What cannot be used is left out and told
// in problems; of two files with one name the later is left out.
func load(dir string) (definitions []Definition, problems []error) {
	files, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*.ini"))
	if err != nil {
		return nil, []error{fmt.Errorf("cannot list %s: %w", dir, err)}
	}
	byName := map[string]string{}
	for _, file := range files {
		definition, err := read(file)
		if err == nil && byName[definition.Name] != "" {
			err = fmt.Errorf("cannot use %s: the name %s is taken by %s", file, definition.Name, byName[definition.Name])
		}
		if err == nil && len(definitions) == maxDefinitions {
			err = fmt.Errorf("cannot use %s: there are %d child agents already", file, maxDefinitions)
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		byName[definition.Name] = file
		definitions = append(definitions, definition)
	}
	return definitions, problems
}

func read(path string) (Definition, error) {
	file, err := ini.Read(path)
	if err != nil {
		return Definition{}, err
	}
	definition := Definition{
		File:    path,
		Name:    file.Get("agent", "name").Text,
		Version: file.Get("agent", "version").Text,
		PIDFile: file.Get("agent", "pidfile").Text,
	}
	if words := strings.Fields(file.Get("agent", "command").Text); len(words) > 0 {
		definition.Program = words[0]
	}
	if !namePattern.MatchString(definition.Name) {
		return Definition{}, file.Errorf(file.Get("agent", "name").Line, "[agent] needs a name of up to 64 letters, digits, dots and dashes")
	}
	for key, path := range map[string]string{"command": definition.Program, "pidfile": definition.PIDFile} {
		if !filepath.IsAbs(path) && (path != "" || key == "command") {
			return Definition{}, file.Errorf(file.Get("agent", key).Line, "%s must be an absolute path", key)
		}
	}
	return definition, nil
}

var globEscapes = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

func escapeGlob(path string) string { return globEscapes.Replace(path) }
