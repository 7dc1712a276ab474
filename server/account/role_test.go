package account_test

import (
	"slices"
	"testing"

	"hostler/server/account"
)

func TestRights(t *testing.T) {
	all := []account.Right{account.See, account.Operate, account.Audit, account.Administer, account.Own}
	for role, want := range map[string][]account.Right{
		account.RoleAdministrator: all,
		account.RoleOperator:      {account.See, account.Operate, account.Own},
		account.RoleAuditor:       {account.See, account.Audit, account.Own},
		"":                        nil,
		"root":                    nil,
	} {
		for _, r := range all {
			if got := account.May(role, r); got != slices.Contains(want, r) {
				t.Errorf("%q may %s: %t", role, r, got)
			}
		}
		if account.May(role, "") || account.May(role, "open") {
			t.Errorf("%q has a right that is none", role)
		}
	}
}

func TestTokensAreBoundByTheirOwner(t *testing.T) {
	for _, c := range []struct {
		role, owner string
		right       account.Right
		want        bool
	}{
		{account.RoleOperator, "", account.Operate, true},
		{account.RoleOperator, account.RoleOperator, account.Operate, true},
		{account.RoleAdministrator, account.RoleOperator, account.Administer, false},
		{account.RoleAuditor, account.RoleOperator, account.Audit, false},
		{account.RoleAuditor, account.RoleOperator, account.See, true},
		{account.RoleAuditor, account.RoleAdministrator, account.Operate, false},
	} {
		if got := (account.Identity{Role: c.role, Owner: c.owner}).May(c.right); got != c.want {
			t.Errorf("a token with %s of %q may %s: %t", c.role, c.owner, c.right, got)
		}
	}
}

func TestRolesBelow(t *testing.T) {
	if got := account.RolesBelow(account.RoleOperator); !slices.Equal(got, []string{account.RoleOperator, account.RoleAuditor}) {
		t.Errorf("below an operator are %v", got)
	}
	if got := account.RolesBelow("root"); got != nil {
		t.Errorf("below an unknown role are %v", got)
	}
}
