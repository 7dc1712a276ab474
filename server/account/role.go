package account

import "slices"

// Right is something that a role allows. The edge's table of routes names one for everything that it serves.
type Right string

// The rights.
const (
	See        Right = "see"        // hosts, work, events and certificates
	Operate    Right = "operate"    // start, change and stop work; let hosts in and turn them away
	Audit      Right = "audit"      // read who did what
	Administer Right = "administer" // people, tokens, and what the server itself does
	Own        Right = "own"        // one's own account
)

// Rights lists all rights.
var Rights = []Right{See, Operate, Audit, Administer, Own}

// Roles, the strongest first.
const (
	RoleAdministrator = "administrator" // everything
	RoleOperator      = "operator"      // works with hosts
	RoleAuditor       = "auditor"       // reads
)

// Roles lists all roles, the strongest first.
var Roles = []string{RoleAdministrator, RoleOperator, RoleAuditor}

var rights = map[string][]Right{
	RoleAdministrator: {See, Operate, Audit, Administer, Own},
	RoleOperator:      {See, Operate, Own},
	RoleAuditor:       {See, Audit, Own},
}

// May reports whether a role has a right. A role that this program does not know has none.
func May(role string, r Right) bool { return slices.Contains(rights[role], r) }

// RolesBelow lists the roles that somebody with a role may give to a token: it and the weaker ones.
func RolesBelow(role string) []string {
	i := slices.Index(Roles, role)
	if i < 0 {
		return nil
	}
	return Roles[i:]
}

// May reports whether somebody has a right. A token has no more than the person it belongs to.
func (i Identity) May(r Right) bool {
	return May(i.Role, r) && (i.Owner == "" || May(i.Owner, r))
}
