package check

import (
	"context"
	"strings"

	"hostler/agent/wire"
)

// firewall asks the firewalls that the host has. Rules of firewalld and ufw are those of the kernel, too: who manages them
// is told alone.
func (l *look) firewall(ctx context.Context) {
	if state := l.tool(ctx, "firewall-cmd", "--state"); state.good() && state.text == "running" {
		open, ports := l.tool(ctx, "firewall-cmd", "--list-services"), l.tool(ctx, "firewall-cmd", "--list-ports")
		l.add("firewalld", true, strings.TrimSpace(open.text+" "+ports.text))
		return
	}
	if said := l.tool(ctx, "ufw", "status"); said.good() && strings.Contains(said.text, "Status: active") {
		l.add("ufw", true, allowed(said.text))
		return
	}
	if said := l.tool(ctx, "nft", "list", "ruleset"); said.good() {
		if blocks, any := inputChain(said.text); any {
			l.add("nftables", blocks, "")
			return
		}
	}
	if said := l.tool(ctx, "iptables", "-S", "INPUT"); said.good() && strings.Contains(said.text, "\n") {
		l.add("iptables", refusesRest(said.text), "")
	} else if said.good() && !strings.HasPrefix(said.text, "-P INPUT ACCEPT") {
		l.add("iptables", true, "")
	}
}

func (l *look) add(tool string, blocks bool, open string) {
	l.found.Firewalls = append(l.found.Firewalls, wire.CheckFirewall{Tool: tool, Blocks: blocks, Open: clip(open)})
}

// allowed lists what ufw says it allows.
func allowed(status string) string {
	var open []string
	for _, line := range strings.Split(status, "\n") {
		field := strings.Fields(line)
		if len(field) > 1 && field[1] == "ALLOW" {
			open = append(open, field[0])
		}
	}
	return strings.Join(open, " ")
}

// inputChain reports whether there is a chain for what comes in that has rules or another policy than accept, and whether
// it blocks what no rule lets in.
func inputChain(ruleset string) (blocks, any bool) {
	inside := false
	last := ""
	for _, line := range strings.Split(ruleset, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.Contains(line, "hook input"):
			inside, last = true, ""
			if strings.Contains(line, "policy drop") {
				return true, true
			}
		case inside && line == "}":
			inside = false
			if last != "" {
				any = true
			}
			if last == "drop" || strings.HasPrefix(last, "reject") || strings.HasSuffix(last, " drop") && strings.HasPrefix(last, "counter") {
				return true, true
			}
		case inside && line != "":
			last = line
		}
	}
	return false, any
}

// refusesRest reports whether a chain of iptables ends with a rule that refuses everything, or its policy does.
func refusesRest(rules string) bool {
	lines := strings.Split(rules, "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	return !strings.HasPrefix(lines[0], "-P INPUT ACCEPT") || strings.HasPrefix(last, "-A INPUT -j DROP") || strings.HasPrefix(last, "-A INPUT -j REJECT")
}
