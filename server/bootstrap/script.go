package bootstrap

import (
	"context"
	"strings"
)

// What the setup script prefixes lines with that are meant for the server.
const (
	progressPrefix = "hostler: progress: "
	errorPrefix    = "hostler: error "
)

// scriptCodes maps the setup script's exit statuses to failures; setupscripts.Failures lists them.
var scriptCodes = map[int]string{
	10: codeNotRoot,
	11: codeOSUnsupported,
	12: codeDiskFull,
	13: codeServerUnreachable,
	14: codeClockOff,
	15: codePackageBusy,
	16: codePackageFailed,
	17: codeSignatureFailed,
	18: codeServiceFailed,
	19: codeScriptFailed,
	20: codeInterrupted,
	21: codeCannotWrite,
}

// keptLines is how many of the last lines of output go along with a failure.
const keptLines = 10

// script runs the copied setup script as root; input is its standard input.
func (r *run) script(ctx context.Context, input []byte, verb string, args ...string) error {
	argv := append([]string{"sh", r.files.path(scriptFile), verb}, args...)
	return r.execute(ctx, command{as: r.root, argv: argv, stdin: input}, nil)
}

// fed runs the setup script from standard input, before anything is copied to the host.
func (r *run) fed(ctx context.Context, as privilege, prepare string, each func(line string) (news bool), verb string, args ...string) error {
	return r.feed(ctx, as, r.Script, prepare, each, verb, args...)
}

// feed is fed with a part of the script.
func (r *run) feed(ctx context.Context, as privilege, script []byte, prepare string, each func(line string) (news bool), verb string, args ...string) error {
	// What is before the script's own run must not read standard input.
	argv := append([]string{"sh", "-c", prepare + `exec sh -s -- "$@"`, "sh", verb}, args...)
	return r.execute(ctx, command{as: as, argv: argv, stdin: script}, each)
}

// execute runs a command, writes its output to the task's log, and turns a bad end into a failure. each, if
// not nil, gets the lines of standard output and says which belong in the log; they are no part of a failure's
// last lines then.
func (r *run) execute(ctx context.Context, c command, each func(line string) (news bool)) error {
	var said, last string
	var tail []string
	c.line = func(text string, errors bool) {
		text = strings.TrimRight(text[strings.LastIndexByte(text, '\r')+1:], " \t")
		if text == "" {
			return
		}
		if !errors && each != nil {
			if each(text) {
				r.task.Logf("%s", printable(r.redact(text)))
			}
			return
		}
		text = r.redact(text)
		if rest, ok := strings.CutPrefix(text, errorPrefix); ok && errors {
			_, said, _ = strings.Cut(rest, ": ")
			return // the engine writes the failure to the log
		}
		if rest, ok := strings.CutPrefix(text, progressPrefix); ok {
			r.task.Logf("%s", rest)
			return
		}
		last = printable(text)
		if tail = append(tail, last); len(tail) > keptLines {
			tail = tail[1:]
		}
		r.task.Logf("%s", strings.ToValidUTF8(text, "\uFFFD"))
	}
	o, err := r.conn.command(ctx, c)
	if err != nil {
		return err
	}
	return r.judge(o, said, last, tail)
}

// judge turns a command's end into a failure, or nil. The failure's argument "output" holds the last lines.
func (r *run) judge(o outcome, said, last string, tail []string) error {
	if o.status == 0 && o.started {
		return nil
	}
	host := r.conn.target.address
	if last == "" {
		last = "it said nothing"
	}
	if !o.started {
		return fail(codeShellRefused, nil, "host", host, "user", r.conn.target.user, "output", last)
	}
	if said == "" {
		said = last
	}
	code, ok := scriptCodes[o.status]
	if !ok {
		code = codeScriptFailed
	}
	return fail(code, nil, "host", host, "cause", strings.TrimSuffix(printable(said), "."), "status", o.String(),
		"output", strings.Join(tail, "\n"), "server", r.Advertise, "handshake", port(r.HandshakePort), "secured", port(r.SecuredPort))
}
