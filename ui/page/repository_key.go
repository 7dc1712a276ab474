package page

import "hostler/ui/layout"

// SigningKey is one that signs the package repositories, or signed or will.
type SigningKey struct {
	Name        string
	Fingerprint string // hex
	Signs       bool
}

// KeyStages lists the stages of the change from one signing key to another, in their order.
var KeyStages = []string{"none", "standby", "trusted", "signing"}

// LackingKeys is what may be known of the keys of a host that does not have the new one.
var LackingKeys = []string{"old", "other", "unsaid"}

// LackingHost is a host that does not have the new key.
type LackingHost struct {
	ID    int64
	Host  string
	State string
	Keys  string // one of LackingKeys
}

// RepositoryKeyView is GET /trust/repository-key.
type RepositoryKeyView struct {
	Frame    layout.Frame
	Stage    string // one of KeyStages
	Old      SigningKey
	New      *SigningKey // nil when there is one key
	Total    int         // hosts
	Lacking  int         // that do not have the new key
	Lost     int         // of those
	Channels int
	Stale    int // that the key which signs now has not signed yet
	Behind   []LackingHost
	Next     string // value of ?after= for the next page; "" on the last one
	Paged    bool
}

// learns says whether hosts get the new key by now.
func (v *RepositoryKeyView) learns() bool { return v.Stage == "trusted" || v.Stage == "signing" }

// behind counts the hosts that would refuse packages if it went on now.
func (v *RepositoryKeyView) behind() int {
	if v.learns() {
		return v.Lacking
	}
	return 0
}
