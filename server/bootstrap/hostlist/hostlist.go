// Package hostlist turns what a person typed or pasted into hosts: lines, blanks, commas, comments, patterns such
// as node[01-10].example, networks and ranges of addresses; and, beside a host, who logs in there and what it is
// grouped by. It also turns other programs' lists, such as an Ansible inventory, into one of its own. Everything it
// refuses it refuses with a message at its line. It resolves nothing and contacts nothing.
package hostlist

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"hostler/db"
)

const (
	// MaxHosts is the most names that one text may make unless somebody says that so many are meant.
	MaxHosts = 10000
	// MostHosts is the most that it may make even then.
	MostHosts = 100_000
)

// maxProblems bounds the answer to a text that is no host list at all.
const maxProblems = 200

// Host is one name or address, lower case, the line where it was first given (from 1), and what was said of it.
type Host struct {
	Name string
	Line int
	Settings
}

// Settings are what a list says of a host beside its name. Zero values were not given.
type Settings struct {
	User        string    // who logs in
	Port        int       // where the SSH server listens
	Address     string    // where to connect to, if not to the name
	Credentials string    // the name of the credentials to log in with
	Labels      db.Labels // what the host is grouped by
}

// Problem is why a part of the text was refused. Args fill the texts of Code in other languages; "text" is
// what was typed, shortened.
type Problem struct {
	Line    int // from 1
	Code    string
	Message string // English
	Args    map[string]string
}

// Duplicate is a host that was given again, which changes nothing.
type Duplicate struct {
	Name        string
	Line, First int
}

// List is what a text stands for.
type List struct {
	Hosts      []Host
	Problems   []Problem
	Duplicates []Duplicate // the first of them
	Again      int         // how many duplicates there are
}

// Expand reads a list of names alone: settings beside them are problems. Names are separated by line ends, blanks
// and commas; "#" starts a comment that goes to the end of the line. Duplicates are dropped, the first one wins.
// Patterns are expanded with the leftmost bracket outermost. A text without any name gives the one problem "empty".
// When there are problems hosts still holds what was understood, for a preview.
func Expand(text string) (hosts []Host, problems []Problem) {
	e := expander{limit: MaxHosts, seen: map[string]int{}}
	e.read(text)
	return e.Hosts, e.Problems
}

// Read reads a list in which every line may also say "user@", ":port" and "key=value" for its hosts. It is like
// Expand in all else, but for its limit, which is MostHosts.
func Read(text string) List {
	e := expander{settings: true, limit: MostHosts, seen: map[string]int{}}
	e.read(text)
	return e.List
}

// expander gathers the result of one text.
type expander struct {
	List
	settings bool // that may be given beside a name
	limit    int
	seen     map[string]int // where in Hosts a name is
	made     int            // names that patterns made, duplicates counted: this bounds the work
	full     bool           // a limit was reached; the rest is not read
}

func (e *expander) read(text string) {
	text = strings.TrimPrefix(text, "\ufeff")
	for line := 1; text != "" && !e.full; line++ {
		var rest string
		text, rest = cutLine(text)
		e.line(line, text)
		text = rest
	}
	if len(e.Hosts) == 0 && len(e.Problems) == 0 {
		e.Problems = append(e.Problems, Problem{Line: 1, Code: CodeEmpty, Message: messages[CodeEmpty]})
	}
}

func (e *expander) line(n int, s string) {
	if i := strings.IndexByte(s, '#'); i >= 0 {
		s = s[:i]
	}
	settings, p := e.lineSettings(s)
	e.complain(n, p)
	for !e.full {
		var token string
		if token, s = cutToken(s); token == "" {
			return
		}
		if e.settings && isSetting(token) {
			continue
		}
		e.complain(n, e.add(n, token, settings))
	}
}

func (e *expander) complain(line int, p *Problem) {
	if p == nil {
		return
	}
	p.Line = line
	e.Problems = append(e.Problems, *p)
	e.full = e.full || len(e.Problems) >= maxProblems
}

// add understands one word of the list.
func (e *expander) add(line int, token string, s Settings) *Problem {
	if p := checkCharacters(token); p != nil {
		return p
	}
	rest, p := e.cutUser(token, &s)
	if p != nil {
		return p
	}
	rest = strings.ToLower(rest)
	if rest, p = e.cutPort(rest, &s); p != nil {
		return p
	}
	host := Host{Line: line, Settings: s}
	if set, p := addresses(rest); p != nil || set.known() {
		if p != nil {
			return p
		}
		return e.keepAll(host, token, set.count(e.limit), set.names)
	}
	if isBracketedAddress(rest) || !strings.ContainsAny(rest, "[]") {
		return e.keepOne(host, token, rest)
	}
	pattern, p := parsePattern(rest)
	if p != nil {
		return p
	}
	return e.keepAll(host, token, pattern.count(e.limit), pattern.names)
}

func (e *expander) keepOne(host Host, token, name string) *Problem {
	name, p := canonical(name)
	if p != nil {
		return p
	}
	if _, again := e.seen[name]; !again && len(e.Hosts) >= e.limit {
		return e.tooMany(token)
	}
	host.Name = name
	return e.keep(host, token)
}

// keepAll keeps what a word stands for, all of it or nothing.
func (e *expander) keepAll(host Host, token string, n int, each func(yield func(string) bool)) *Problem {
	if e.made+n > e.limit || len(e.Hosts)+n > e.limit {
		return e.tooMany(token)
	}
	if host.Address != "" && n > 1 {
		return problem(CodeAddressShared, token, "address", host.Address)
	}
	e.made += n
	names := make([]string, 0, n)
	for made := range each {
		name, p := canonical(made)
		if p != nil {
			return p
		}
		names = append(names, name)
	}
	for _, name := range names {
		host.Name = name
		if p := e.keep(host, token); p != nil {
			return p
		}
	}
	return nil
}

func (e *expander) keep(host Host, token string) *Problem {
	at, again := e.seen[host.Name]
	if !again {
		e.seen[host.Name] = len(e.Hosts)
		e.Hosts = append(e.Hosts, host)
		return nil
	}
	first := e.Hosts[at]
	if !first.equal(host.Settings) {
		return problem(CodeContradiction, token, "name", host.Name, "first", strconv.Itoa(first.Line))
	}
	if e.Again++; len(e.Duplicates) < maxProblems {
		e.Duplicates = append(e.Duplicates, Duplicate{Name: host.Name, Line: host.Line, First: first.Line})
	}
	return nil
}

func (e *expander) tooMany(token string) *Problem {
	e.full = true
	return problem(CodeTooMany, token, "limit", strconv.Itoa(e.limit))
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
