package answer

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hostler/server/bootstrap"
	"hostler/server/bootstrap/hostlist"
)

// Codes of what can be wrong with a file, beside those of host lists and of credentials.
const (
	CodeTooLarge     = "too_large"
	CodeSyntax       = "syntax"
	CodeTab          = "tab"
	CodeDocuments    = "documents"
	CodeNoFile       = "no_file"
	CodeVersion      = "version"
	CodeUnknownKey   = "unknown_key"
	CodeUnknownNear  = "unknown_near"
	CodeTwice        = "twice"
	CodeMapping      = "mapping"
	CodeText         = "text"
	CodeNumber       = "number"
	CodeYesNo        = "yes_no"
	CodeList         = "list"
	CodeAlias        = "alias"
	CodeSecret       = "secret"
	CodeSecretKey    = "secret_key"
	CodeSecretLabel  = "secret_label"
	CodeTwoSources   = "two_sources"
	CodeEnvName      = "env_name"
	CodeMethod       = "method"
	CodeParallel     = "parallel"
	CodeCluster      = "cluster"
	CodeMany         = "many"
	CodeHostsMissing = "hosts_missing"
	CodeCredentials  = "credentials_unknown"
	CodeJumpHost     = "jump_host"
	CodeManual       = "manual_install"
)

var messages = map[string]string{
	CodeTooLarge:     "The file has more than {limit} bytes.",
	CodeSyntax:       "This is not YAML: {error}.",
	CodeTab:          "YAML takes no tabs here; indent with blanks.",
	CodeDocuments:    "A second document begins here; an answer file is one.",
	CodeNoFile:       "There is nothing in the file; hostler install --gen-answer-file writes one to begin with.",
	CodeVersion:      "This server reads version {version} of answer files.",
	CodeUnknownKey:   "There is no key {key} here; there are {keys}.",
	CodeUnknownNear:  "There is no key {key} here; {near} is meant, perhaps.",
	CodeTwice:        "{key} is given a second time; it is in line {first} already.",
	CodeMapping:      "{key} takes keys and values, each in a line of its own, as in \"user: root\".",
	CodeText:         "{key} takes a text.",
	CodeNumber:       "{key} takes a number.",
	CodeYesNo:        "{key} takes true or false.",
	CodeList:         "{key} takes a text with one host per line, or a list of such lines.",
	CodeAlias:        "Anchors, aliases and tags are not taken in an answer file; write the value out.",
	CodeSecret:       "A secret has no place in an answer file. Name a file with {file}, or a variable of the environment with {env}.",
	CodeSecretKey:    "This is a private key, which has no place in an answer file. Name its file with private_key_file.",
	CodeSecretLabel:  "The label {label} of a host is no place for a secret; name a file with {file} in a set of credentials.",
	CodeTwoSources:   "{key} and {other} say both where the same secret is; give one of them.",
	CodeEnvName:      "{key} takes the name of a variable of the environment, not its value.",
	CodeMethod:       "{key} is ssh or manual.",
	CodeParallel:     "{key} is a number from 1 to {limit}.",
	CodeCluster:      "The name of a cluster has at most {limit} bytes.",
	CodeMany:         "These are {count} hosts; if so many are meant, say \"many: true\".",
	CodeHostsMissing: "The key hosts is missing: it lists the hosts to install.",
	CodeCredentials:  "{name} asks for the credentials {set}, and there is no such set below the key credentials.",
	CodeJumpHost:     "The key host is missing: it is the name of the jump host.",
	CodeManual:       "With \"method: manual\" there is nothing to install from here: load the file into a wizard, which shows the commands.",
}

// Problem is one thing that is wrong with a file. It repeats no value that may be a secret.
type Problem struct {
	Line, Column int    // from 1
	Key          string // with those above it, as in ssh.port; "" for the file itself
	Code         string
	Args         map[string]string // fill the texts of Code in other languages
	Message      string            // English, with its hint

	Host  *hostlist.Problem     // what Code and Args are of, if a line of the list of hosts is wrong
	Field *bootstrap.FieldError // likewise, if what is said of logging in is
}

// String is the problem as compilers write it, without the name of the file.
func (p Problem) String() string {
	return strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column) + ": " + p.Message
}

// maxProblems bounds the answer to a file that is none.
const maxProblems = 200

// place is where something begins in the file.
type place struct{ line, column int }

// wrong adds a problem; args are names and values in turn.
func (r *reader) wrong(at place, key, code string, args ...string) {
	p := Problem{Line: at.line, Column: at.column, Key: key, Code: code, Args: map[string]string{}}
	pairs := make([]string, 0, 2*len(args))
	for i := 0; i+1 < len(args); i += 2 {
		p.Args[args[i]] = args[i+1]
		pairs = append(pairs, "{"+args[i]+"}", args[i+1])
	}
	p.Message = strings.NewReplacer(pairs...).Replace(messages[code])
	r.problems = append(r.problems, p)
}

// found are the problems in the order of the file.
func (r *reader) found() []Problem {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if len(r.problems) > maxProblems {
		return r.problems[:maxProblems]
	}
	return r.problems
}

// syntaxError takes the library's errors apart.
var syntaxError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// malformed tells of a file that is no YAML. The library says the line, and of some faults nothing but what they are.
func (r *reader) malformed(err error) {
	at, text := place{1, 1}, err.Error()
	if match := syntaxError.FindStringSubmatch(strings.SplitN(text, "\n", 2)[0]); match != nil {
		text = match[2]
		if n, err := strconv.Atoi(match[1]); err == nil {
			at.line = max(1, min(n, len(r.lines)))
		}
	}
	at.column = r.indent(at.line)
	switch {
	case strings.Contains(text, "anchor"):
		r.wrong(r.alias(at, text), "", CodeAlias)
	case strings.Contains(text, "cannot start any token") && strings.Contains(r.line(at.line), "\t"):
		at.column = strings.IndexByte(r.line(at.line), '\t') + 1
		r.wrong(at, "", CodeTab)
	default:
		r.wrong(at, "", CodeSyntax, "error", text)
	}
}

var unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)

// alias finds the alias of which the library says no line. It may be a secret that begins with a "*", and is not repeated.
func (r *reader) alias(fallback place, text string) place {
	if match := unknownAnchor.FindStringSubmatch(text); match != nil {
		for i, line := range r.lines {
			if j := strings.Index(line, "*"+match[1]); j >= 0 {
				return place{i + 1, j + 1}
			}
		}
	}
	return fallback
}

// nearest is the name that was meant, perhaps; "" when none is near.
func nearest(name string, names []string) string {
	best, near := 1+max(2, len(name)/3), ""
	for _, n := range names {
		if d := distance(strings.ToLower(name), n); d < best {
			best, near = d, n
		}
	}
	return near
}

// distance is how many letters must be put in, taken out or replaced to make one word of another.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := above
			if a[i] != b[j] {
				replaced++
			}
			above = row[j+1]
			row[j+1] = min(replaced, row[j]+1, above+1)
		}
	}
	return row[len(b)]
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
