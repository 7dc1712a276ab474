package hostlist

import "strings"

// Codes of problems.
const (
	CodeEmpty         = "empty"
	CodeTooMany       = "too_many"
	CodeBracketOpen   = "bracket_open"
	CodeBracketClose  = "bracket_close"
	CodeBracketNested = "bracket_nested"
	CodeBracketEmpty  = "bracket_empty"
	CodeBracketMany   = "bracket_many"
	CodeRangeLetters  = "range_letters"
	CodeRangeReversed = "range_reversed"
	CodeRangeInvalid  = "range_invalid"
	CodeRangeDigits   = "range_digits"
	CodeControl       = "control_character"
	CodeNonASCII      = "non_ascii"
	CodeCharacter     = "character"
	CodeUser          = "user"
	CodePort          = "port"
	CodeZone          = "zone"
	CodeAddress       = "address"
	CodeNameLength    = "name_length"
	CodeLabelLength   = "label_length"
	CodeLabelEmpty    = "label_empty"
	CodeLabelHyphen   = "label_hyphen"
	CodeUserInvalid   = "user_invalid"
	CodePortInvalid   = "port_invalid"
	CodeNetwork       = "network"
	CodeAddressRange  = "address_range"
	CodeAddressShared = "address_shared"
	CodeCredentials   = "credentials"
	CodeLabel         = "label"
	CodeLabelTwice    = "label_twice"
	CodeLabelsLong    = "labels_long"
	CodeSettingAlone  = "setting_alone"
	CodeContradiction = "contradiction"
)

// Codes of what an import leaves out.
const (
	CodeImportHost    = "import_host"
	CodeImportSetting = "import_setting"
	CodeImportAccess  = "import_access"
	CodeImportTitles  = "import_titles"
	CodeImportBroken  = "import_broken"
)

// messages are the English texts; "{text}" and the like stand for the problem's arguments.
var messages = map[string]string{
	CodeEmpty:         "There is no host name in the list.",
	CodeTooMany:       "{text}: the list would make more than {limit} names; nothing from here on was read.",
	CodeBracketOpen:   "{text}: the bracket [ is never closed; write for example node[1-4] without blanks inside.",
	CodeBracketClose:  "{text}: there is a ] without a [ before it.",
	CodeBracketNested: "{text}: the end of a range is a number; a bracket inside a bracket belongs to a word, as in [db[1-3],web].",
	CodeBracketEmpty:  "{text}: something is missing inside the brackets; write for example [1-4] or [a,b,c].",
	CodeBracketMany:   "{text}: a name can have {limit} brackets at most.",
	CodeRangeLetters:  "{text}: [{range}] is not a range of numbers; list letters one by one, for example [a,b,c].",
	CodeRangeReversed: "{text}: the range [{range}] runs backwards; write [{mended}].",
	CodeRangeInvalid:  "{text}: [{range}] is not a range of numbers; write for example [1-4] or [01-10].",
	CodeRangeDigits:   "{text}: a number in [{range}] has more than {limit} digits.",
	CodeControl:       "{text}: there is an invisible or broken character ({character}) in the name.",
	CodeNonASCII:      "{text}: {character} cannot be part of a host name; give international names in their xn-- form.",
	CodeCharacter:     "{text}: {character} cannot be part of a host name; use letters, digits, hyphens and dots.",
	CodeUser:          "{text}: here a host is given by its name alone, without a user.",
	CodePort:          "{text}: here a host is given by its name alone, without a port.",
	CodeZone:          "{text}: an address with a zone works on one machine only; give another address of the host.",
	CodeAddress:       "{text}: this is not the address of one host.",
	CodeNameLength:    "{text}: the name has {length} characters; {limit} are allowed.",
	CodeLabelLength:   "{text}: {label} is longer than the {limit} characters allowed between two dots.",
	CodeLabelEmpty:    "{text}: there is nothing between two dots, or before the first one.",
	CodeLabelHyphen:   "{text}: {label} begins or ends with a hyphen.",
	CodeUserInvalid:   "{text}: {user} is not the name of a user.",
	CodePortInvalid:   "{text}: {port} is not a port, which is a number from 1 to 65535.",
	CodeNetwork:       "{text}: this is not a network; write for example 10.0.0.0/24.",
	CodeAddressRange:  "{text}: this is not a range of addresses; write for example 10.0.0.1-10.0.0.9 or 10.0.0.1-9.",
	CodeAddressShared: "{text}: several hosts cannot have the address {address}; give each host a line.",
	CodeCredentials:   "{text}: the name of credentials has letters, digits, dots and hyphens.",
	CodeLabel:         "{text}: this is not a label; write for example rack=/r7, with letters, digits and . _ / : + @ - only.",
	CodeLabelTwice:    "{text}: the label {label} has two values in this line.",
	CodeLabelsLong:    "{text}: the labels of one host may have {limit} bytes together.",
	CodeSettingAlone:  "There are settings in this line but no host; write them beside the hosts that they are for.",
	CodeContradiction: "{text}: {name} is in line {first} already, with another user, port, address or other labels.",
	CodeImportHost:    "{text} was left out: this cannot be the name of a host.",
	CodeImportSetting: "{text} was left out: a list of hosts has no place for it.",
	CodeImportAccess:  "{text} was left out: keys, passwords and jump hosts are given beside the list.",
	CodeImportTitles:  "{text}: the first line must have titles, one of them name, host or address.",
	CodeImportBroken:  "The file cannot be read: {text}",
}

// problem makes a Problem; args are names and values in turn.
func problem(code, text string, args ...string) *Problem {
	p := &Problem{Code: code, Args: map[string]string{"text": shorten(text)}}
	for i := 0; i+1 < len(args); i += 2 {
		p.Args[args[i]] = args[i+1]
	}
	pairs := make([]string, 0, 2*len(p.Args))
	for name, value := range p.Args {
		pairs = append(pairs, "{"+name+"}", value)
	}
	p.Message = strings.NewReplacer(pairs...).Replace(messages[code])
	return p
}

// shorten makes text fit a message; what cannot be printed becomes the replacement character.
func shorten(s string) string {
	const most = 60
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == most {
			return b.String() + "…"
		}
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			r = '\ufffd'
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}
