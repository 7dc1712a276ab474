package hostlist

import (
	"net/netip"
	"strings"
)

// hostsLine reads a line of /etc/hosts; ok is false for one that is empty or of another form.
func hostsLine(line string) (address string, names []string, ok bool) {
	line, _, _ = strings.Cut(line, "#")
	words := strings.Fields(line)
	if len(words) < 2 || !isAddress(words[0]) || isAddress(words[1]) || isSetting(words[1]) {
		return "", nil, false
	}
	return words[0], words[1:], true
}

func looksLikeHosts(text string) bool {
	found := false
	for _, line := range numbered(text) {
		bare, _, _ := strings.Cut(line, "#")
		if strings.TrimSpace(bare) == "" {
			continue
		}
		if _, _, ok := hostsLine(line); !ok {
			return false
		}
		found = true
	}
	return found
}

// hosts reads /etc/hosts (hosts(5)). The name is the first that has a dot, or the first; the machine's own lines and
// those of multicast are no hosts.
func (i *importer) hosts(text string) {
	for n, line := range numbered(text) {
		address, names, ok := hostsLine(line)
		if !ok {
			continue
		}
		a, _ := netip.ParseAddr(address)
		if a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() || names[0] == "broadcasthost" || strings.HasPrefix(names[0], "ip6-") {
			continue
		}
		h := Host{Name: names[0], Line: n}
		for _, name := range names {
			if strings.Contains(name, ".") {
				h.Name = name
				break
			}
		}
		h.Name = strings.ToLower(h.Name)
		i.set(&h, settingAddress, address)
		i.add(h)
	}
}
