package apt

import (
	"cmp"
	"strings"

	"hostler/internal/digits"
)

// Compare orders two versions, [epoch:]upstream[-revision], as dpkg does (deb-version(7)): below zero when a is older.
func Compare(a, b string) int {
	epochA, upstreamA, revisionA := splitVersion(a)
	epochB, upstreamB, revisionB := splitVersion(b)
	return cmp.Or(digits.Compare(epochA, epochB), compareParts(upstreamA, upstreamB), compareParts(revisionA, revisionB))
}

func splitVersion(version string) (epoch, upstream, revision string) {
	if before, after, found := strings.Cut(version, ":"); found {
		epoch, version = before, after
	}
	if at := strings.LastIndexByte(version, '-'); at >= 0 {
		version, revision = version[:at], version[at+1:]
	}
	return epoch, version, revision
}

// compareParts compares runs of other characters and runs of digits in turn.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		var runA, runB string
		runA, a = cutRun(a, false)
		runB, b = cutRun(b, false)
		if order := compareText(runA, runB); order != 0 {
			return order
		}
		runA, a = cutRun(a, true)
		runB, b = cutRun(b, true)
		if order := digits.Compare(runA, runB); order != 0 {
			return order
		}
	}
	return 0
}

// compareText orders "~" before the end, the end before letters, and letters before everything else.
func compareText(a, b string) int {
	for i := range max(len(a), len(b)) {
		if order := cmp.Compare(weight(a, i), weight(b, i)); order != 0 {
			return order
		}
	}
	return 0
}

func weight(text string, at int) int {
	if at >= len(text) {
		return 0
	}
	switch c := text[at]; {
	case c == '~':
		return -1
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		return int(c)
	default:
		return int(c) + 256
	}
}

func cutRun(text string, numeric bool) (found, rest string) {
	end := strings.IndexFunc(text, func(r rune) bool { return (r >= '0' && r <= '9') != numeric })
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:]
}
