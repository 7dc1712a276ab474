package check

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"hostler/agent/wire"
	"hostler/db"
)

// Fleet is what the hosts tell that are compared with one another.
type Fleet struct {
	machines map[string][]string    // machine-id -> names of hosts
	at       map[string][]string    // address -> names of hosts
	mtus     map[string]map[int]int // cluster -> MTU -> hosts
}

// Compare makes the Fleet of hosts; found are the findings of those that were checked, by the host's number.
func Compare(hosts []db.Host, found map[int64]*wire.Findings) *Fleet {
	f := &Fleet{machines: map[string][]string{}, at: map[string][]string{}, mtus: map[string]map[int]int{}}
	for i := range hosts {
		h := &hosts[i]
		checked := found[h.ID]
		if id := machineOf(h, checked); id != "" {
			f.machines[id] = append(f.machines[id], h.Name)
		}
		for address := range addressesOf(checked) {
			f.at[address] = append(f.at[address], h.Name)
		}
		if n := mtuOf(checked); n > 0 {
			if f.mtus[h.Cluster] == nil {
				f.mtus[h.Cluster] = map[int]int{}
			}
			f.mtus[h.Cluster][n]++
		}
	}
	return f
}

// machineOf is a host's machine-id: what its check found counts before what it said when it registered.
func machineOf(h *db.Host, checked *wire.Findings) string {
	switch {
	case checked != nil:
		return checked.MachineID
	case h.Facts != nil:
		return h.Facts.MachineID
	}
	return ""
}

// addressesOf are the addresses that only one host should have.
func addressesOf(checked *wire.Findings) map[string]bool {
	all := map[string]bool{}
	add := func(text string) {
		if address, err := netip.ParseAddr(text); err == nil && !address.IsLoopback() && !address.IsLinkLocalUnicast() {
			all[address.Unmap().String()] = true
		}
	}
	if checked == nil {
		return all // those that were told at registration name containers' interfaces, too
	}
	for _, one := range checked.Interfaces {
		for _, text := range one.Addresses {
			add(text)
		}
	}
	return all
}

// mtuOf is the MTU of the interface by which a host reaches the server; 0 when it does not tell.
func mtuOf(checked *wire.Findings) int {
	if checked == nil {
		return 0
	}
	for _, one := range checked.Interfaces {
		if slices.Contains(one.Addresses, checked.Address) {
			return one.MTU
		}
	}
	return 0
}

// usualMTU is the most frequent MTU of a cluster, of equally frequent ones the smallest.
func (f *Fleet) usualMTU(cluster string) int {
	counts := f.mtus[cluster]
	return slices.MaxFunc(append(slices.Sorted(maps.Keys(counts)), 0), func(a, b int) int {
		return cmp.Or(cmp.Compare(counts[a], counts[b]), cmp.Compare(b, a))
	})
}

// maxNamed bounds how many other hosts a verdict names.
const maxNamed = 5

// others are the names but a host's own.
func others(names []string, own string) string {
	i := slices.Index(names, own)
	if i < 0 {
		return list(names)
	}
	return list(slices.Delete(slices.Clone(names), i, i+1))
}

func list(names []string) string {
	text := strings.Join(names[:min(len(names), maxNamed)], ", ")
	if len(names) > maxNamed {
		text += ", …"
	}
	return text
}
