package supervise

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hostler/agent/wire"
)

// keys says how each "section.key" of a definition is taken over; an error becomes one of its line.
var keys = map[string]func(d *Definition, text string) error{
	"agent.name":      func(d *Definition, text string) (err error) { d.Name, err = parseName(text); return err },
	"agent.version":   text(func(d *Definition) *string { return &d.Version }),
	"agent.command":   func(d *Definition, text string) (err error) { d.Command, err = parseCommand(text); return err },
	"agent.directory": func(d *Definition, text string) (err error) { d.Directory, err = absolute(text); return err },
	"agent.user":      text(func(d *Definition) *string { return &d.User }),
	"agent.group":     text(func(d *Definition) *string { return &d.Group }),
	"agent.umask":     func(d *Definition, text string) (err error) { d.Umask, err = octal(text); return err },
	"agent.after":     func(d *Definition, text string) (err error) { d.After, err = parseNames(text); return err },
	"agent.enabled":   func(d *Definition, text string) (err error) { d.Enabled, err = yesNo(text); return err },
	"limits.cpu":      text(func(d *Definition) *string { return &d.Limits.CPU }),
	"limits.memory":   text(func(d *Definition) *string { return &d.Limits.Memory }),
	"limits.pids":     func(d *Definition, text string) (err error) { d.Limits.PIDs, err = number(text, 1, 1<<22); return err },
	"limits.files": func(d *Definition, text string) (err error) {
		d.Limits.Files, err = number(text, 16, 1<<20)
		return err
	},
	"stop.signal":      func(d *Definition, text string) (err error) { d.Stop, err = parseSignal(text); return err },
	"stop.grace":       func(d *Definition, text string) (err error) { d.Grace, err = duration(text); return err },
	"log.size":         func(d *Definition, text string) (err error) { d.LogSize, err = logSize(text); return err },
	"log.count":        func(d *Definition, text string) (err error) { d.LogCount, err = number(text, 0, 100); return err },
	"restart.policy":   func(*Definition, string) error { return nil }, // taken over before the others
	"restart.check":    func(d *Definition, text string) (err error) { d.Restart.Check, err = duration(text); return err },
	"restart.hold_off": func(d *Definition, text string) (err error) { d.Restart.HoldOff, err = duration(text); return err },
	"restart.stable":   func(d *Definition, text string) (err error) { d.Restart.Stable, err = duration(text); return err },
	"restart.strikes": func(d *Definition, text string) (err error) {
		d.Restart.Strikes, err = number(text, 0, 1_000_000)
		return err
	},
	"restart.first":    func(d *Definition, text string) (err error) { d.Restart.First, err = duration(text); return err },
	"restart.most":     func(d *Definition, text string) (err error) { d.Restart.Most, err = duration(text); return err },
	"restart.expected": func(d *Definition, text string) (err error) { d.Restart.Expected, err = parseCodes(text); return err },
	"ready.kind":       text(func(d *Definition) *string { return &d.Ready.Kind }),
	"ready.delay":      func(d *Definition, text string) (err error) { d.Ready.Delay, err = duration(text); return err },
	"ready.address":    text(func(d *Definition) *string { return &d.Ready.Address }),
	"ready.url":        text(func(d *Definition) *string { return &d.Ready.URL }),
	"ready.command":    func(d *Definition, text string) (err error) { d.Ready.Command, err = parseCommand(text); return err },
	"ready.every":      func(d *Definition, text string) (err error) { d.Ready.Every, err = duration(text); return err },
	"ready.within":     func(d *Definition, text string) (err error) { d.Ready.Within, err = duration(text); return err },
}

// text takes a value over as it is.
func text(field func(d *Definition) *string) func(d *Definition, text string) error {
	return func(d *Definition, text string) error {
		*field(d) = text
		return nil
	}
}

func parseName(text string) (string, error) {
	if !wire.IsChildName(text) {
		return "", fmt.Errorf("must be up to %d letters, digits, dots and dashes, and begin with a letter or a digit, not %.80q", wire.MaxChildName, text)
	}
	return text, nil
}

func parseNames(text string) (names []string, err error) {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		name, err := parseName(word)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// parseCommand splits words at blanks; a word may stand in single or double quotes, and a backslash takes what follows
// it as it is, except in single quotes. Nothing is expanded: this is no shell.
func parseCommand(text string) ([]string, error) {
	words, err := splitWords(text)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 || !filepath.IsAbs(words[0]) {
		return nil, fmt.Errorf("must begin with an absolute path, not %.80q", text)
	}
	return words, nil
}

func splitWords(text string) (words []string, err error) {
	var word strings.Builder
	inWord, quote := false, rune(0)
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("has a quotation mark or a backslash without its other half")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

func parseSignal(text string) (syscall.Signal, error) {
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if s := unix.SignalNum(name); s != 0 {
		return s, nil
	}
	return 0, fmt.Errorf("must be the name of a signal, as in TERM, not %.40q", text)
}

func parseCodes(text string) (codes []int, err error) {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		code, err := number(word, 0, 255)
		if err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// duration understands "90" (seconds), "500ms", "3m" and the like.
func duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if n, errNumber := strconv.ParseInt(text, 10, 32); errNumber == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d < 0 || d > 30*24*time.Hour {
		return 0, fmt.Errorf("must be a time, as in 90, 500ms or 3m, not %.40q", text)
	}
	return d, nil
}

// logSize understands "500000", "64K" and "10M".
func logSize(text string) (int64, error) {
	digits, shift := text, 0
	if n := len(text) - 1; n > 0 {
		switch text[n] {
		case 'K', 'k':
			digits, shift = text[:n], 10
		case 'M', 'm':
			digits, shift = text[:n], 20
		}
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n<<shift < 4<<10 || n<<shift > 1<<32 {
		return 0, fmt.Errorf("must be from 4K to 4096M, not %.40q", text)
	}
	return n << shift, nil
}

func number(text string, low, high int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("must be a number from %d to %d, not %.40q", low, high, text)
	}
	return n, nil
}

func octal(text string) (int, error) {
	n, err := strconv.ParseUint(text, 8, 16)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf("must be octal and at most 0777, not %.40q", text)
	}
	return int(n), nil
}

func yesNo(text string) (bool, error) {
	if text != "yes" && text != "no" {
		return false, fmt.Errorf("must be yes or no, not %.40q", text)
	}
	return text == "yes", nil
}

func absolute(text string) (string, error) {
	if !filepath.IsAbs(text) {
		return "", fmt.Errorf("must be an absolute path, not %.80q", text)
	}
	return filepath.Clean(text), nil
}
