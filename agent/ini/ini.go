// Package ini reads the agent's small configuration files: sections, keys, comments, nothing more.
//
// A value ends at a blank followed by ";" unless it stands in double quotes. There is no escaping, no
// interpolation and no nesting. The package never writes a file.
package ini

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// MaxSize bounds a file, in bytes. A larger one is refused rather than cut.
const MaxSize = 64 << 10

// File is a parsed file.
type File struct {
	Name     string
	sections map[string]map[string]Value
	order    []Value
}

// Value is one "key = value" line.
type Value struct {
	Section string
	Key     string // lower case
	Name    string // the key as it is written
	Text    string
	Line    int // from 1
}

// Read reads and parses the file at path. An error names the file and, where it has one, the line.
func Read(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read configuration: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	content, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read configuration: %w", err)
	}
	return Parse(path, content)
}

// Parse parses content; name is what errors call it.
func Parse(name string, content []byte) (*File, error) {
	if len(content) > MaxSize {
		return nil, fmt.Errorf("cannot read %s: larger than %d bytes", name, MaxSize)
	}
	file := &File{Name: name, sections: map[string]map[string]Value{}}
	section := ""
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	for i, raw := range strings.Split(string(content), "\n") {
		line := strings.TrimSpace(raw)
		if err := checkText(line); err != nil {
			return nil, file.Errorf(i+1, "%w", err)
		}
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			next, err := parseSection(line)
			if err != nil {
				return nil, file.Errorf(i+1, "%w", err)
			}
			section = next
			continue
		}
		if err := file.add(section, line, i+1); err != nil {
			return nil, err
		}
	}
	return file, nil
}

// Get returns the value of a key; Line is 0 when the file does not have it.
func (f *File) Get(section, key string) Value { return f.sections[section][key] }

// Values returns every value in the file's order.
func (f *File) Values() []Value { return f.order }

// Errorf makes an error that names the file and the line.
func (f *File) Errorf(line int, format string, args ...any) error {
	return fmt.Errorf("cannot read %s: line %d: %w", f.Name, line, fmt.Errorf(format, args...))
}

func (f *File) add(section, line string, number int) error {
	name, text, found := strings.Cut(line, "=")
	name = strings.TrimSpace(name)
	key := strings.ToLower(name)
	if !found || key == "" {
		return f.Errorf(number, `expected "key = value"`)
	}
	if section == "" {
		return f.Errorf(number, "%q stands before the first [section]", key)
	}
	text, err := parseText(strings.TrimSpace(text))
	if err != nil {
		return f.Errorf(number, "%s: %w", key, err)
	}
	if earlier, ok := f.sections[section][key]; ok {
		return f.Errorf(number, "%s is set already in line %d", key, earlier.Line)
	}
	value := Value{Section: section, Key: key, Name: name, Text: text, Line: number}
	if f.sections[section] == nil {
		f.sections[section] = map[string]Value{}
	}
	f.sections[section][key] = value
	f.order = append(f.order, value)
	return nil
}

func parseSection(line string) (string, error) {
	name, rest, found := strings.Cut(line[1:], "]")
	name, rest = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(rest)
	if !found || name == "" || (rest != "" && rest[0] != ';' && rest[0] != '#') {
		return "", errors.New(`expected "[section]"`)
	}
	return name, nil
}

func parseText(text string) (string, error) {
	if strings.HasPrefix(text, `"`) {
		inner, rest, found := strings.Cut(text[1:], `"`)
		rest = strings.TrimSpace(rest)
		if !found || (rest != "" && rest[0] != ';') {
			return "", errors.New("the closing quotation mark is missing or not at the end")
		}
		return inner, nil
	}
	for i := range len(text) {
		if text[i] == ';' && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t') {
			return strings.TrimSpace(text[:i]), nil
		}
	}
	return text, nil
}

// checkText refuses what no text file holds: a NUL in a value would end it early for the next program.
func checkText(line string) error {
	for _, r := range line {
		switch {
		case r == 0:
			return errors.New("holds a NUL byte")
		case r < ' ' && r != '\t', r == 0x7f, r == '\uFFFD':
			return errors.New("holds a control character or text that is not UTF-8")
		}
	}
	return nil
}
