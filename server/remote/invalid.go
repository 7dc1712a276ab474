package remote

import (
	"errors"
	"path"
	"strings"
	"time"

	"hostler/server/bootstrap/hostlist"
)

// Codes of what can be wrong with a field.
const (
	CodeMissing       = "missing"
	CodeUnknown       = "unknown"
	CodeTooLong       = "too_long"
	CodeTooMany       = "too_many_hosts"
	CodeContradiction = "contradiction"
	CodeRange         = "range"
	CodeFormat        = "format"
	CodeNoHost        = "no_host"
	CodeNotRegistered = "not_registered"
	CodeHostList      = "host_list"
	CodeNoFile        = "no_file"
	CodeNoAgents      = "no_agents"
)

// FieldError is what is wrong with one field of a request.
type FieldError struct {
	Field    string // as in JSON: "exec.script"
	Code     string
	Message  string             // English
	Args     map[string]string  // what fills the texts of Code in other languages
	Problems []hostlist.Problem // of CodeHostList
}

// Invalid refuses a request; nothing was started.
type Invalid struct{ Fields []FieldError }

// Error lists what is wrong.
func (e *Invalid) Error() string {
	var b strings.Builder
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Field + ": " + f.Message)
	}
	return b.String()
}

func (e *Invalid) add(field, code, message string) {
	e.Fields = append(e.Fields, FieldError{Field: field, Code: code, Message: message})
}

func (e *Invalid) err() error {
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}

// merge takes over what another check found.
func (e *Invalid) merge(err error) error {
	var other *Invalid
	if !errors.As(err, &other) {
		return err
	}
	e.Fields = append(e.Fields, other.Fields...)
	return nil
}

func (e *Invalid) between(field string, n, most int) {
	if n < 0 || n > most {
		e.add(field, CodeRange, "this must be a number from 0 to "+itoa(most))
	}
}

func (e *Invalid) length(field, value string, most int) {
	switch {
	case len(value) > most:
		e.add(field, CodeTooLong, "this has more than "+itoa(most)+" bytes")
	case strings.ContainsRune(value, 0):
		e.add(field, CodeFormat, "this has a NUL byte in it")
	}
}

// absolute checks a path on a host.
func (e *Invalid) absolute(field, value string) {
	const most = 4096 // PATH_MAX
	switch {
	case value == "":
		e.add(field, CodeMissing, "this is needed")
	case !strings.HasPrefix(value, "/"):
		e.add(field, CodeFormat, "this must be an absolute path")
	case path.Clean(value) != value || value == "/":
		e.add(field, CodeFormat, "this must be the path of something below /, without . and .. in it and without a slash at its end")
	default:
		e.length(field, value, most)
	}
}

// check completes what all requests have, with the defaults of an action, and finds what is wrong with it.
func (c *Common) check(wrong *Invalid, parallel int, timeout time.Duration) {
	wrong.length("key", c.Key, 64)
	wrong.between("parallel", c.Parallel, MaxParallel)
	wrong.between("batch", c.Batch, MaxTargets)
	wrong.between("stop_after", c.StopAfter, MaxTargets)
	wrong.between("timeout", c.Timeout, int(MaxTimeout/time.Second))
	wrong.between("expires_in", c.ExpiresIn, int(MaxExpiry/time.Second))
	if c.Parallel == 0 {
		c.Parallel = parallel
	}
	if c.Timeout == 0 {
		c.Timeout = int(timeout / time.Second)
	}
}
