package bootstrap

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// Become is the program by which a user who is not root becomes it.
type Become string

// The ways to become root. A code is part of the API.
const (
	BecomeSudo Become = "sudo" // with the user's password, or none
	BecomeSu   Become = "su"   // with root's password
	BecomeDoas Become = "doas" // with the user's password, or none
)

// Becomes lists the ways to become root, the default first.
func Becomes() []Become { return []Become{BecomeSudo, BecomeSu, BecomeDoas} }

// privilege is how a command becomes root. The zero value runs commands as the user who logged in.
type privilege struct {
	become   Become
	password []byte // nil: none is asked for
}

// terminal tells that the password is asked for on a terminal: su and doas read it from nowhere else.
func (p privilege) terminal() bool { return p.become != BecomeSudo && p.password != nil }

// wrap is what the user runs so that argv is run as root. The password is never among its words: sudo reads it from
// standard input, one line and not a byte more. Its -k makes it ask always, so that the line is never left for the
// command, and that sudo's memory of an earlier password does not end half-way.
func (p privilege) wrap(argv []string) []string {
	switch {
	case p.become == "":
		return argv
	case p.become == BecomeSu:
		// su takes a line for root's shell. It asks in the user's language, and the question has to be recognised.
		return []string{"env", "LC_ALL=C", "su", "-c", "exec " + join(argv), "root"}
	case p.become == BecomeDoas && p.password == nil:
		return append([]string{"doas", "-n"}, argv...)
	case p.become == BecomeDoas:
		return append([]string{"doas"}, argv...)
	case p.password == nil:
		return append([]string{"sudo", "-k", "-n", "--"}, argv...)
	}
	return append([]string{"sudo", "-k", "-S", "-p", "", "--"}, argv...)
}

// line is the password as it is typed.
func (p privilege) line() []byte {
	return append(append(make([]byte, 0, len(p.password)+1), p.password...), '\n')
}

// becomeRoot finds out how the user becomes root. It tries what all later commands do, to the letter: sudo's rules
// may let the user run a shell without a password and true only with one.
func (r *run) becomeRoot(ctx context.Context, uid string) error {
	c, err := r.credentials()
	if err != nil {
		return err
	}
	if uid == "0" {
		r.root = privilege{}
		return nil
	}
	become := cmp.Or(c.Become, BecomeSudo)
	given := len(c.SudoPassword) > 0
	// su asks everybody, and counts every wrong answer against root.
	if become != BecomeSu || !given {
		said, o, err := r.try(ctx, command{as: privilege{become: become}, argv: []string{"true"}})
		switch {
		case err != nil:
			return err
		case o.status == 0:
			r.root = privilege{become: become}
			r.task.Logf("becoming root with %s, which asks for no password", become)
			return nil
		case o.status == 127:
			return r.cannotBecome(become, becomeMissing, said)
		case !given && asks(said):
			return r.cannotBecome(become, becomeNeedsPassword, said)
		case !given:
			return r.cannotBecome(become, becomeRefused, said)
		}
	}
	with := privilege{become: become, password: c.SudoPassword}
	said, o, err := r.try(ctx, command{as: with, argv: []string{"true"}})
	switch {
	case err != nil:
		return err
	case o.noTerminal:
		return r.cannotBecome(become, becomeNoTerminal, said)
	case o.status == 127:
		return r.cannotBecome(become, becomeMissing, said)
	case o.status != 0:
		return r.cannotBecome(become, becomeRefused, said)
	}
	r.root = with
	r.task.Logf("becoming root with %s and the password", become)
	return nil
}

// asks tells from what a program said that it would have asked for a password.
func asks(said string) bool {
	return strings.Contains(strings.ToLower(said), "password") || strings.Contains(said, "Authentication required") // doas -n
}

// Why a user does not become root.
const (
	becomeMissing = iota
	becomeNeedsPassword
	becomeRefused
	becomeNoTerminal
)

// cannotBecome is a failure; said is what the program said.
func (r *run) cannotBecome(become Become, why int, said string) error {
	host, user := r.conn.target.address, r.conn.target.user
	code := []string{codeBecomeMissing, codeBecomePasswordNeeded, codeBecomeRefused, codeBecomeNoTerminal}[why]
	if become == BecomeSudo {
		code = []string{codeSudoMissing, codeSudoPasswordNeeded, codeSudoRefused, codeSudoRefused}[why]
	}
	return fail(code, nil, "host", host, "user", user, "method", string(become), "output", cmp.Or(said, "it said nothing"))
}

// try runs a command whose failure is an answer; it also returns what the command said on standard error.
func (r *run) try(ctx context.Context, c command) (said string, o outcome, err error) {
	const enough = 400 // bytes, for a sentence or two
	c.line = func(text string, errors bool) {
		// sudo complains of the missing second password, too, after it has refused the first one.
		noise := strings.Contains(text, "no password was provided")
		text = strings.TrimSpace(printable(r.redact(strings.Trim(text, "\r"))))
		if (errors || c.as.terminal()) && text != "" && !noise && len(said)+len(text) < enough {
			said = strings.TrimSpace(said + " " + text)
		}
	}
	o, err = r.conn.command(ctx, c)
	return said, o, err
}

// Check refuses what is no way to become root, with a *FieldError; "" is the default one.
func (b Become) Check() error {
	if b != "" && !slices.Contains(Becomes(), b) {
		return fieldError("become", codeBecomeInvalid)
	}
	return nil
}
