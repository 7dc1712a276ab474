// Package layout is what surrounds every page: header, navigation, banners, dialogs and the connection to the
// live topics. It holds no page of its own and asks nobody for data.
package layout

import "time"

// Frame is what every page needs beyond its own content. The server fills it once per request.
type Frame struct {
	User    string    // who is logged in; "" on pages for nobody yet
	CSRF    string    // goes into the hidden field "csrf" of every form
	Theme   string    // ThemeAuto, ThemeLight or ThemeDark, from the preference cookie
	Path    string    // this page's path and query, where a changed preference returns to
	Now     time.Time // the server's clock, which ages are counted from
	Version string    // the server's version
	Search  string    // what the search box of the header shows
	Notice  *Notice   // what the request before this one achieved; nil for nothing

	// What the role of whoever is logged in allows: pages do not offer the rest.
	Limit       string // labels of the hosts that it is limited to, as tags; "": it is about all hosts, and what is of no host
	ReadOnly    bool   // it starts and changes no work
	Audits      bool   // it reads the audit log
	Administers bool   // it manages people and the server
}

// AddsHosts tells that whoever is logged in may bring hosts in, which is of no host yet.
func (f Frame) AddsHosts() bool { return !f.ReadOnly && f.Limit == "" }

// Themes.
const (
	ThemeAuto  = "auto" // follows the system
	ThemeLight = "light"
	ThemeDark  = "dark"
)

// Notice is one sentence at the top of a page, already in the viewer's language.
type Notice struct {
	Tone string // a live.Tone…
	Text string
}
