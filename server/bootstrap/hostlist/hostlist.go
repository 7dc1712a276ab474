// Package hostlist turns what a person typed or pasted into host names: lines, blanks, commas, comments,
// patterns such as node[01-10].example, IP addresses. Everything it refuses it refuses with a message at its
// line. It resolves nothing and contacts nothing.
package hostlist

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxHosts is the most names that one text may make.
const MaxHosts = 10000

// maxProblems bounds the answer to a text that is no host list at all.
const maxProblems = 200

// Host is one name or address, lower case, and the line where it was first given (from 1).
type Host struct {
	Name string
	Line int
}

// Problem is why a part of the text was refused. Args fill the texts of Code in other languages; "text" is
// what was typed, shortened.
type Problem struct {
	Line    int // from 1
	Code    string
	Message string // English
	Args    map[string]string
}

// Expand reads a host list. Names are separated by line ends, blanks and commas; "#" starts a comment that
// goes to the end of the line. Duplicates are dropped, the first one wins. Patterns are expanded with the
// leftmost bracket outermost. A text without any name gives the one problem "empty". When there are problems
// hosts still holds what was understood, for a preview.
func Expand(text string) (hosts []Host, problems []Problem) {
	e := expander{seen: map[string]bool{}}
	text = strings.TrimPrefix(text, "\ufeff")
	for line := 1; text != "" && !e.full; line++ {
		var rest string
		text, rest = cutLine(text)
		e.line(line, text)
		text = rest
	}
	if len(e.hosts) == 0 && len(e.problems) == 0 {
		e.problems = append(e.problems, Problem{Line: 1, Code: CodeEmpty, Message: messages[CodeEmpty]})
	}
	return e.hosts, e.problems
}

// expander gathers the result of one text.
type expander struct {
	hosts    []Host
	problems []Problem
	seen     map[string]bool
	made     int  // names that patterns made, duplicates counted: this bounds the work
	full     bool // a limit was reached; the rest is not read
}

func (e *expander) line(n int, s string) {
	if i := strings.IndexByte(s, '#'); i >= 0 {
		s = s[:i]
	}
	for !e.full {
		var token string
		if token, s = cutToken(s); token == "" {
			return
		}
		if p := e.add(n, token); p != nil {
			p.Line = n
			e.problems = append(e.problems, *p)
			e.full = e.full || len(e.problems) >= maxProblems
		}
	}
}

// add understands one word of the list.
func (e *expander) add(line int, token string) *Problem {
	if p := checkCharacters(token); p != nil {
		return p
	}
	token = strings.ToLower(token)
	if isBracketedAddress(token) || !strings.ContainsAny(token, "[]") {
		name, p := canonical(token)
		if p != nil {
			return p
		}
		if !e.seen[name] && len(e.hosts) >= MaxHosts {
			return e.tooMany(token)
		}
		e.keep(line, name)
		return nil
	}
	pattern, p := parsePattern(token)
	if p != nil {
		return p
	}
	n := pattern.count(MaxHosts)
	if e.made+n > MaxHosts || len(e.hosts)+n > MaxHosts {
		return e.tooMany(token)
	}
	e.made += n
	names := make([]string, 0, n)
	for made := range pattern.names {
		name, p := canonical(made)
		if p != nil {
			return p
		}
		names = append(names, name)
	}
	for _, name := range names {
		e.keep(line, name)
	}
	return nil
}

func (e *expander) keep(line int, name string) {
	if e.seen[name] {
		return
	}
	e.seen[name] = true
	e.hosts = append(e.hosts, Host{Name: name, Line: line})
}

func (e *expander) tooMany(token string) *Problem {
	e.full = true
	return problem(CodeTooMany, token, "limit", strconv.Itoa(MaxHosts))
}

// cutLine splits at the first line end: LF, CR LF or CR.
func cutLine(s string) (line, rest string) {
	i := strings.IndexAny(s, "\r\n")
	switch {
	case i < 0:
		return s, ""
	case strings.HasPrefix(s[i:], "\r\n"):
		return s[:i], s[i+2:]
	}
	return s[:i], s[i+1:]
}

// cutToken takes the first word of a line. A comma inside brackets belongs to the word; a blank never does.
func cutToken(s string) (token, rest string) {
	depth := 0
	start := -1
	for i, r := range s {
		switch {
		case isBlank(r) || (r == ',' && depth == 0):
			if start >= 0 {
				return s[start:i], s[i+utf8.RuneLen(r):]
			}
			continue
		case r == '[':
			depth++
		case r == ']':
			depth = max(0, depth-1)
		}
		if start < 0 {
			start = i
		}
	}
	if start < 0 {
		return "", ""
	}
	return s[start:], ""
}

// isBlank knows the blanks that come along when text is copied from pages and Chinese documents.
func isBlank(r rune) bool { return r == ' ' || r == '\t' || r == '\u00a0' || r == '\u3000' }
