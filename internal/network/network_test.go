package network

import (
	"net/netip"
	"testing"
)

func TestOf(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.1": "10.0.0.1/32", "::ffff:10.0.0.1": "10.0.0.1/32", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Of(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("%s is of %s, want %s", address, got, want)
		}
	}
	if Of(netip.Addr{}).IsValid() {
		t.Error("the zero address has a network")
	}
}
