package page

import (
	"time"

	"hostler/ui/layout"
)

// Authority is one that signs certificates, or signed or will.
type Authority struct {
	Name  string
	Pin   string // hex
	Signs bool
	Until time.Time
}

// AuthorityStages lists the stages of the change from one authority to another, in their order.
var AuthorityStages = []string{"none", "standby", "trusted", "signing"}

// BehindHost is a host that would be lost if the change of authorities went on.
type BehindHost struct {
	ID        int64
	Host      string
	State     string
	Trusts    bool // the new authority
	Certified bool // by the new authority
}

// AuthorityView is GET /trust/authority.
type AuthorityView struct {
	Frame           layout.Frame
	Stage           string // one of AuthorityStages
	Old             Authority
	New             *Authority // nil when there is one authority
	Total           int        // hosts
	Untrusting      int        // that do not trust the new authority
	OldCertificates int        // that show a certificate of the old one
	Lost            int        // of those that are behind
	Behind          []BehindHost
	Next            string // value of ?after= for the next page; "" on the last one
	Paged           bool
}

// behind counts the hosts that going on would lose now.
func (v *AuthorityView) behind() int {
	switch v.Stage {
	case "trusted":
		return v.Untrusting
	case "signing":
		return max(v.Untrusting, v.OldCertificates)
	}
	return 0
}

// learns says whether hosts learn of the new authority by now.
func (v *AuthorityView) learns() bool { return v.Stage == "trusted" || v.Stage == "signing" }
