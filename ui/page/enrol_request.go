package page

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/layout"
	"hostler/ui/live"
)

// EnrolRequest is a host without a token that waits for somebody, or waited.
type EnrolRequest struct {
	ID          int64
	Host        string
	Fingerprint string // of its key, hex
	Address     string
	State       string // one of EnrolStates
	Conflict    string // one of EnrolConflicts, or ""
	Story       string // one of EnrolStories: what has happened, where there is a conflict
	Refusal     string // one of RefusalCodes: why the token that it came with does not admit it; "" when it came with none
	OS, Arch    string
	Cores       int
	Memory      uint64 // bytes
	Since       time.Time
	Decided     time.Time // zero: not yet
	DecidedBy   string
}

// EnrolStates lists the states of requests for the filter.
var EnrolStates = []string{"waiting", "signed", "refused"}

// EnrolConflicts are why a host is not signed together with all others.
var EnrolConflicts = []string{"revoked", "known", "twice"}

// EnrolStories are what may have happened where there is a conflict.
var EnrolStories = []string{"revoked", "twice", "reinstalled", "alive", "gone"}

// EnrolRequestsView is GET /trust/waiting.
type EnrolRequestsView struct {
	Frame    layout.Frame
	Requests []EnrolRequest
	Waiting  int    // hosts that wait, on all pages
	Clear    int    // those among them without a conflict
	Last     int64  // the newest of these
	State    string // the filter
	Search   string
	Next     string // value of ?after= for the next page; "" on the last one
	Paged    bool
	// Namesakes are hosts that tokens have brought under one name.
	Namesakes []Namesake
	Here      string // the page that the list is on, when that is another one
}

// Namesake is a name that two hosts have.
type Namesake struct {
	Name             string
	Story            string // one of EnrolStories
	Former, Newcomer NamesakeHost
}

// NamesakeHost is one of them.
type NamesakeHost struct {
	ID       int64
	AgentSN  string
	Address  string
	State    string // as of a host
	LastSeen time.Time
}

// way is where a decision leads back to.
func (v *EnrolRequestsView) way() string { return cmp.Or(v.Here, enrolRequestsPath(v.State, v.Search)) }

// decides says whether the page has buttons.
func (v *EnrolRequestsView) decides() bool {
	return v.State == "waiting" && len(v.Requests) > 0 && !v.Frame.ReadOnly
}

func enrolStateTone(r EnrolRequest) string {
	switch {
	case r.State == "signed":
		return live.ToneDone
	case r.State == "refused":
		return live.ToneStopped
	case r.Conflict != "":
		return live.ToneWarning
	}
	return live.ToneWaiting
}

func enrolRequestsPath(state, search string) string {
	if state == "waiting" {
		state = ""
	}
	return filtered("/trust/waiting", "state", state, "search", search)
}

// machineText is what a host tells of itself, in one line.
func machineText(ctx context.Context, r EnrolRequest) string {
	var parts []string
	for _, part := range []string{r.OS, r.Arch} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if r.Cores > 0 {
		parts = append(parts, i18n.N(ctx, "enrol_request.cores", r.Cores))
	}
	if r.Memory > 0 {
		parts = append(parts, strconv.FormatUint(r.Memory>>30, 10)+" GiB")
	}
	return strings.Join(parts, " · ")
}
