package page

import (
	"strconv"
	"time"

	"hostler/ui/layout"
)

// SignRule has hosts signed without asking anybody.
type SignRule struct {
	ID       int64
	Host     string
	Networks string // "" for any
	Note     string
	By       string
	Created  time.Time
}

// SignRuleForm is what was typed to make a rule.
type SignRuleForm struct{ Host, Networks, Note string }

// PoliciesView is GET /trust/policies: all the ways in which a host is let in.
type PoliciesView struct {
	Frame   layout.Frame
	Waiting int // hosts that wait for approval
	// QueueOpen says whether hosts without a token may wait.
	QueueOpen bool
	Program   string // that decides; "" for none
	Rules     []SignRule
	Form      SignRuleForm
	Fields    map[string]string // what is wrong, by field
}

func signRulePath(id int64) string { return "/trust/policies/" + strconv.FormatInt(id, 10) }
