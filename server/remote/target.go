package remote

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"hostler/db"
	"hostler/server/bootstrap/hostlist"
	"hostler/server/fleet"
)

// Targets says which registered hosts are meant: those that are named or numbered, or all; state and search leave only
// those out of them that match.
type Targets struct {
	Hosts  string       `json:"hosts,omitempty"` // names as in a wizard: lines, commas, patterns, comments
	IDs    []int64      `json:"ids,omitempty"`
	State  db.HostState `json:"state,omitempty"`
	Search string       `json:"search,omitempty"` // part of the name, the address or the system's name
	All    bool         `json:"all,omitempty"`    // needed when nothing else is given
}

// maxText bounds a list of hosts, in bytes.
const maxText = 1 << 20

// maxNamed bounds how many hosts one complaint names.
const maxNamed = 20

// Resolve finds the hosts, by name. Fields in the error begin with "targets.".
func (t *Targets) Resolve(ctx context.Context, f *fleet.Fleet) ([]db.Host, error) {
	var wrong Invalid
	filter := fleet.Filter{State: t.State, Search: t.Search}
	if t.State != "" && !slices.Contains(db.HostStates, t.State) {
		wrong.add("targets.state", CodeUnknown, "there is no such state")
	}
	named := strings.TrimSpace(t.Hosts) != ""
	switch {
	case len(t.Hosts) > maxText:
		wrong.add("targets.hosts", CodeTooLong, "this has more than "+strconv.Itoa(maxText)+" bytes")
	case named:
		filter.Names = t.names(&wrong)
	}
	if len(t.IDs) > MaxTargets {
		wrong.add("targets.ids", CodeTooMany, tooMany)
	} else if len(t.IDs) > 0 {
		filter.IDs = map[int64]bool{}
		for _, id := range t.IDs {
			filter.IDs[id] = true
		}
	}
	some := named || len(t.IDs) > 0
	switch {
	case t.All && some:
		wrong.add("targets.all", CodeContradiction, "give hosts, or all, but not both")
	case !t.All && !some && t.State == "" && t.Search == "":
		wrong.add("targets", CodeMissing, "say which hosts: hosts, ids, state, search or all")
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	hosts := f.Find(ctx, filter)
	missing(ctx, &wrong, f, filter)
	switch {
	case len(hosts) > MaxTargets:
		wrong.add("targets", CodeTooMany, tooMany)
	case len(hosts) == 0 && len(wrong.Fields) == 0:
		wrong.add("targets", CodeNoHost, "no registered host matches")
	}
	return hosts, wrong.err()
}

var tooMany = "these are more than " + strconv.Itoa(MaxTargets) + " hosts"

func (t *Targets) names(wrong *Invalid) map[string]bool {
	hosts, problems := hostlist.Expand(t.Hosts)
	if len(problems) > 0 {
		wrong.Fields = append(wrong.Fields, FieldError{
			Field: "targets.hosts", Code: CodeHostList, Message: problems[0].Message, Problems: problems,
		})
		return nil
	}
	names := make(map[string]bool, len(hosts))
	for _, h := range hosts {
		names[h.Name] = true
	}
	return names
}

// missing complains about hosts that are named or numbered and not registered.
func missing(ctx context.Context, wrong *Invalid, f *fleet.Fleet, want fleet.Filter) {
	if len(want.Names)+len(want.IDs) == 0 {
		return
	}
	names, ids := map[string]bool{}, map[int64]bool{}
	for _, h := range f.Find(ctx, fleet.Filter{Names: want.Names, IDs: want.IDs}) {
		names[h.Name], ids[h.ID] = true, true
	}
	var unknownNames, unknownIDs []string
	for name := range want.Names {
		if !names[name] {
			unknownNames = append(unknownNames, name)
		}
	}
	for id := range want.IDs {
		if !ids[id] {
			unknownIDs = append(unknownIDs, strconv.FormatInt(id, 10))
		}
	}
	for field, unknown := range map[string][]string{"targets.hosts": unknownNames, "targets.ids": unknownIDs} {
		if len(unknown) == 0 {
			continue
		}
		slices.Sort(unknown)
		text := strings.Join(unknown[:min(len(unknown), maxNamed)], ", ")
		if len(unknown) > maxNamed {
			text += ", …"
		}
		wrong.Fields = append(wrong.Fields, FieldError{
			Field: field, Code: CodeNotRegistered, Message: "these are not registered: " + text, Args: map[string]string{"hosts": text},
		})
	}
}
