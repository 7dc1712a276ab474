package setupscripts

// Failure tells one cause apart that the setup script may stop for.
type Failure struct {
	// Code is the word in the script's last line on standard error: "hostler: error CODE: cause".
	Code string
}

// Failures maps the setup script's exit codes to their causes. The script's help lists the same; a test holds
// the two against each other.
var Failures = map[int]Failure{
	10: {Code: "not-root"},
	11: {Code: "unsupported"},
	12: {Code: "disk-full"},
	13: {Code: "server-unreachable"},
	14: {Code: "clock-off"},
	15: {Code: "package-manager-busy"},
	16: {Code: "package-manager-failed"},
	17: {Code: "verification-failed"},
	18: {Code: "service-failed"},
	19: {Code: "bad-usage"},
	20: {Code: "interrupted"},
	21: {Code: "cannot-write"},
}
