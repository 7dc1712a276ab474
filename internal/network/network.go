// Package network says which addresses count as one, where something is bounded by address.
package network

import "net/netip"

// Of is what one client is likely to have all addresses of: an IPv4 address, or an IPv6 network of 64 bits. The zero address
// has the zero network.
func Of(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits) // it fails for the zero address only
	return prefix
}
