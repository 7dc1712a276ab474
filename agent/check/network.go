package check

import (
	"context"
	"net"
	"os"
	"strings"
	"time"

	"hostler/agent/wire"
)

const (
	maxInterfaces = 8
	maxAddresses  = 3
)

// virtual are the beginnings of the names of interfaces that containers and virtual machines bring: they are no links
// between hosts, and many hosts have the same ones.
var virtual = []string{"docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "lxc", "podman", "tap", "vnet", "kube", "cilium", "tunl", "nodelocaldns"}

// network finds the interfaces, the way to the server and the host's own names.
func (l *look) network(ctx context.Context) {
	all, _ := net.Interfaces() // none without them
	for i := range all {
		if one := &all[i]; one.Flags&net.FlagUp != 0 && one.Flags&net.FlagLoopback == 0 && !isVirtual(one.Name) && len(l.found.Interfaces) < maxInterfaces {
			l.found.Interfaces = append(l.found.Interfaces, wire.CheckInterface{Name: one.Name, MTU: one.MTU, Addresses: addressesOf(one)})
		}
	}
	l.found.Offset, l.found.Address = l.to.look(ctx)
	l.found.Hostname, _ = os.Hostname() // "" is told
	l.found.MachineID = l.MachineID()
	if l.found.Hostname != "" {
		own, _ := resolve(ctx, l.found.Hostname)
		l.found.OwnAddresses = fewest(own, maxAddresses)
	}
	if l.found.Address == "" {
		return
	}
	asked := time.Now()
	said := l.tool(ctx, "getent", "hosts", l.found.Address).text // without names it says nothing
	l.found.ReverseMS = time.Since(asked).Milliseconds()
	if names := strings.Fields(strings.ToLower(said)); len(names) > 1 {
		l.found.Reverse = fewest(names[1:], maxAddresses)
	}
}

func isVirtual(name string) bool {
	for _, prefix := range virtual {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func addressesOf(one *net.Interface) (list []string) {
	addresses, _ := one.Addrs() // none without them
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && !network.IP.IsLinkLocalUnicast() && len(list) < maxAddresses {
			list = append(list, network.IP.String())
		}
	}
	return list
}

// resolve finds a name's addresses.
func resolve(ctx context.Context, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupIPAddr(ctx, name)
	addresses := make([]string, len(found))
	for i := range found {
		addresses[i] = found[i].IP.String()
	}
	return addresses, err
}
