package hostlist

import (
	"regexp"
	"strings"

	"hostler/db"
)

// Format is a kind of text that hosts are listed in.
type Format string

// The formats that are recognised.
const (
	FormatList        Format = "list" // our own
	FormatCSV         Format = "csv"  // with a line of titles
	FormatAnsible     Format = "ansible"
	FormatAnsibleYAML Format = "ansible_yaml"
	FormatHosts       Format = "hosts" // /etc/hosts
	FormatSSH         Format = "ssh_config"
)

// Formats lists all of them.
var Formats = []Format{FormatList, FormatCSV, FormatAnsible, FormatAnsibleYAML, FormatHosts, FormatSSH}

// Imported is another program's list as one of our own.
type Imported struct {
	Format Format
	Text   string    // to be read by Read, which complains about what is wrong with it
	Notes  []Problem // what was left out
}

// Import turns a list into one of our own. With an empty format it finds out which it is. A text that cannot be read
// as what it is said to be gives notes alone.
func Import(text string, format Format) Imported {
	text = strings.TrimPrefix(text, "\ufeff")
	if format == "" {
		format = Recognise(text)
	}
	i := importer{Imported: Imported{Format: format}, seen: map[string]bool{}}
	switch format {
	case FormatCSV:
		i.csv(text)
	case FormatAnsible:
		i.ansible(text)
	case FormatAnsibleYAML:
		i.ansibleYAML(text)
	case FormatHosts:
		i.hosts(text)
	case FormatSSH:
		i.sshConfig(text)
	default:
		i.Format, i.Text = FormatList, text
		return i.Imported
	}
	i.Text = i.out.String()
	return i.Imported
}

var (
	sshBlock     = regexp.MustCompile(`(?im)^\s*(host|match)[ \t=]+\S`)
	sshKeyword   = regexp.MustCompile(`(?im)^\s*(hostname|user|port|identityfile|proxyjump)[ \t=]+\S`)
	iniSection   = regexp.MustCompile(`(?m)^\s*\[[A-Za-z_][\w.-]*(:(vars|children))?\]\s*(#.*)?$`)
	iniVariable  = regexp.MustCompile(`(?m)^[^#\n]*\bansible_\w+\s*=`)
	yamlBranches = regexp.MustCompile(`(?m)^\s*(hosts|children|vars)\s*:\s*(#.*)?$`)
)

// Recognise finds out what a text is.
func Recognise(text string) Format {
	switch {
	case sshBlock.MatchString(text) && sshKeyword.MatchString(text):
		return FormatSSH
	case yamlBranches.MatchString(text):
		return FormatAnsibleYAML
	case iniSection.MatchString(text) || iniVariable.MatchString(text):
		return FormatAnsible
	case looksLikeHosts(text):
		return FormatHosts
	case looksLikeCSV(text):
		return FormatCSV
	}
	return FormatList
}

// importer gathers the lines that an import makes.
type importer struct {
	Imported
	out  strings.Builder
	seen map[string]bool
}

// add writes a host, once.
func (i *importer) add(h Host) {
	if token, _ := cutToken(h.Name); h.Name == "" || token != h.Name || strings.ContainsAny(h.Name, "#=\r\n") {
		i.note(h.Line, CodeImportHost, h.Name)
		return
	}
	if i.seen[h.Name] {
		return
	}
	i.seen[h.Name] = true
	i.out.WriteString(h.String() + "\n")
}

// note tells what was left out.
func (i *importer) note(line int, code, what string) {
	if len(i.Notes) < maxProblems {
		p := problem(code, what)
		p.Line = line
		i.Notes = append(i.Notes, *p)
	}
}

// set takes a setting; one that no list can hold is left out.
func (i *importer) set(h *Host, name, value string) {
	if name == settingUser && h.setUser("", value) == nil || name == settingPort && h.setPort("", value) == nil {
		return
	}
	if name == settingAddress {
		if address, p := canonical(strings.ToLower(value)); p == nil {
			h.Address = address
			return
		}
	}
	i.note(h.Line, CodeImportSetting, name+"="+value)
}

func (i *importer) label(h *Host, name, value string) {
	value = strings.ReplaceAll(strings.TrimSpace(value), " ", "-")
	if value == "" && name == "" || isReserved(name) || db.CheckLabel(name, value) != nil {
		i.note(h.Line, CodeImportSetting, name+"="+value)
		return
	}
	if h.Labels == nil {
		h.Labels = db.Labels{}
	}
	h.Labels[name] = value
}

func isReserved(name string) bool {
	switch name {
	case settingAddress, settingCredentials, settingPort, settingUser:
		return true
	}
	return false
}

// numbered yields the lines of a text with their numbers.
func numbered(text string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		for n := 1; text != ""; n++ {
			var line string
			line, text = cutLine(text)
			if !yield(n, line) {
				return
			}
		}
	}
}
