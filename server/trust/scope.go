package trust

import (
	"errors"
	"net/netip"
	"path"
	"regexp"
	"strings"
)

// scopePattern holds what patterns of host names are made of.
var scopePattern = regexp.MustCompile(`^[a-z0-9._:*-]{1,253}$`)

// Bounds of what a scope may hold, in bytes.
const maxNetworks = 1000

// parseHosts checks a host name or a pattern of names and brings it into the form in which hosts are known. In a pattern a
// star stands for any characters of one label, and "*." at the beginning for one label or more: "*.test.com" matches
// "a.b.test.com", and never "test.com" itself.
func parseHosts(text string) (string, error) {
	text = Canonical(text)
	if text == "" {
		return "", nil
	}
	if !scopePattern.MatchString(text) || strings.Contains(text, "**") {
		return "", errors.New("this is neither a host name nor a pattern of names such as *.example or web*.example")
	}
	if strings.Trim(text, "*.") == "" {
		return "", errors.New("this pattern matches every name: leave it empty if that is meant")
	}
	return text, nil
}

// matchHost tells whether a host name is in the scope of parseHosts; every name is in that of "".
func matchHost(scope, hostname string) bool {
	if scope == "" || scope == hostname {
		return true
	}
	if rest, anyDepth := strings.CutPrefix(scope, "*."); anyDepth {
		cut := strings.Count(hostname, ".") - strings.Count(rest, ".")
		if cut < 1 {
			return false
		}
		labels := strings.SplitN(hostname, ".", cut+1)
		scope, hostname = rest, labels[cut]
		if strings.Join(labels[:cut], "") == "" {
			return false
		}
	}
	slashes := strings.NewReplacer(".", "/")
	matched, err := path.Match(slashes.Replace(scope), slashes.Replace(hostname)) // its star stops at a slash
	return err == nil && matched
}

// parseNetworks checks address ranges, separated by commas or blanks, and brings them into one form.
func parseNetworks(text string) (string, error) {
	var ranges []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }) {
		prefix, err := netip.ParsePrefix(word)
		if err != nil {
			address, err := netip.ParseAddr(word)
			if err != nil || address.Zone() != "" {
				return "", errors.New("this is neither an address nor a range of addresses such as 10.1.0.0/16: " + clipWord(word))
			}
			prefix = netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen())
		}
		ranges = append(ranges, prefix.Masked().String())
	}
	joined := strings.Join(ranges, ",")
	if len(joined) > maxNetworks {
		return "", errors.New("these are too many address ranges")
	}
	return joined, nil
}

// matchNetwork tells whether an address is in the scope of parseNetworks; every address is in that of "".
func matchNetwork(scope string, from netip.Addr) bool {
	if scope == "" {
		return true
	}
	for text := range strings.SplitSeq(scope, ",") {
		if prefix, err := netip.ParsePrefix(text); err == nil && prefix.Contains(from.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// clipWord bounds what an error repeats.
func clipWord(word string) string {
	const most = 80
	if len(word) > most {
		return strings.ToValidUTF8(word[:most], "") + "…"
	}
	return word
}
