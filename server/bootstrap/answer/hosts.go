package answer

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"hostler/server/bootstrap/hostlist"
)

// hostLines are the lines of a list of hosts, and where each is in the file.
type hostLines struct {
	lines  []string
	places []place
}

func (h *hostLines) text() string { return strings.Join(h.lines, "\n") }

// hosts takes a text with hosts, or a list of such texts.
func (r *reader) hosts(to *hostLines) func(string, *yaml.Node) {
	return func(key string, n *yaml.Node) {
		switch {
		case r.refused[n] || empty(n):
		case n.Kind == yaml.ScalarNode:
			to.add(r, n)
		case n.Kind == yaml.SequenceNode:
			for _, item := range n.Content {
				switch {
				case r.refused[item] || empty(item):
				case item.Kind == yaml.ScalarNode:
					to.add(r, item)
				default:
					r.refuse(item, key, CodeList, "key", key)
				}
			}
		default:
			r.refuse(n, key, CodeList, "key", key)
		}
	}
}

// add takes the lines of a text. Those of a literal block are lines of the file, too.
func (h *hostLines) add(r *reader, n *yaml.Node) {
	for i, line := range strings.Split(strings.TrimRight(n.Value, "\n"), "\n") {
		at := placeOf(n)
		if n.Style&yaml.LiteralStyle != 0 {
			at.line += 1 + i
			at.column = r.indent(at.line)
		}
		h.lines = append(h.lines, line)
		h.places = append(h.places, at)
	}
}

// checkHosts tells what is wrong with the hosts, at their lines.
func (r *reader) checkHosts(top *yaml.Node, f *File, lines *hostLines) {
	n := find(top, "hosts")
	if len(lines.lines) == 0 {
		switch {
		case f.Method == MethodManual: // somebody who registers by hand need not know the names
		case n == top && !r.refused[top]:
			r.wrong(placeOf(top), "hosts", CodeHostsMissing)
		case len(r.problems) == 0:
			r.wrong(placeOf(n), "hosts", CodeHostsMissing)
		}
		return
	}
	list := hostlist.Read(f.Hosts)
	for _, p := range list.Problems {
		if p.Code == hostlist.CodeEmpty && f.Method == MethodManual {
			continue
		}
		at := r.locate(lines, p.Line, p.Args["text"])
		// What a list has against a label repeats it.
		if label, _, found := strings.Cut(p.Args["text"], "="); found && slices.Contains(secretNames, label) {
			r.wrong(at, "hosts", CodeSecretLabel, "label", label, "file", label+"_file")
			continue
		}
		r.problems = append(r.problems, Problem{
			Line: at.line, Column: at.column, Key: "hosts", Code: p.Code, Args: p.Args, Message: p.Message, Host: &p,
		})
	}
	if len(list.Hosts) > hostlist.MaxHosts && !f.Many {
		r.wrong(placeOf(n), "hosts", CodeMany, "count", strconv.Itoa(len(list.Hosts)))
	}
	asked := map[string]bool{}
	for _, h := range list.Hosts {
		at := r.locate(lines, h.Line, "")
		for label := range h.Labels {
			if slices.Contains(secretNames, label) && !asked["label "+label] {
				asked["label "+label] = true
				r.wrong(at, "hosts", CodeSecretLabel, "label", label, "file", label+"_file")
			}
		}
		if set := h.Credentials; set != "" && f.Credentials[set] == nil && !asked[set] {
			asked[set] = true
			r.wrong(at, "hosts", CodeCredentials, "name", h.Name, "set", set)
		}
	}
}

// locate is where in the file a line of the list is, and in it a word if it is there.
func (r *reader) locate(lines *hostLines, line int, word string) place {
	at := lines.places[min(max(line, 1), len(lines.places))-1]
	word = strings.TrimSuffix(word, "…")
	source := r.line(at.line)
	if i := strings.Index(source[min(at.column-1, len(source)):], cmp.Or(word, "\x00")); i >= 0 {
		at.column = 1 + utf8.RuneCountInString(source[:at.column-1+i])
	}
	return at
}

func splitKey(key string) []string { return strings.Split(key, ".") }
