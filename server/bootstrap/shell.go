package bootstrap

import (
	"strconv"
	"strings"
	"unicode"
)

// leader is the first program of every command. sshd makes the user's shell the leader of a process group;
// where another server does not, the command gets a group of its own. It announces the group on standard
// output under a name that nothing else prints, so that a later session can kill all of it, and becomes the
// command. It is POSIX sh whatever the user's own shell is. Arguments: name, command.
const leader = `n=$1; shift; read -r _ _ _ _ g _ 2>/dev/null </proc/self/stat; ` +
	`if [ "$g" != "$$" ] && command -v setsid >/dev/null; then exec setsid sh -c 'echo "$0 $$"; exec "$@"' "$n" "$@"; fi; ` +
	`echo "$n $$"; exec "$@"`

// announcer announces the group once more below sudo, which may have made another one (use_pty).
const announcer = `read -r _ _ _ _ g _ 2>/dev/null </proc/self/stat; echo "$0 ${g:-$$}"; exec "$@"`

// gate is the announcer on a terminal. It takes the terminal's own habits away, says that it is ready for the command's
// standard input, and hands on as many bytes of it as there are: a terminal has no end. Arguments: bytes, command.
const gate = `read -r _ _ _ _ g _ 2>/dev/null </proc/self/stat; n=$1; shift; stty raw -echo || exit 126; ` +
	`echo "$0 ${g:-$$}"; echo "$0 ` + ready + `"; head -c "$n" | "$@"`

// killer asks the groups to end, waits for up to about two seconds, and kills what is left.
const killer = `for g; do kill -TERM -$g $g 2>/dev/null; done; ` +
	`for g; do i=0; while [ $i -lt 20 ] && kill -0 -$g 2>/dev/null; do sleep 0.1 2>/dev/null || sleep 1; i=$((i+1)); done; ` +
	`kill -KILL -$g $g 2>/dev/null; done; :`

// quote makes s one word for any shell that a user may have.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func join(argv []string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = quote(a)
	}
	return strings.Join(words, " ")
}

// shellLine is what the user's shell is given to run the command.
func (c command) shellLine(nonce string) string {
	argv := c.argv
	switch {
	case c.as.terminal():
		argv = append([]string{"sh", "-c", gate, nonce, strconv.Itoa(len(c.stdin))}, argv...)
	case c.as.become != "":
		argv = append([]string{"sh", "-c", announcer, nonce}, argv...)
	}
	return "exec " + join(append([]string{"sh", "-c", leader, "sh", nonce}, c.as.wrap(argv)...))
}

// printable replaces what a terminal or a page would act on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\t' {
			return r
		}
		return '\ufffd'
	}, s)
}
