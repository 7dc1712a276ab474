package page

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/layout"
	"hostler/ui/live"
)

// HostCheckStates are how a host's check can have ended, the worst first; the last one is of hosts without any.
var HostCheckStates = []string{"fail", "warn", "pass", "unchecked"}

// HostCheckCodes are what a check may find: what is well, and what has a text that says how to mend it.
type HostCheckCodes struct {
	Check       string
	Fine, Wrong []string
}

// HostChecks are the checks that the catalogues have texts for, in their order.
var HostChecks = []HostCheckCodes{
	{"disk", []string{"ok"}, []string{"full", "nearly_full", "read_only"}},
	{"inodes", []string{"ok"}, []string{"full"}},
	{"memory", []string{"ok"}, []string{"small", "low"}},
	{"cpu", []string{"ok"}, []string{"busy"}},
	{"swap", []string{"ok", "absent"}, []string{"none", "full"}},
	{"swappiness", []string{"ok"}, []string{"high"}},
	{"huge_pages", []string{"ok"}, []string{"always"}},
	{"open_files", []string{"ok"}, []string{"few"}},
	{"processes", []string{"ok"}, []string{"few"}},
	{"umask", []string{"ok"}, []string{"strict"}},
	{"clock", []string{"ok"}, []string{"off"}},
	{"time_service", []string{"ok", "outside"}, []string{"none", "unsynchronised"}},
	{"firewall", []string{"ok", "open"}, []string{"blocks"}},
	{"access_control", []string{"ok", "selinux", "apparmor"}, []string{"permissive"}},
	{"hostname", []string{"ok"}, []string{"missing", "short", "differs"}},
	{"own_name", []string{"ok"}, []string{"unresolved", "loopback", "elsewhere"}},
	{"forward", []string{"ok"}, []string{"failed", "differ", "untried"}},
	{"reverse", []string{"ok"}, []string{"missing", "differs"}},
	{"dns_speed", []string{"ok"}, []string{"slow"}},
	{"machine_id", []string{"ok"}, []string{"missing", "shared"}},
	{"addresses", []string{"ok"}, []string{"shared"}},
	{"mtu", []string{"ok"}, []string{"differs"}},
	{"packages", []string{"ok", "none"}, []string{"broken"}},
	{"kernel", []string{"ok"}, []string{"old"}},
	{"glibc", []string{"ok", "other"}, []string{"old"}},
	{"reboot", []string{"ok"}, []string{"needed"}},
	{"entropy", []string{"ok"}, []string{"low"}},
	{"java", []string{"ok", "none"}, []string{"several"}},
	{"leftovers", []string{"ok"}, []string{"found"}},
}

// HostVerdict is how one check of one host ended, in the reader's language.
type HostVerdict struct {
	Check string `json:"check"`
	State string `json:"state"` // fail, warn, accepted or pass
	Code  string `json:"code"`  // what was found; "ok" of what is well
	Title string `json:"title"`
	Found string `json:"found"`
	Why   string `json:"why"`
	Mend  string `json:"mend"` // "" of what is well
	// Script is what mends it, for /bin/sh as root; "" where there is none.
	Script string `json:"script"`
	// Accepted is who said that a warning may stay; null unless it may.
	Accepted *Acceptance `json:"accepted"`
}

// Acceptance is who said of a warning that it may stay, and why.
type Acceptance struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// HostVerdictOf puts a verdict into the context's language.
func HostVerdictOf(ctx context.Context, check, state, code string, args map[string]string) HostVerdict {
	v := HostVerdict{Check: check, State: state, Code: code, Title: HostCheckTitle(ctx, check)}
	v.Found, _ = i18n.Fill(ctx, "hostcheck."+check+".found."+code, args) // a test holds that it is there
	v.Why, _ = i18n.Fill(ctx, "hostcheck."+check+".why", nil)            // likewise
	v.Mend, _ = i18n.Fill(ctx, "hostcheck."+check+".mend."+code, args)   // "" of what is well
	return v
}

// HostCheckTitle is what a check is called.
func HostCheckTitle(ctx context.Context, check string) string {
	return known(ctx, "hostcheck.title.", check)
}

