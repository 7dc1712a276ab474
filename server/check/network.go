package check

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// slowAnswer is how many milliseconds a name server may take.
const slowAnswer = 1000

func hostname(s *subject) Verdict {
	args := []string{"Name", s.host.Name, "Hostname", s.Hostname, "FQDN", s.host.FQDN}
	_, isAddress := netip.ParseAddr(s.host.Name)
	switch own := strings.ToLower(s.Hostname); {
	case own == "" || own == "localhost" || strings.HasPrefix(own, "localhost."):
		return fail("missing", args...)
	case s.host.FQDN != "" && !strings.Contains(s.host.FQDN, "."):
		return warn("short", args...)
	case isAddress != nil && s.host.Name != own && s.host.Name != strings.ToLower(s.host.FQDN):
		return warn("differs", args...)
	}
	return pass(args...)
}

func ownName(s *subject) Verdict {
	if s.Hostname == "" {
		return untold
	}
	args := []string{"Hostname", s.Hostname, "Addresses", strings.Join(s.OwnAddresses, ", ")}
	loopback, own := true, false
	for _, text := range s.OwnAddresses {
		address, err := netip.ParseAddr(text)
		loopback = loopback && err == nil && address.IsLoopback()
		for _, one := range s.Interfaces {
			own = own || slices.Contains(one.Addresses, text)
		}
	}
	switch {
	case len(s.OwnAddresses) == 0:
		return fail("unresolved", args...)
	case loopback:
		return warn("loopback", args...)
	case !own:
		return warn("elsewhere", args...)
	}
	return pass(args...)
}

func forward(s *subject) Verdict {
	r := &s.Resolved
	args := []string{
		"Names", strconv.Itoa(r.Names), "Failed", strconv.Itoa(r.Failed), "Differ", strconv.Itoa(r.Differ),
		"Untried", strconv.Itoa(r.Untried), "Wrong", strings.Join(r.Wrong, ", "),
	}
	switch {
	case r.Failed > 0:
		return fail("failed", args...)
	case r.Differ > 0:
		return warn("differ", args...)
	case r.Untried > 0:
		return warn("untried", args...)
	case r.Names == 0:
		return untold
	}
	return pass(args...)
}

func reverse(s *subject) Verdict {
	address, err := netip.ParseAddr(s.Address)
	if err != nil || address.IsLoopback() {
		return untold
	}
	args := []string{"Address", s.Address, "Names", strings.Join(s.Reverse, ", "), "Name", s.host.Name}
	switch {
	case len(s.Reverse) == 0:
		return warn("missing", args...)
	case !slices.Contains(s.Reverse, s.host.Name) && !slices.Contains(s.Reverse, strings.ToLower(s.host.FQDN)):
		return warn("differs", args...)
	}
	return pass(args...)
}

func dnsSpeed(s *subject) Verdict {
	slowest := max(s.ReverseMS, s.Resolved.Slowest)
	args := []string{"Milliseconds", strconv.FormatInt(slowest, 10)}
	switch {
	case s.Address == "" && s.Resolved.Names == 0:
		return untold
	case slowest > slowAnswer:
		return warn("slow", args...)
	}
	return pass(args...)
}

func machineID(s *subject) Verdict {
	if s.MachineID == "" {
		return fail("missing")
	}
	args := []string{"ID", s.MachineID, "Hosts", others(s.others.machines[s.MachineID], s.host.Name)}
	if len(s.others.machines[s.MachineID]) > 1 {
		return fail("shared", args...)
	}
	return pass(args...)
}

func addresses(s *subject) Verdict {
	var all []string
	for _, one := range s.Interfaces {
		all = append(all, one.Addresses...)
	}
	if len(all) == 0 {
		return untold
	}
	for _, address := range all {
		if hosts := s.others.at[address]; len(hosts) > 1 {
			return fail("shared", "Address", address, "Hosts", others(hosts, s.host.Name))
		}
	}
	return pass("Addresses", list(all))
}

func mtu(s *subject) Verdict {
	own, usual := mtuOf(s.Findings), s.others.usualMTU(s.host.Cluster)
	args := []string{"MTU", strconv.Itoa(own), "Usual", strconv.Itoa(usual)}
	switch {
	case own == 0:
		return untold
	case own != usual:
		return warn("differs", args...)
	}
	return pass(args...)
}

func firewall(s *subject) Verdict {
	if len(s.Firewalls) == 0 {
		return pass()
	}
	f := &s.Firewalls[0]
	args := []string{"Tool", f.Tool, "Open", f.Open}
	if f.Blocks {
		return warn("blocks", args...)
	}
	return is("open", args...)
}
