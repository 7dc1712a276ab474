package account

import (
	"context"
	"errors"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/event"
)

// Errors of logins by an identity provider.
var (
	// ErrNoRole means that the provider knows somebody, and no rule gives a role.
	ErrNoRole = errors.New("the identity provider gives no role")
	// ErrNameTaken means that the name which the provider gives is somebody else's here, or cannot be a name.
	ErrNameTaken = errors.New("the name that the identity provider gives cannot be used")
)

// Told is what an identity provider says of somebody.
type Told struct {
	Issuer, Subject string
	Name            string // for a new account
	Role            string // "" for none
}

// LoginBy begins a session of somebody whom an identity provider has told. Who is new gets an account; the role is the provider's at
// every login. ErrNoRole, ErrNameTaken, ErrDisabled, db.ErrLastAdministrator.
func (a *Accounts) LoginBy(ctx context.Context, told Told, in Attempt) (secret string, err error) {
	u, err := a.db.UserBySubject(ctx, told.Issuer, told.Subject)
	if err == nil {
		audit.By(ctx, u.Name)
		audit.About(ctx, u.Name, nil, nil)
	}
	switch {
	case err != nil && !errors.Is(err, db.ErrNotFound):
		return "", err
	case told.Role == "":
		audit.Refuse(ctx, "no_role")
		return "", ErrNoRole
	case err != nil:
		u, err = a.provision(ctx, told)
	case u.DisabledAt != nil:
		audit.Refuse(ctx, "disabled")
		return "", ErrDisabled
	case told.Role == RoleAdministrator && u.HostLabels != "":
		audit.Refuse(ctx, "role_limited")
		return "", ErrNoRole
	case u.Role != told.Role:
		err = a.SetRole(ctx, u.Name, u, told.Role)
		u.Role = told.Role
	}
	if err != nil {
		return "", err
	}
	in.Issuer = told.Issuer
	return a.begin(ctx, u, in)
}

// provision makes the account of somebody who logs in for the first time. Nobody gets an account that is there already by having its name
// at the provider.
func (a *Accounts) provision(ctx context.Context, told Told) (*db.User, error) {
	if !namePattern.MatchString(told.Name) {
		audit.Refuse(ctx, "name_invalid")
		return nil, ErrNameTaken
	}
	if err := checkRole(told.Role); err != nil {
		return nil, err
	}
	u := &db.User{Name: told.Name, Role: told.Role, Issuer: told.Issuer, Subject: told.Subject}
	err := a.db.CreateUser(ctx, u)
	if errors.Is(err, db.ErrDuplicate) {
		audit.Refuse(ctx, "name_taken")
		return nil, ErrNameTaken
	}
	if err != nil {
		return nil, err
	}
	audit.By(ctx, u.Name)
	audit.About(ctx, u.Name, nil, DescribeUser(u))
	a.record(ctx, event.UserCreated, u.Name, u.Name, u.Role)
	return u, nil
}