// HostCheck is what is known of one host's last check.
type HostCheck struct {
	HostID   int64
	Host     string
	State    string // one of HostCheckStates
	Checked  time.Time
	JobID    string
	Verdicts []HostVerdict
}

// of are the verdicts of a state.
func (h HostCheck) of(state string) (some []HostVerdict) {
	for _, v := range h.Verdicts {
		if v.State == state {
			some = append(some, v)
		}
	}
	return some
}

// HostCheckSum is how one check ended on all hosts.
type HostCheckSum struct {
	Check string
	Title string
	Fail  int
	Warn  int
	// Accepted are those on which it warned, and which may stay so.
	Accepted int
}

// hosts is on how many it found something.
func (s HostCheckSum) hosts() int { return s.Fail + s.Warn + s.Accepted }

// tone is that of the worst it found.
func (s HostCheckSum) tone() string {
	switch {
	case s.Fail > 0:
		return checkTone("fail")
	case s.Warn > 0:
		return checkTone("warn")
	}
	return checkTone("accepted")
}

// HostChecksView is GET /host-checks.
type HostChecksView struct {
	Frame     layout.Frame
	Draft     int64 // in whose wizard the hosts are shown; 0: on the page of their own
	Operation int64 // whose hosts are shown; 0: all
	State     string
	Check     string
	Search    string
	Counts    map[string]int // hosts by state, whatever State is
	Sums      []HostCheckSum // checks that found something
	Hosts     []HostCheck
	Next      string
	Paged     bool
}

// total is how many hosts there are to show.
func (v HostChecksView) total() (n int) {
	for _, count := range v.Counts {
		n += count
	}
	return n
}

// path is the page's address, or one below it.
func (v HostChecksView) path(below string) string {
	if v.Draft != 0 {
		return wizardPath(v.Draft, WizardChecks) + below
	}
	return "/host-checks" + below
}

// with is an address with what the page shows, but for the state and the check.
func (v HostChecksView) with(path, state, check string) string {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	if v.Operation != 0 {
		q.Set("operation", idText(v.Operation))
	}
	set("state", state)
	set("check", check)
	set("search", v.Search)
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// report is where the report is downloaded, of all hosts that the page has.
func (v HostChecksView) report(format string) string {
	path := "/api/v1/host-checks/report"
	if v.Draft != 0 {
		path = v.path("/report")
	}
	path = v.with(path, v.State, v.Check)
	if strings.Contains(path, "?") {
		return path + "&format=" + format
	}
	return path + "?format=" + format
}

func (v HostChecksView) operation() string {
	if v.Operation == 0 {
		return ""
	}
	return strconv.FormatInt(v.Operation, 10)
}

// checkTone is the tone of a state.
func checkTone(state string) string {
	switch state {
	case "fail":
		return live.ToneFailed
	case "warn":
		return live.ToneWarning
	case "pass":
		return live.ToneDone
	}
	return ""
}

// checkSummary is what a host's row says.
func checkSummary(ctx context.Context, h HostCheck) string {
	if h.State == "unchecked" {
		return i18n.T(ctx, "hostchecks.never")
	}
	var parts []string
	for _, p := range []struct{ state, text string }{{"fail", "hostchecks.fails"}, {"warn", "hostchecks.warns"}, {"accepted", "hostchecks.accepted"}} {
		if n := len(h.of(p.state)); n > 0 {
			parts = append(parts, i18n.N(ctx, p.text, n))
		}
	}
	if len(parts) == 0 {
		return i18n.N(ctx, "hostchecks.passes", len(h.Verdicts))
	}
	return strings.Join(parts, " · ")
}

// verdictStates are the states of verdicts that say more than that all is well, the worst first.
var verdictStates = []string{"fail", "warn", "accepted"}

// warned is how many of the page's hosts a check warns of.
func (v HostChecksView) warned(check string) int {
	for _, s := range v.Sums {
		if s.Check == check {
			return s.Warn
		}
	}
	return 0
}

// HostReportView is a report that is downloaded.
type HostReportView struct {
	Made  time.Time
	Hosts []HostCheck
	Sums  []HostCheckSum
}

// Count is how many hosts of the report are in a state.
func (v HostReportView) Count(state string) (n int) {
	for i := range v.Hosts {
		if v.Hosts[i].State == state {
			n++
		}
	}
	return n
}
