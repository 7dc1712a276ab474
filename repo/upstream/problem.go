package upstream

import "fmt"

// Codes of problems.
const (
	CodeUnreachable = "upstream_unreachable" // no answer, or one that broke off again and again
	CodeMissing     = "upstream_missing"     // it has no such file
	CodeRefused     = "upstream_refused"     // it answered with another status
	CodePage        = "upstream_page"        // it answered with a web page
	CodeAddress     = "upstream_address"     // it leads to an address that is not asked
	CodeUnsigned    = "upstream_unsigned"
	CodeSignature   = "upstream_signature" // none by the keys that were given
	CodeExpired     = "upstream_expired"
	CodeChanged     = "upstream_changed" // what came is not what the signed index tells
	CodeUnreadable  = "upstream_unreadable"
	CodeLacking     = "upstream_lacking" // it has no such component or architecture
)

// Codes lists all.
var Codes = []string{
	CodeUnreachable, CodeMissing, CodeRefused, CodePage, CodeAddress, CodeUnsigned, CodeSignature, CodeExpired, CodeChanged, CodeUnreadable, CodeLacking,
}

// Problem is what is wrong with an upstream, or the way to it.
type Problem struct {
	Code  string // one of Codes
	What  string // the path, address or name that it is about
	Cause string // in plain words
	Err   error  // what it came from; may be nil
}

// Error tells all of it.
func (p *Problem) Error() string {
	text := p.Cause
	if p.What != "" {
		text = p.What + ": " + text
	}
	if p.Err != nil {
		text += ": " + p.Err.Error()
	}
	return text
}

// Unwrap gives what the problem came from.
func (p *Problem) Unwrap() error { return p.Err }

func problem(code, what, format string, args ...any) *Problem {
	return &Problem{Code: code, What: what, Cause: fmt.Sprintf(format, args...)}
}
