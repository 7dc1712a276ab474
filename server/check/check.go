// Package check judges what agents found on their hosts: whether it is well, why it matters and how to mend it. There is one
// file per group of checks. What can be told only by comparing hosts, as that two have one machine-id, is judged from what
// all of them told once.
//
// It collects nothing, and holds no texts: those belong to codes, in the catalogues.
package check

import (
	"strconv"

	"hostler/agent/wire"
	"hostler/db"
)

// State is how a check ended.
type State string

// The states, from good to bad.
const (
	Pass     State = "pass"
	Accepted State = "accepted" // it warned, and somebody has said that it may stay so
	Warn     State = "warn"     // somebody should know and may accept it
	Fail     State = "fail"     // this will go wrong
)

// States lists the states, the worst first.
var States = []State{Fail, Warn, Accepted, Pass}

// Worse reports whether s is worse than other.
func (s State) Worse(other State) bool { return rank[s] > rank[other] }

var rank = map[State]int{Pass: 1, Accepted: 2, Warn: 3, Fail: 4}

// Verdict is how one check of one host ended.
type Verdict struct {
	Check string            // its name, one of Names
	State State             //
	Code  string            // what was found, within the check; "ok" of what is well
	Args  map[string]string // for the code's texts
	// Acceptance is who accepted it, and why; nil unless State is Accepted.
	Acceptance *db.AcceptedWarning
}

// rule is one check. It returns no state where the host does not tell, or it does not apply.
type rule struct {
	name  string
	codes []string // of what it may find
	judge func(*subject) Verdict
}

// rules are all checks, in the order in which they are shown.
var rules = []rule{
	{"disk", []string{ok, "full", "nearly_full", "read_only"}, disk},
	{"inodes", []string{ok, "full"}, inodes},
	{"memory", []string{ok, "small", "low"}, memory},
	{"cpu", []string{ok, "busy"}, cpu},
	{"swap", []string{ok, "none", "absent", "full"}, swap},
	{"swappiness", []string{ok, "high"}, swappiness},
	{"huge_pages", []string{ok, "always"}, hugePages},
	{"open_files", []string{ok, "few"}, openFiles},
	{"processes", []string{ok, "few"}, processes},
	{"umask", []string{ok, "strict"}, umask},
	{"clock", []string{ok, "off"}, clock},
	{"time_service", []string{ok, "outside", "none", "unsynchronised"}, timeService},
	{"firewall", []string{ok, "open", "blocks"}, firewall},
	{"access_control", []string{ok, "selinux", "apparmor", "permissive"}, accessControl},
	{"hostname", []string{ok, "missing", "short", "differs"}, hostname},
	{"own_name", []string{ok, "unresolved", "loopback", "elsewhere"}, ownName},
	{"forward", []string{ok, "failed", "differ", "untried"}, forward},
	{"reverse", []string{ok, "missing", "differs"}, reverse},
	{"dns_speed", []string{ok, "slow"}, dnsSpeed},
	{"machine_id", []string{ok, "missing", "shared"}, machineID},
	{"addresses", []string{ok, "shared"}, addresses},
	{"mtu", []string{ok, "differs"}, mtu},
	{"packages", []string{ok, "none", "broken"}, packages},
	{"kernel", []string{ok, "old"}, kernel},
	{"glibc", []string{ok, "other", "old"}, glibc},
	{"reboot", []string{ok, "needed"}, reboot},
	{"entropy", []string{ok, "low"}, entropy},
	{"java", []string{ok, "none", "several"}, java},
	{"leftovers", []string{ok, "found"}, leftovers},
}

// ok is the code of what is well.
const ok = "ok"

// Names lists the checks in the order in which they are shown.
func Names() []string {
	names := make([]string, len(rules))
	for i := range rules {
		names[i] = rules[i].name
	}
	return names
}

// Codes lists what each check may find.
func Codes() map[string][]string {
	codes := make(map[string][]string, len(rules))
	for i := range rules {
		codes[rules[i].name] = rules[i].codes
	}
	return codes
}

// subject is a host that is judged.
type subject struct {
	*wire.Findings
	host   *db.Host
	others *Fleet
}

// Judge judges what was found on a host, beside the others.
func Judge(host *db.Host, found *wire.Findings, others *Fleet) []Verdict {
	s := &subject{Findings: found, host: host, others: others}
	verdicts := make([]Verdict, 0, len(rules))
	for i := range rules {
		if v := rules[i].judge(s); v.State != "" {
			v.Check = rules[i].name
			verdicts = append(verdicts, v)
		}
	}
	return verdicts
}

// untold is the verdict on what a host does not tell.
var untold Verdict

func pass(args ...string) Verdict { return verdict(Pass, ok, args) }

func is(code string, args ...string) Verdict { return verdict(Pass, code, args) }

func warn(code string, args ...string) Verdict { return verdict(Warn, code, args) }

func fail(code string, args ...string) Verdict { return verdict(Fail, code, args) }

// verdict makes a verdict; args are names and values in turn.
func verdict(state State, code string, args []string) Verdict {
	v := Verdict{State: state, Code: code, Args: map[string]string{}}
	for i := 0; i+1 < len(args); i += 2 {
		v.Args[args[i]] = args[i+1]
	}
	return v
}

// size writes bytes with binary units.
func size(n uint64) string {
	const units = "KMGTPE"
	v, unit := float64(n)/1024, 0
	for v >= 1024 && unit < len(units)-1 {
		v /= 1024
		unit++
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + units[unit:unit+1] + "iB"
}

// share is what per cent part is of whole.
func share(part, whole uint64) int {
	if whole == 0 {
		return 0
	}
	return int(float64(part) * 100 / float64(whole))
}
