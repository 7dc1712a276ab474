package yum

import (
	"cmp"
	"strings"

	"hostler/internal/digits"
)

// Compare orders two versions, epoch:version-release, as rpm does (rpm-version(7)): below zero when a is older.
func Compare(a, b string) int {
	epochA, versionA, releaseA := splitEVR(a)
	epochB, versionB, releaseB := splitEVR(b)
	return cmp.Or(digits.Compare(epochA, epochB), compareParts(versionA, versionB), compareParts(releaseA, releaseB))
}

// compareParts takes both texts apart into runs of digits and of letters. "~" sorts before the end, "^" after the end
// and before everything else.
func compareParts(a, b string) int {
	for {
		a, b = strings.TrimLeftFunc(a, separator), strings.TrimLeftFunc(b, separator)
		switch tildeA, tildeB := strings.HasPrefix(a, "~"), strings.HasPrefix(b, "~"); {
		case tildeA && tildeB:
			a, b = a[1:], b[1:]
			continue
		case tildeA:
			return -1
		case tildeB:
			return 1
		}
		switch caretA, caretB := strings.HasPrefix(a, "^"), strings.HasPrefix(b, "^"); {
		case caretA && caretB:
			a, b = a[1:], b[1:]
			continue
		case caretA:
			return caretBeside(b, 1)
		case caretB:
			return caretBeside(a, -1)
		}
		if a == "" || b == "" {
			return cmp.Compare(len(a), len(b))
		}
		of := letter
		if digit(rune(a[0])) {
			of = digit
		}
		var runA, runB string
		runA, a = run(a, of)
		runB, b = run(b, of)
		if runB == "" { // of different kinds: digits are newer
			if digit(rune(runA[0])) {
				return 1
			}
			return -1
		}
		order := strings.Compare(runA, runB)
		if digit(rune(runA[0])) {
			order = digits.Compare(runA, runB)
		}
		if order != 0 {
			return order
		}
	}
}

// caretBeside is the order of a text that goes on with "^" beside what is left of the other one.
func caretBeside(other string, newer int) int {
	if other == "" {
		return newer
	}
	return -newer
}

func run(text string, of func(rune) bool) (found, rest string) {
	end := strings.IndexFunc(text, func(r rune) bool { return !of(r) })
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:]
}

func digit(r rune) bool  { return r >= '0' && r <= '9' }
func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func separator(r rune) bool { return !digit(r) && !letter(r) && r != '~' && r != '^' }
