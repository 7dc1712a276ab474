package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"

	"hostler/db"
	"hostler/internal/bearer"
	"hostler/server/audit"
	"hostler/server/event"
)

// CommandLine begins the name of whoever acts on the server's command line; the name of the system's user follows.
const CommandLine = "cli:"

// User finds a person; db.ErrNotFound.
func (a *Accounts) User(ctx context.Context, name string) (*db.User, error) {
	return a.db.UserByName(ctx, name)
}

// listPart is how many rows of a list are read at a time.
const listPart = 500

// Users lists everybody by name.
func (a *Accounts) Users(ctx context.Context) ([]Person, error) {
	var all []Person
	for after := ""; ; {
		us, err := a.db.Users(ctx, after, listPart)
		if err != nil {
			return nil, err
		}
		for i := range us {
			all = append(all, DescribeUser(&us[i]))
		}
		if len(us) < listPart {
			return all, nil
		}
		after = us[len(us)-1].Name
	}
}

// CreateUser makes a person with a role who may know of all hosts; db.ErrDuplicate when the name is taken. by is who does it.
func (a *Accounts) CreateUser(ctx context.Context, by, name, password, role string) (*db.User, error) {
	return a.CreateLimitedUser(ctx, by, name, password, role, "")
}

// CreateLimitedUser is CreateUser for a person who may know only of hosts that have some labels, written as tags.
func (a *Accounts) CreateLimitedUser(ctx context.Context, by, name, password, role, labels string) (*db.User, error) {
	u, err := a.newUser(name, password, role)
	if err != nil {
		return nil, err
	}
	if u.HostLabels, err = checkLimit(role, labels); err != nil {
		return nil, err
	}
	audit.About(ctx, u.Name, nil, nil)
	if err := a.db.CreateUser(ctx, u); err != nil {
		return nil, err
	}
	audit.About(ctx, u.Name, nil, DescribeUser(u))
	a.record(ctx, event.UserCreated, by, name, role)
	return u, nil
}

func (a *Accounts) newUser(name, password, role string) (*db.User, error) {
	if err := CheckUser(name, password); err != nil {
		return nil, err
	}
	if err := checkRole(role); err != nil {
		return nil, err
	}
	hash, err := a.hash(password)
	if err != nil {
		return nil, err
	}
	return &db.User{Name: name, PasswordHash: hash, Role: role}, nil
}

func checkRole(role string) error {
	if !slices.Contains(Roles, role) {
		return &FieldError{"role", "role_unknown", "the roles are administrator, operator and auditor"}
	}
	return nil
}

// record keeps what was done to a person.
func (a *Accounts) record(ctx context.Context, kind, by, user, role string) {
	params := map[string]string{"user": user}
	if role != "" {
		params["role"] = role
	}
	a.events.Record(ctx, db.Event{Kind: kind, Actor: by, Params: params})
}

// SetPassword replaces a person's password and ends the person's sessions.
func (a *Accounts) SetPassword(ctx context.Context, by string, u *db.User, password string) error {
	return a.setPassword(ctx, by, u, password, "")
}

// ChangePassword replaces one's own password, which is to be known, and ends all of one's sessions but this one:
// ErrWrongCredentials, ErrTooManyTries.
func (a *Accounts) ChangePassword(ctx context.Context, who Identity, address, old, password string) error {
	u, err := a.db.User(ctx, who.UserID)
	if err != nil {
		return err
	}
	if err := a.try(ctx, u, Attempt{Name: u.Name, Password: old, Address: address}); err != nil {
		return err
	}
	return a.setPassword(ctx, who.Name, u, password, bearer.Hash(who.Session))
}

func (a *Accounts) setPassword(ctx context.Context, by string, u *db.User, password, keep string) error {
	audit.About(ctx, u.Name, nil, nil)
	if u.Issuer != "" { // who is turned away there must not come in here
		return &FieldError{"password", "password_provider", "this person logs in by the identity provider, and has no password here"}
	}
	if err := CheckPassword(u.Name, password); err != nil {
		return err
	}
	hash, err := a.hash(password)
	if err != nil {
		return err
	}
	if err := a.db.SetPassword(ctx, u.ID, hash, keep); err != nil {
		return err
	}
	a.tellEnded()
	a.record(ctx, event.UserPassword, by, u.Name, "")
	return nil
}

