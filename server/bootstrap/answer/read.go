package answer

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reader reads one file.
type reader struct {
	lines    []string
	problems []Problem
	refused  map[*yaml.Node]bool // values that were complained about and are not looked at again
}

// Read reads a file and tells what is wrong with it; the file is of use only when nothing is.
func Read(text []byte) (*File, []Problem) {
	f := &File{}
	r := &reader{lines: strings.Split(string(text), "\n"), refused: map[*yaml.Node]bool{}}
	if len(text) > MaxBytes {
		r.wrong(place{1, 1}, "", CodeTooLarge, "limit", strconv.Itoa(MaxBytes))
		return f, r.problems
	}
	top := r.document(text)
	if top == nil {
		return f, r.found()
	}
	r.secretive(top)
	r.file(top, f)
	return f, r.found()
}

// document finds the one document of a file; nil when there is none.
func (r *reader) document(text []byte) *yaml.Node {
	var doc, next yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF) || err == nil && nothing(&doc):
		r.wrong(place{1, 1}, "", CodeNoFile)
		return nil
	case err != nil:
		r.malformed(err)
		return nil
	}
	switch err := d.Decode(&next); {
	case err == nil:
		r.wrong(placeOf(&next), "", CodeDocuments)
		return nil
	case !errors.Is(err, io.EOF):
		r.malformed(err)
		return nil
	}
	return doc.Content[0]
}

func nothing(doc *yaml.Node) bool { return len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" }

// secretive refuses private keys wherever they are, and what hides values: aliases and tags of one's own.
func (r *reader) secretive(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0:
		r.refuse(n, "", CodeAlias)
		return
	case n.Kind == yaml.ScalarNode && holdsKey(n.Value):
		r.refuse(n, "", CodeSecretKey)
		return
	}
	for _, below := range n.Content {
		r.secretive(below)
	}
}

// refuse tells what is wrong with a value, which is not looked at any more.
func (r *reader) refuse(n *yaml.Node, key, code string, args ...string) {
	if r.refused[n] {
		return
	}
	r.refused[n] = true
	r.wrong(placeOf(n), key, code, args...)
}

func placeOf(n *yaml.Node) place { return place{max(n.Line, 1), max(n.Column, 1)} }

// keys are the keys of one mapping, and what takes their values.
type keys map[string]func(key string, n *yaml.Node)

// mapping reads the keys and values of a node; path is the keys above it. A node without any is empty.
func (r *reader) mapping(path string, n *yaml.Node, known keys) {
	if r.refused[n] || empty(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		name := path
		if name == "" {
			name = "An answer file"
		}
		r.refuse(n, path, CodeMapping, "key", name)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := below(path, name.Value)
		first, twice := seen[name.Value]
		take, there := known[name.Value]
		switch {
		case r.refused[name]:
			r.refused[value] = true
		case twice:
			r.refuse(name, key, CodeTwice, "key", key, "first", strconv.Itoa(first))
		case there:
			seen[name.Value] = name.Line
			take(key, value)
		case slices.Contains(secretNames, name.Value):
			r.refuse(name, key, CodeSecret, "file", name.Value+"_file", "env", name.Value+"_env")
		default:
			r.unknown(name, key, known)
		}
	}
}

func below(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (r *reader) unknown(name *yaml.Node, key string, known keys) {
	names := slices.Sorted(maps.Keys(known))
	said := quoted(shorten(name.Value))
	if near := nearest(name.Value, names); near != "" {
		r.refuse(name, key, CodeUnknownNear, "key", said, "near", near)
		return
	}
	r.refuse(name, key, CodeUnknownKey, "key", said, "keys", strings.Join(names, ", "))
}

// shorten cuts what was typed to what fits a message.
func shorten(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// text takes a text; numbers are texts, too.
func (r *reader) text(to *string) func(string, *yaml.Node) {
	return func(key string, n *yaml.Node) {
		switch {
		case r.refused[n] || empty(n):
		case n.Kind != yaml.ScalarNode:
			r.refuse(n, key, CodeText, "key", key)
		default:
			*to = strings.TrimSpace(n.Value)
		}
	}
}

func (r *reader) number(to *int) func(string, *yaml.Node) {
	return func(key string, n *yaml.Node) {
		if r.refused[n] || empty(n) {
			return
		}
		value, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			r.refuse(n, key, CodeNumber, "key", key)
			return
		}
		*to = value
	}
}

func (r *reader) yesNo(to *bool) func(string, *yaml.Node) {
	return func(key string, n *yaml.Node) {
		switch {
		case r.refused[n] || empty(n):
		case n.Kind != yaml.ScalarNode || n.Tag != "!!bool":
			r.refuse(n, key, CodeYesNo, "key", key)
		default:
			*to = strings.EqualFold(n.Value, "true")
		}
	}
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variable takes the name of a variable of the environment. Somebody may give the secret itself; it is not repeated.
func (r *reader) variable(to *string) func(string, *yaml.Node) {
	return func(key string, n *yaml.Node) {
		r.text(to)(key, n)
		if !r.refused[n] && *to != "" && !envName.MatchString(*to) {
			r.refuse(n, key, CodeEnvName, "key", key)
			*to = ""
		}
	}
}

// line is a line of the file, from 1.
func (r *reader) line(n int) string {
	if n < 1 || n > len(r.lines) {
		return ""
	}
	return r.lines[n-1]
}

// indent is the column in which a line begins.
func (r *reader) indent(n int) int {
	line := r.line(n)
	return 1 + len(line) - len(strings.TrimLeft(line, " "))
}
