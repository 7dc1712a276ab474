package web

import (
	"context"
	"slices"

	"hostler/server/account"
	"hostler/ui/page"
)

// meet tells everybody who has a wizard open who else has, when somebody came or went; h.mu is held.
func (h *hub) meet(topic string) {
	if kind, _, _ := parseTopic(topic); kind != "wizard" {
		return
	}
	for c := range h.topics[topic] {
		others := h.present(topic, c, c.who)
		c.push(change{topic: topic, values: func(ctx context.Context) map[string]string { return page.PresenceValues(ctx, others) }})
	}
}

// others are who else has a page of a topic open.
func (h *hub) others(topic string, me account.Identity) page.Presence {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.present(topic, nil, me)
}

// present are who has a page of a topic open, by name, and whether another window of mine has. but is a connection that does
// not count, if any; h.mu is held.
func (h *hub) present(topic string, but *connection, me account.Identity) (p page.Presence) {
	for c := range h.topics[topic] {
		switch {
		case c == but:
		case c.who.Name == me.Name:
			p.Myself = true
		case !slices.Contains(p.Names, c.who.Name):
			p.Names = append(p.Names, c.who.Name)
		}
	}
	slices.Sort(p.Names)
	return p
}
