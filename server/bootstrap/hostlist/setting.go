package hostlist

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hostler/db"
)

// Settings that are no labels.
const (
	settingAddress     = "address"
	settingCredentials = "credentials"
	settingPort        = "port"
	settingUser        = "user"
)

const maxPort = 65535

// isSetting tells "rack=/r7" from a name: no name has a "=" in it.
func isSetting(token string) bool { return strings.Contains(token, "=") }

// lineSettings reads the settings of a line, which are for all its hosts, wherever they stand.
func (e *expander) lineSettings(line string) (s Settings, p *Problem) {
	if !e.settings || !strings.Contains(line, "=") {
		return s, nil
	}
	hosts := false
	for {
		var token string
		if token, line = cutToken(line); token == "" {
			break
		}
		if !isSetting(token) {
			hosts = true
			continue
		}
		if p = s.set(token); p != nil {
			return s, p
		}
	}
	if !hosts {
		return s, problem(CodeSettingAlone, "")
	}
	return s, nil
}

// set takes one "key=value".
func (s *Settings) set(token string) *Problem {
	if p := checkCharacters(token); p != nil {
		return p
	}
	name, value, _ := strings.Cut(token, "=")
	switch name {
	case settingAddress:
		address, p := canonical(strings.ToLower(value))
		if p == nil {
			s.Address = address
		}
		return p
	case settingUser:
		return s.setUser(token, value)
	case settingPort:
		return s.setPort(token, value)
	case settingCredentials:
		if !groupName.MatchString(value) {
			return problem(CodeCredentials, token)
		}
		s.Credentials = value
		return nil
	}
	if db.CheckLabel(name, value) != nil {
		return problem(CodeLabel, token)
	}
	if old, again := s.Labels[name]; again && old != value {
		return problem(CodeLabelTwice, token, "label", name)
	}
	if s.Labels == nil {
		s.Labels = db.Labels{}
	}
	s.Labels[name] = value
	if len(s.Labels.String()) > db.MaxLabels {
		delete(s.Labels, name)
		return problem(CodeLabelsLong, token, "limit", strconv.Itoa(db.MaxLabels))
	}
	return nil
}

var (
	groupName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	userName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._@\\+$-]{0,254}$`)
)

// SetUser takes the name of a user; what is wrong with it is a problem.
func (s *Settings) SetUser(user string) *Problem { return s.setUser(user, user) }

// SetPort takes a port; what is wrong with it is a problem.
func (s *Settings) SetPort(port string) *Problem { return s.setPort(port, port) }

func (s *Settings) setUser(token, user string) *Problem {
	if !userName.MatchString(user) {
		return problem(CodeUserInvalid, token, "user", shorten(user))
	}
	s.User = user
	return nil
}

func (s *Settings) setPort(token, port string) *Problem {
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > maxPort {
		return problem(CodePortInvalid, token, "port", shorten(port))
	}
	s.Port = n
	return nil
}

// cutUser takes "user@" off. A user's name may have a @ in it, a host's cannot.
func (e *expander) cutUser(token string, s *Settings) (rest string, p *Problem) {
	i := strings.LastIndexByte(token, '@')
	switch {
	case i < 0:
		return token, nil
	case !e.settings:
		return "", problem(CodeUser, token)
	}
	return token[i+1:], s.setUser(token, token[:i])
}

// cutPort takes ":port" off. An IPv6 address has more colons and needs brackets before its port.
func (e *expander) cutPort(token string, s *Settings) (rest string, p *Problem) {
	rest, port, given := token, "", false
	if isBracketedAddress(token) {
		end := strings.IndexByte(token, ']') + 1
		if port, given = strings.CutPrefix(token[end:], ":"); given {
			rest = token[:end]
		}
	} else if strings.Count(token, ":") == 1 {
		rest, port, given = strings.Cut(token, ":")
	}
	switch {
	case !given:
		return token, nil
	case !e.settings:
		return "", problem(CodePort, token)
	}
	return rest, s.setPort(token, port)
}

func (s *Settings) equal(o Settings) bool {
	return s.User == o.User && s.Port == o.Port && s.Address == o.Address && s.Credentials == o.Credentials && maps.Equal(s.Labels, o.Labels)
}

// String writes the host as a line of a list.
func (h Host) String() string {
	var b strings.Builder
	if h.User != "" {
		b.WriteString(h.User + "@")
	}
	if a, err := netip.ParseAddr(h.Name); err == nil && a.Is6() && h.Port != 0 {
		b.WriteString("[" + h.Name + "]")
	} else {
		b.WriteString(h.Name)
	}
	if h.Port != 0 {
		b.WriteString(":" + strconv.Itoa(h.Port))
	}
	if h.Address != "" {
		b.WriteString(" " + settingAddress + "=" + h.Address)
	}
	if h.Credentials != "" {
		b.WriteString(" " + settingCredentials + "=" + h.Credentials)
	}
	for _, name := range slices.Sorted(maps.Keys(h.Labels)) {
		b.WriteString(" " + name + "=" + h.Labels[name])
	}
	return b.String()
}
