package page

import (
	"strconv"
	"time"

	"hostler/ui/layout"
	"hostler/ui/live"
)

// EnrolToken is one that admits hosts, without its secret.
type EnrolToken struct {
	ID       int64
	State    string // one of EnrolTokenStates
	Note     string
	Host     string // a name or a pattern; "" for any
	Networks string // separated by commas; "" for any
	Cluster  string
	Tags     string
	Uses     int
	UsesLeft int
	By       string // "" for a bootstrap
	Created  time.Time
	Expires  time.Time
	Ended    time.Time // zero: it was not
	EndedBy  string
	DraftID  int64 // the wizard's; 0 for none
}

// EnrolTokenStates lists the states of enrolment tokens for the filter, the one in use first.
var EnrolTokenStates = []string{"open", "used", "expired", "ended"}

// EnrolTokensView is GET /trust/tokens.
type EnrolTokensView struct {
	Frame  layout.Frame
	Tokens []EnrolToken
	State  string // the filter; "" for all
	Next   string // value of ?after= for the next page; "" on the last one
	Paged  bool
}

// EnrolTokenForm is what was typed to make a token.
type EnrolTokenForm struct {
	Host, Networks, Uses, Minutes, Cluster, Tags, Note string
}

// NewEnrolTokenView is GET /trust/tokens/new.
type NewEnrolTokenView struct {
	Frame  layout.Frame
	Form   EnrolTokenForm
	Fields map[string]string // what is wrong, by field
}

// EnrolTokenView is GET /trust/tokens/{id}.
type EnrolTokenView struct {
	Frame    layout.Frame
	Token    EnrolToken
	Secret   string // "" when this server does not know it any more
	Groups   []CommandGroup
	Admitted []Certificate
	Door     EnrolRequestsView // who came with it and is not admitted by it
}

func enrolTokenTone(state string) string {
	switch state {
	case "open":
		return live.ToneRunning
	case "used":
		return live.ToneDone
	}
	return live.ToneStopped
}

func enrolTokensPath(state string) string { return filtered("/trust/tokens", "state", state) }

func enrolTokenPath(id int64) string { return "/trust/tokens/" + strconv.FormatInt(id, 10) }
