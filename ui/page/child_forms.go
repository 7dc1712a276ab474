package page

import (
	"strconv"
	"strings"
	"time"

	"hostler/ui/layout"
)

// ChildDefinition is a version of a child agent that was installed before.
type ChildDefinition struct {
	Name, Version string
	URL, Checksum string
	Definition    string
	UsedBy        string
	Used          time.Time
}

// installPath leads to the form that installs it on other hosts.
func (d ChildDefinition) installPath() string {
	return filtered("/child-agents/new", "name", d.Name, "version", d.Version)
}

func (d ChildDefinition) title() string {
	if d.Version == "" {
		return d.Name
	}
	return d.Name + " " + d.Version
}

// Offer is an archive of the repository.
type Offer struct {
	Name, Version string
	Arch          string
	Repository    string
	Channels      []string
	Digest        string
	Size          uint64 // bytes
}

// installPath leads to the form that installs it.
func (o Offer) installPath() string {
	return filtered("/child-agents/new", "name", o.Name, "version", o.Version, "archive", o.Digest)
}

func (o Offer) title() string {
	return strings.Join(strings.Fields(o.Name+" "+o.Version+" "+o.Arch), " ") + ", " + o.Repository
}

// CatalogueView is GET /child-agents/catalogue.
type CatalogueView struct {
	Frame  layout.Frame
	Known  []ChildDefinition
	Offers []Offer
}

// BulkView asks about an action on the chosen child agents.
type BulkView struct {
	Frame  layout.Frame
	Action string // one of ManageActions
	Groups []BulkGroup
}

// BulkGroup is the chosen child agents of one name.
type BulkGroup struct {
	Name    string
	HostIDs []int64
	Hosts   []string // their names
}

// Count is how many child agents are chosen.
func (v BulkView) Count() int {
	n := 0
	for _, g := range v.Groups {
		n += len(g.HostIDs)
	}
	return n
}

// configurePath leads to the form that changes a child agent on its host.
func configurePath(c Child) string {
	return filtered("/child-agents/configure", "host", strconv.FormatInt(c.HostID, 10), "name", c.Name, "version", c.Version)
}

// definitionHelp names the text that says what the definition was filled in with.
func definitionHelp(on OnHost) string {
	if on.File != "" {
		return "configure.host_help"
	}
	return "configure.definition_help"
}

// definitionExample stands in an empty field.
const definitionExample = "[agent]\nname = BasicAgent\nversion = 1.5.6\ncommand = bin/basic-agent --quiet\n\n[limits]\ncpu = 10%\nmemory = 20M"