// SetRole changes what a person may do; db.ErrLastAdministrator.
func (a *Accounts) SetRole(ctx context.Context, by string, u *db.User, role string) error {
	audit.About(ctx, u.Name, map[string]string{"role": u.Role}, map[string]string{"role": role})
	if err := checkRole(role); err != nil {
		return err
	}
	if role == RoleAdministrator && u.HostLabels != "" {
		return &FieldError{"role", "role_limited", "an administrator is not limited to hosts: take the limit away first"}
	}
	if err := a.db.SetRole(ctx, u.ID, role); err != nil {
		return err
	}
	a.tellEnded()
	a.record(ctx, event.UserRole, by, u.Name, role)
	return nil
}

// SetHostLabels limits a person to hosts that have some labels, written as tags; "" takes the limit away. It holds at once.
func (a *Accounts) SetHostLabels(ctx context.Context, by string, u *db.User, labels string) error {
	tags, err := checkLimit(u.Role, labels)
	audit.About(ctx, u.Name, limitedTo(u.HostLabels), limitedTo(tags))
	if err != nil {
		return err
	}
	if err := a.db.SetHostLabels(ctx, u.ID, tags); err != nil {
		return err
	}
	a.tellEnded()
	a.events.Record(ctx, db.Event{Kind: event.UserLimited, Actor: by, Params: map[string]string{"user": u.Name, "labels": tags}})
	return nil
}

// limitedTo is what the audit log is told of which hosts somebody may know of.
func limitedTo(tags string) map[string]string { return map[string]string{"host_labels": tags} }

// checkLimit reads what somebody typed to limit a role: labels between commas or blanks.
func checkLimit(role, typed string) (tags string, err error) {
	labels := db.Labels{}
	for _, tag := range strings.FieldsFunc(typed, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) }) {
		name, value, _ := strings.Cut(tag, "=")
		old, again := labels[name]
		if db.CheckLabel(name, value) != nil || again && old != value {
			return "", &FieldError{"labels", "limit_invalid", "labels are NAME=VALUE or NAME, between blanks or commas, each name once"}
		}
		labels[name] = value
	}
	tags = labels.String()
	switch {
	case len(tags) > db.MaxLabels:
		return "", &FieldError{"labels", "limit_invalid", "labels are NAME=VALUE or NAME, between blanks or commas, each name once"}
	case tags != "" && role == RoleAdministrator:
		return "", &FieldError{"labels", "limit_administrator", "an administrator is not limited: whoever manages people could lift it"}
	}
	return tags, nil
}

// disabled is what the audit log is told of whether somebody may log in.
func disabled(is bool) map[string]bool { return map[string]bool{"disabled": is} }

// Disable keeps a person out and ends the person's sessions; tokens rest. db.ErrLastAdministrator.
func (a *Accounts) Disable(ctx context.Context, by string, u *db.User) error {
	now := a.now()
	audit.About(ctx, u.Name, disabled(u.DisabledAt != nil), disabled(true))
	if err := a.db.DisableUser(ctx, u.ID, &now); err != nil {
		return err
	}
	a.tellEnded()
	a.record(ctx, event.UserDisabled, by, u.Name, "")
	return nil
}

// Enable lets a person in again.
func (a *Accounts) Enable(ctx context.Context, by string, u *db.User) error {
	audit.About(ctx, u.Name, disabled(u.DisabledAt != nil), disabled(false))
	if err := a.db.DisableUser(ctx, u.ID, nil); err != nil {
		return err
	}
	a.record(ctx, event.UserEnabled, by, u.Name, "")
	return nil
}

// Remove removes a person with all sessions and tokens; one who is gone already is no error. db.ErrLastAdministrator.
func (a *Accounts) Remove(ctx context.Context, by string, u *db.User) error {
	audit.About(ctx, u.Name, DescribeUser(u), nil)
	err := a.db.RemoveUser(ctx, u.ID)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	a.tellEnded()
	a.record(ctx, event.UserRemoved, by, u.Name, "")
	return nil
}
