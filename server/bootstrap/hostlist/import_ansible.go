package hostlist

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// inventory is what an Ansible inventory says, in either of its forms.
type inventory struct {
	groups map[string]*inventoryGroup
	hosts  map[string]*inventoryHost
	order  []string // of the hosts
}

type inventoryGroup struct {
	vars    map[string]string
	parents []string
}

type inventoryHost struct {
	line   int
	vars   map[string]string
	groups []string
}

const (
	groupAll       = "all"
	groupUngrouped = "ungrouped"
)

func newInventory() *inventory {
	return &inventory{groups: map[string]*inventoryGroup{}, hosts: map[string]*inventoryHost{}}
}

func (v *inventory) group(name string) *inventoryGroup {
	g, ok := v.groups[name]
	if !ok {
		g = &inventoryGroup{vars: map[string]string{}}
		v.groups[name] = g
	}
	return g
}

func (v *inventory) host(name, group string, line int) *inventoryHost {
	h, ok := v.hosts[name]
	if !ok {
		h = &inventoryHost{line: line, vars: map[string]string{}}
		v.hosts[name] = h
		v.order = append(v.order, name)
	}
	if group != "" && !slices.Contains(h.groups, group) {
		h.groups = append(h.groups, group)
	}
	return h
}

// ancestors are a host's groups and those that they belong to, the nearest first.
func (v *inventory) ancestors(h *inventoryHost) []string {
	all := slices.Clone(h.groups)
	for j := 0; j < len(all); j++ {
		for _, parent := range v.group(all[j]).parents {
			if !slices.Contains(all, parent) {
				all = append(all, parent)
			}
		}
	}
	return all
}

// inventoryHosts writes the hosts: variables of the host win over those of its groups, the nearest first. A group
// becomes a label without a value; the variable rack becomes the label of that name.
func (i *importer) inventoryHosts(v *inventory) {
	for _, name := range v.order {
		of := v.hosts[name]
		vars := map[string]string{}
		groups := v.ancestors(of)
		for _, g := range slices.Backward(append(slices.Clone(groups), groupAll)) {
			maps.Copy(vars, v.group(g).vars)
		}
		maps.Copy(vars, of.vars)
		h := Host{Name: ansiblePattern(strings.ToLower(name)), Line: of.line}
		i.inventoryVariables(&h, vars)
		for _, g := range groups {
			if g != groupAll && g != groupUngrouped {
				i.label(&h, g, "")
			}
		}
		i.add(h)
	}
}

func (i *importer) inventoryVariables(h *Host, vars map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		value := vars[name]
		switch name {
		case "ansible_host", "ansible_ssh_host":
			if !strings.EqualFold(value, h.Name) {
				i.set(h, settingAddress, value)
			}
		case "ansible_user", "ansible_ssh_user":
			i.set(h, settingUser, value)
		case "ansible_port", "ansible_ssh_port":
			i.set(h, settingPort, value)
		case "ansible_ssh_private_key_file", "ansible_private_key_file", "ansible_ssh_common_args":
			i.note(h.Line, CodeImportAccess, name+"="+value)
		case "ansible_password", "ansible_ssh_pass", "ansible_become_password", "ansible_become_pass":
			i.note(h.Line, CodeImportAccess, name)
		case "rack":
			i.label(h, name, value)
		}
	}
}

var ansibleRange = regexp.MustCompile(`\[(\w+):(\w+)(?::(\d+))?\]`)

// ansiblePattern turns "web[01:50:2]" and "db[a:c]" into ours.
func ansiblePattern(name string) string {
	return ansibleRange.ReplaceAllStringFunc(name, func(s string) string {
		m := ansibleRange.FindStringSubmatch(s)
		from, to := m[1], m[2]
		if len(from) == 1 && len(to) == 1 && isLetters(from) && isLetters(to) && from <= to {
			var letters []string
			for c := from[0]; c <= to[0]; c++ {
				letters = append(letters, string(c))
			}
			return "[" + strings.Join(letters, ",") + "]"
		}
		if m[3] != "" {
			return "[" + from + "-" + to + "/" + m[3] + "]"
		}
		return "[" + from + "-" + to + "]"
	})
}

// ansible reads an inventory in its INI form.
func (i *importer) ansible(text string) {
	v := newInventory()
	group, kind := "", ""
	for n, line := range numbered(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if section, ok := iniHeader(line); ok {
			group, kind, _ = strings.Cut(section, ":")
			v.group(group)
			continue
		}
		switch words := iniWords(line); kind {
		case "vars":
			name, value, _ := strings.Cut(line, "=")
			v.group(group).vars[strings.TrimSpace(name)] = unquote(value)
		case "children":
			child := v.group(words[0])
			child.parents = append(child.parents, group)
		default:
			h := v.host(words[0], group, n)
			for _, w := range words[1:] {
				if name, value, ok := strings.Cut(w, "="); ok {
					h.vars[name] = unquote(value)
				}
			}
		}
	}
	i.inventoryHosts(v)
}

func iniHeader(line string) (section string, ok bool) {
	line, _, _ = strings.Cut(line, "#")
	line = strings.TrimSpace(line)
	if !iniSection.MatchString(line) {
		return "", false
	}
	return strings.Trim(line, "[]"), true
}

// iniWords splits at blanks outside quotes, and drops a comment.
func iniWords(line string) []string {
	var words []string
	var word strings.Builder
	quote := rune(0)
	for _, r := range line + " " {
		switch {
		case quote == 0 && r == '#' && word.Len() == 0:
			return words
		case quote == 0 && (r == ' ' || r == '\t'):
			if word.Len() > 0 {
				words = append(words, word.String())
				word.Reset()
			}
			continue
		case r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		}
		word.WriteRune(r)
	}
	if word.Len() > 0 || len(words) == 0 {
		words = append(words, strings.TrimSpace(word.String()))
	}
	return words
}

func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 1 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
