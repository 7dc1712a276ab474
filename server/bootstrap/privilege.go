package bootstrap

import (
	"context"
	"strings"
)

// privilege is how a command becomes root. The zero value runs commands as the user who logged in.
type privilege struct {
	sudo     bool
	password []byte // nil: sudo asks for none
}

// prefix comes before a command's own words. The password is never among them: sudo reads it from standard
// input, one line and not a byte more. -k makes it ask always, so that the line is never left for the command, and
// that sudo's memory of an earlier password does not end half-way.
func (p privilege) prefix() []string {
	switch {
	case !p.sudo:
		return nil
	case p.password == nil:
		return []string{"sudo", "-k", "-n", "--"}
	}
	return []string{"sudo", "-k", "-S", "-p", "", "--"}
}

// input comes before a command's own standard input.
func (p privilege) input() []byte {
	if p.password == nil {
		return nil
	}
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
	host, user := r.conn.target.address, r.conn.target.user
	said, o, err := r.try(ctx, command{as: privilege{sudo: true}, argv: []string{"true"}})
	switch {
	case err != nil:
		return err
	case o.status == 0:
		r.root = privilege{sudo: true}
		r.task.Logf("becoming root with sudo, which asks for no password")
		return nil
	case o.status == 127:
		return fail(codeSudoMissing, nil, "host", host, "user", user)
	case len(c.SudoPassword) == 0 && strings.Contains(said, "password"):
		return fail(codeSudoPasswordNeeded, nil, "host", host, "user", user)
	case len(c.SudoPassword) == 0:
		return fail(codeSudoRefused, nil, "host", host, "user", user, "output", said)
	}
	with := privilege{sudo: true, password: c.SudoPassword}
	said, o, err = r.try(ctx, command{as: with, argv: []string{"true"}})
	switch {
	case err != nil:
		return err
	case o.status != 0:
		return fail(codeSudoRefused, nil, "host", host, "user", user, "output", said)
	}
	r.root = with
	r.task.Logf("becoming root with sudo and the password")
	return nil
}

// try runs a command whose failure is an answer; it also returns what the command said on standard error.
func (r *run) try(ctx context.Context, c command) (said string, o outcome, err error) {
	const enough = 400 // bytes, for a sentence or two
	c.line = func(text string, errors bool) {
		// sudo complains of the missing second password, too, after it has refused the first one.
		noise := strings.Contains(text, "no password was provided")
		if text = strings.TrimSpace(printable(r.redact(text))); errors && text != "" && !noise && len(said)+len(text) < enough {
			said = strings.TrimSpace(said + " " + text)
		}
	}
	o, err = r.conn.command(ctx, c)
	return said, o, err
}
