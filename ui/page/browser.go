package page

import "strings"

// shortBrowser makes "Firefox, Linux" of a User-Agent header. The order matters: browsers claim to be others, too.
func shortBrowser(agent string) string {
	name := agent
	if i := strings.IndexAny(name, " /"); i > 0 {
		name = name[:i]
	}
	for _, c := range [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, c[0]) {
			name = c[1]
			break
		}
	}
	for _, c := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, c[0]) {
			return name + ", " + c[1]
		}
	}
	return name
}
