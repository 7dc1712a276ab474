package hostlist

import (
	"net/netip"
	"strings"
)

// addressSet is a run of addresses: a network or a range.
type addressSet struct{ from, to netip.Addr }

func (s addressSet) known() bool { return s.from.IsValid() }

// addresses understands "10.0.0.0/24", "10.0.0.1-10.0.0.9", "10.0.0.1-9" and the same of IPv6. A token of another form
// gives the zero set and no problem.
func addresses(token string) (addressSet, *Problem) {
	if left, _, ok := strings.Cut(token, "/"); ok && !strings.ContainsAny(left, "[]") {
		return network(token, left)
	}
	left, right, ok := strings.Cut(token, "-")
	if !ok {
		return addressSet{}, nil
	}
	from, err := netip.ParseAddr(left)
	if err != nil || from.Zone() != "" {
		return addressSet{}, nil
	}
	if from.Is4() && strings.Trim(right, "0123456789.:abcdef") != "" {
		return addressSet{}, nil
	}
	to, err := netip.ParseAddr(lastOf(from, left, right))
	switch {
	case err != nil || to.BitLen() != from.BitLen():
		return addressSet{}, problem(CodeAddressRange, token)
	case to.Less(from):
		return addressSet{}, problem(CodeRangeReversed, token, "range", shorten(token), "mended", to.String()+"-"+from.String())
	}
	return addressSet{from, to}, nil
}

// lastOf completes the end of a range that tells its last number alone.
func lastOf(from netip.Addr, left, right string) string {
	if strings.ContainsAny(right, ".:") {
		return right
	}
	separator := "."
	if from.Is6() {
		separator = ":"
	}
	return left[:strings.LastIndex(left, separator)+1] + right
}

// network is all addresses of a network but those that no host can have: the first and, of IPv4, the last.
func network(token, left string) (addressSet, *Problem) {
	prefix, err := netip.ParsePrefix(token)
	if err != nil {
		if _, notAddress := netip.ParseAddr(left); notAddress == nil {
			return addressSet{}, problem(CodeNetwork, token)
		}
		return addressSet{}, problem(CodeCharacter, token, "character", "/")
	}
	prefix = prefix.Masked()
	from := prefix.Addr()
	bytes := from.AsSlice()
	for bit := prefix.Bits(); bit < from.BitLen(); bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	to, _ := netip.AddrFromSlice(bytes)
	if from.BitLen()-prefix.Bits() > 1 { // RFC 3021, RFC 6164: networks of two have no such addresses
		from = from.Next()
		if to.Is4() {
			to = to.Prev()
		}
	}
	return addressSet{from, to}, nil
}

// count says how many addresses there are, or limit+1 when it is more than limit.
func (s addressSet) count(limit int) int {
	a, b := s.from.As16(), s.to.As16()
	n := 0
	for i := range a {
		// The difference so far, one byte more; once it is beyond 2^24 what follows cannot bring it below a limit.
		if n = n<<8 + int(b[i]) - int(a[i]); n > 1<<24 {
			return limit + 1
		}
	}
	return min(n, limit) + 1
}

func (s addressSet) names(yield func(string) bool) {
	for a := s.from; ; a = a.Next() {
		if !yield(a.String()) || a == s.to {
			return
		}
	}
}

// isAddress reports whether s is an IP address.
func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
