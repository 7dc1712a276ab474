package page

import (
	"context"
	"strconv"
	"time"

	"hostler/ui/layout"
	"hostler/ui/live"
)

// User is somebody who may log in.
type User struct {
	ID       int64
	Name     string
	Role     string // one of Roles
	Disabled bool
	// HostLabels are tags of the hosts that this person may know of; "" for all hosts.
	HostLabels string
	Created    time.Time
	LastLogin  time.Time // zero: never
	// SecondFactor is when it was set up; zero: there is none.
	SecondFactor time.Time
	Provider     string // the issuer of the identity provider by which this person logs in; "" for a password
}

// Session is a logged-in browser.
type Session struct {
	ID       int64
	Address  string
	Browser  string // as it calls itself
	Begun    time.Time
	LastUsed time.Time
	This     bool // it is the one that looks
}

// Token lets a program act.
type Token struct {
	ID    int64
	Name  string
	Role  string
	Owner string // "" for nobody
	// HostLabels are as of a User; those of the owner hold, too.
	HostLabels string
	CreatedBy  string
	LastUsed   time.Time // zero: never
	Expires    time.Time // zero: not by itself
}

// UsersView is GET /users. Its form posts name, password and role.
type UsersView struct {
	Frame  layout.Frame
	Users  []User
	Tokens []Token
	Next   string // value of ?after= for the next page; "" on the last one
	Paged  bool
	Form   UserForm
	// SecondFactorOf is one of SecondFactorRules.
	SecondFactorOf string
}

// UserForm is what was typed for a new user.
type UserForm struct {
	Name, Role string
	Labels     string // of the hosts that the user is limited to
	Fields     map[string]string
}

// UserView is GET /users/{id}. Its forms post to what is below its path: role, limit, password, disable, enable and remove.
type UserView struct {
	Frame    layout.Frame
	User     User
	Last     bool // no other administrator is left
	Sessions []Session
	Tokens   []Token
	Fields   map[string]string // what is wrong with the new password, or with the role
}

// OwnView is GET /account. Its forms post old, password and confirm, or name, role and expires.
type OwnView struct {
	Frame    layout.Frame
	User     User
	Sessions []Session
	Tokens   []Token
	Roles    []string // that a token may have
	Password map[string]string
	Form     TokenForm
	Made     string // a token that was made now; shown once
}

// TokenForm is what was typed for a new token.
type TokenForm struct {
	Name, Role, Expires string
	Labels              string // of the hosts that the token is limited to
	Fields              map[string]string
}

// TokenLifetimes are the days after which a token may end; "" is never.
var TokenLifetimes = []string{"30", "90", "365", ""}

func userPath(id int64) string { return "/users/" + strconv.FormatInt(id, 10) }

func idText(id int64) string { return strconv.FormatInt(id, 10) }

func userTone(u User) string {
	if u.Disabled {
		return live.ToneStopped
	}
	return live.ToneDone
}

func userState(u User) string {
	if u.Disabled {
		return "disabled"
	}
	return "enabled"
}

// expired reports whether a token has ended.
func (t Token) expired(now time.Time) bool { return !t.Expires.IsZero() && !t.Expires.After(now) }

// browserText names a browser in a few words, by the most telling part of what it says of itself.
func browserText(ctx context.Context, agent string) string {
	if agent == "" {
		return known(ctx, "session.", "unknown_browser")
	}
	return shortBrowser(agent)
}
