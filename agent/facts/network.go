package facts

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"hostler/agent/wire"
)

// maxInterfaces bounds the list on hosts that have one interface per container.
const maxInterfaces = 64

// resolveTimeout bounds the question for the host's own name: a host without a name server must not register
// late because of it.
const resolveTimeout = time.Second

// interfaces lists what is up and has an address beyond the link.
func interfaces() []wire.Interface {
	list := []wire.Interface{}
	all, _ := net.Interfaces()
	for _, one := range all {
		if one.Flags&net.FlagUp == 0 || one.Flags&net.FlagLoopback != 0 || len(list) == maxInterfaces {
			continue
		}
		found := wire.Interface{Name: one.Name, MAC: one.HardwareAddr.String()}
		addresses, _ := one.Addrs()
		for _, address := range addresses {
			if network, ok := address.(*net.IPNet); ok && !network.IP.IsLinkLocalUnicast() {
				found.Addresses = append(found.Addresses, network.String())
			}
		}
		if len(found.Addresses) > 0 {
			list = append(list, found)
		}
	}
	return list
}

// fqdn answers as "hostname -f" does: from the hosts file, or else from the resolver; failing both, the
// host's own name.
func (h host) fqdn(ctx context.Context, hostname string) string {
	if hostname == "" || strings.Contains(hostname, ".") {
		return strings.ToLower(hostname)
	}
	if name := h.canonical(hostname); name != "" {
		return strings.ToLower(name)
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	name, err := net.DefaultResolver.LookupCNAME(ctx, hostname)
	if err != nil || !strings.Contains(strings.TrimSuffix(name, "."), ".") {
		return strings.ToLower(hostname)
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// canonical returns the first name of the line of /etc/hosts that has the host's name, where that is qualified.
func (h host) canonical(hostname string) string {
	for line := range bytes.Lines(h.Read("etc/hosts")) {
		text, _, _ := strings.Cut(string(line), "#")
		part := strings.Fields(text)
		if len(part) > 1 && strings.Contains(part[1], ".") && slices.Contains(part[1:], hostname) {
			return part[1]
		}
	}
	return ""
}
