package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strconv"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/audit"
)

// toldHosts bounds how many hosts are named to the audit log.
const toldHosts = 50

// told is what the audit log learns of work. Scripts, definitions and variables may hold secrets: it learns their digests
// and names.
type told struct {
	Operation  int64        `json:"operation"`
	Title      string       `json:"title"`
	Hosts      []string     `json:"hosts"`
	More       int          `json:"more,omitempty"` // hosts that are not named
	Version    string       `json:"version,omitempty"`
	URL        string       `json:"url,omitempty"`
	Checksum   string       `json:"checksum,omitempty"`
	Definition string       `json:"definition_sha256,omitempty"`
	Variables  []string     `json:"variables,omitempty"`
	Limits     *wire.Limits `json:"limits,omitempty"`
	Command    string       `json:"command_sha256,omitempty"`
}

// toldChild is what a child agent was on a host.
type toldChild struct {
	Version string       `json:"version"`
	Limits  *wire.Limits `json:"limits"`
}

// tell tells the audit log what a plan does, and of child agents what they were.
func (r *Remote) tell(ctx context.Context, p *plan, o *db.Operation) {
	t := told{Operation: o.ID, Title: o.Title}
	var was any
	for i := range p.hosts[:min(len(p.hosts), toldHosts)] {
		t.Hosts = append(t.Hosts, p.hosts[i].Name)
	}
	t.More = len(p.hosts) - len(t.Hosts)
	if j := p.job; j != nil {
		t.Version, t.URL, t.Checksum, t.Limits = j.Version, redacted(j.URL), j.Checksum, j.Limits
		t.Definition, t.Variables = digestOf(j.Definition), slices.Sorted(maps.Keys(j.Envs))
		if j.Exec != nil {
			t.Command = digestOf(append([]string{j.Exec.Script}, j.Exec.Command...)...)
		}
	}
	if p.kind == KindChild {
		was = r.childrenBefore(ctx, p)
	}
	audit.About(ctx, "operation "+strconv.FormatInt(o.ID, 10), was, t)
}

// childrenBefore is what the plan's child agent is on the hosts that are named.
func (r *Remote) childrenBefore(ctx context.Context, p *plan) map[string]toldChild {
	were := map[string]toldChild{}
	for i := range p.hosts[:min(len(p.hosts), toldHosts)] {
		h, _ := r.Fleet.Get(ctx, p.hosts[i].ID) // one that is gone has none
		for k := range h.Children {
			if c := &h.Children[k]; c.Name == p.params.Subject {
				were[h.Name] = toldChild{c.Version, c.Limits}
			}
		}
	}
	return were
}

// redacted is an address without the password in it.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.RawQuery = "" // it may be a signed one
	return u.Redacted()
}

// digestOf is the hex SHA-256 of texts behind one another; "" when they are empty.
func digestOf(texts ...string) string {
	h, n := sha256.New(), 0
	for i, text := range texts {
		if i > 0 {
			h.Write([]byte{0})
		}
		h.Write([]byte(text))
		n += len(text)
	}
	if n == 0 {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
