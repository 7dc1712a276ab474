package account

import (
	"time"

	"hostler/db"
)

// Person is what others are told of a user.
type Person struct {
	ID          int64      `json:"id"`
	Name        string     `json:"name"`
	Role        string     `json:"role"`
	HostLabels  string     `json:"host_labels"` // tags of the hosts that this person may know of; "" for all hosts
	Disabled    bool       `json:"disabled"`
	CreatedAt   time.Time  `json:"created_at"`
	LastLoginAt *time.Time `json:"last_login_at"`
	Issuer      string     `json:"issuer"` // of the identity provider by which this person logs in; "" for a password
	// SecondFactorSince is when the second factor was set up; nil: there is none.
	SecondFactorSince *time.Time `json:"second_factor_since"`
}

// Program is what others are told of an API token.
type Program struct {
	ID         int64      `json:"id"`
	Name       string     `json:"name"`
	Role       string     `json:"role"`
	HostLabels string     `json:"host_labels"` // as of a Person; those of the owner hold, too
	Owner      string     `json:"owner"`       // the user it belongs to; "" for none
	CreatedBy  string     `json:"created_by"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

// Browser is what others are told of a session.
type Browser struct {
	ID         int64     `json:"id"`
	User       string    `json:"user"`
	Address    string    `json:"address"`
	Browser    string    `json:"browser"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// DescribeUser leaves out what is secret.
func DescribeUser(u *db.User) Person {
	return Person{
		ID: u.ID, Name: u.Name, Role: u.Role, HostLabels: u.HostLabels, Disabled: u.DisabledAt != nil, CreatedAt: u.CreatedAt, LastLoginAt: u.LastLoginAt, SecondFactorSince: u.OTPSince,
		Issuer: u.Issuer,
	}
}

// DescribeToken leaves out what is secret.
func DescribeToken(t *db.APIToken) Program {
	p := Program{ID: t.ID, Name: t.Name, Role: t.Role, HostLabels: t.HostLabels, CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt, LastUsedAt: t.LastUsedAt, ExpiresAt: t.ExpiresAt}
	if t.User != nil {
		p.Owner = t.User.Name
	}
	return p
}

// DescribeSession leaves out what is secret.
func DescribeSession(s *db.Session) Browser {
	return Browser{ID: s.ID, User: s.User.Name, Address: s.Address, Browser: s.Browser, CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt, ExpiresAt: s.ExpiresAt}
}
