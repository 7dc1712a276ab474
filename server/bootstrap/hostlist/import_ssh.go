package hostlist

import (
	"path"
	"slices"
	"strings"
)

// sshSection is one "Host" block of ssh_config(5).
type sshSection struct {
	patterns []string
	line     int
	values   map[string]string // by keyword, the first one wins
}

// sshConfig reads the hosts that ssh_config(5) names one by one; patterns give what they say to those that they match.
// A block that begins with Match is left out.
func (i *importer) sshConfig(text string) {
	sections := i.sshSections(text)
	for _, s := range sections {
		for _, alias := range s.patterns {
			if !strings.ContainsAny(alias, "*?!") {
				i.sshHost(Host{Name: strings.ToLower(alias), Line: s.line}, alias, sections)
			}
		}
	}
}

func (i *importer) sshSections(text string) []sshSection {
	sections := []sshSection{{patterns: []string{"*"}, values: map[string]string{}}} // what stands before the first block is for all
	for n, line := range numbered(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		keyword, value := sshWord(line)
		last := &sections[len(sections)-1]
		switch keyword {
		case "host":
			sections = append(sections, sshSection{patterns: strings.Fields(value), line: n, values: map[string]string{}})
		case "match":
			i.note(n, CodeImportSetting, line)
			sections = append(sections, sshSection{values: map[string]string{}})
		default:
			if _, again := last.values[keyword]; !again {
				last.values[keyword] = strings.Trim(value, `"`)
			}
		}
	}
	return sections
}

// sshWord splits "Keyword value", "Keyword=value" and "Keyword = value".
func sshWord(line string) (keyword, value string) {
	j := strings.IndexAny(line, " \t=")
	if j < 0 {
		return strings.ToLower(line), ""
	}
	return strings.ToLower(line[:j]), strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line[j:]), "="))
}

// sshHost puts together what all matching blocks say of one alias; the first that says a thing wins.
func (i *importer) sshHost(h Host, alias string, sections []sshSection) {
	said := map[string]string{}
	for _, s := range sections {
		if !s.matches(alias) {
			continue
		}
		for keyword, value := range s.values {
			if _, again := said[keyword]; !again {
				said[keyword] = value
			}
		}
	}
	if to := strings.ReplaceAll(said["hostname"], "%h", alias); to != "" && !strings.EqualFold(to, h.Name) {
		if isAddress(to) {
			i.set(&h, settingAddress, to)
		} else {
			h.Name = strings.ToLower(to)
		}
	}
	for _, keyword := range []string{settingUser, settingPort} {
		if value := said[keyword]; value != "" && (keyword != settingPort || value != "22") {
			i.set(&h, keyword, value)
		}
	}
	for _, keyword := range []string{"identityfile", "proxyjump", "proxycommand"} {
		if value := said[keyword]; value != "" && value != "none" {
			i.note(h.Line, CodeImportAccess, keyword+" "+value)
		}
	}
	i.add(h)
}

// matches is the rule of ssh_config(5): one pattern matches, and none that is negated.
func (s sshSection) matches(alias string) bool {
	match := func(pattern string) bool {
		ok, err := path.Match(pattern, alias)
		return err == nil && ok
	}
	negated := slices.ContainsFunc(s.patterns, func(p string) bool { return strings.HasPrefix(p, "!") && match(p[1:]) })
	return !negated && slices.ContainsFunc(s.patterns, match)
}
