package hostlist

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// Limits of names, RFC 1035 section 2.3.4.
const (
	maxName  = 253
	maxLabel = 63
)

// checkCharacters refuses what no name, address or pattern can hold, before anything else looks at it.
func checkCharacters(token string) *Problem {
	for _, r := range token {
		switch {
		case r == unicode.ReplacementChar || unicode.IsControl(r) || !unicode.IsPrint(r):
			return problem(CodeControl, token, "character", fmt.Sprintf("U+%04X", r))
		case r > unicode.MaxASCII:
			return problem(CodeNonASCII, token, "character", string(r))
		}
	}
	return nil
}

// isBracketedAddress tells the URL form of an IPv6 address, "[::1]", from a pattern.
func isBracketedAddress(token string) bool {
	inside, ok := strings.CutPrefix(token, "[")
	if !ok {
		return false
	}
	inside, _, ok = strings.Cut(inside, "]")
	a, err := netip.ParseAddr(inside)
	return ok && err == nil && a.Is6()
}

// canonical checks one name or address and gives it the form under which the host is known.
func canonical(name string) (string, *Problem) {
	if isBracketedAddress(name) {
		inside, after, _ := strings.Cut(name[1:], "]")
		if after != "" {
			return "", problem(CodeAddress, name)
		}
		return address(inside)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return address(name)
	}
	name = strings.TrimSuffix(name, ".")
	if strings.Contains(name, ":") {
		return "", problem(CodeAddress, name)
	}
	return name, checkName(name)
}

func address(s string) (string, *Problem) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "", problem(CodeAddress, s)
	case a.Zone() != "":
		return "", problem(CodeZone, s)
	}
	return a.Unmap().String(), nil
}

// checkName holds a name against RFC 1123 section 2.1: labels of letters, digits and inner hyphens.
func checkName(name string) *Problem {
	if len(name) > maxName {
		return problem(CodeNameLength, name, "length", strconv.Itoa(len(name)), "limit", strconv.Itoa(maxName))
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		switch {
		case label == "":
			return problem(CodeLabelEmpty, name)
		case len(label) > maxLabel:
			return problem(CodeLabelLength, name, "label", shorten(label), "limit", strconv.Itoa(maxLabel))
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
				return problem(CodeCharacter, name, "character", string(r))
			}
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return problem(CodeLabelHyphen, name, "label", label)
		}
	}
	// Resolvers read a name that ends in a number as an IPv4 address.
	if isDigits(labels[len(labels)-1]) {
		return problem(CodeAddress, name)
	}
	return nil
}
