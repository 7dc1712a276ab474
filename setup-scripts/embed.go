// Package setupscripts holds what runs on target hosts before an agent does: the setup script and the agent's
// service files. The server sends the script over SSH or serves it; the package builder packs the service files.
// The package itself runs nothing.
package setupscripts

import (
	_ "embed" // the scripts are part of the binary
	"net"
	"strconv"
	"strings"
)

//go:embed setup-agent.sh
var script []byte

//go:embed install.sh
var install string

//go:embed carried.sh
var carried string

//go:embed hostler-agent.service
var unit []byte

//go:embed hostler-agent.sysv
var sysv []byte

//go:embed hostler-agent.openrc
var openrc []byte

// Script is setup-agent.sh. It is the same for every host and holds no secret. The bytes must not be changed.
func Script() []byte { return script }

// Target is the server that a host is to be brought to.
type Target struct {
	Server             string // name or address
	Handshake, Secured int    // ports
	Pin                string // of the CA certificate
}

// Install is install.sh for one server. It holds no secret.
func Install(t Target) []byte { return t.fill(install) }

// Carried is the install.sh of an archive that is carried to hosts. It holds no secret.
func Carried(t Target) []byte { return t.fill(carried) }

// fill puts the server's data into a script.
func (t Target) fill(script string) []byte {
	address := t.Server
	if ip := net.ParseIP(t.Server); ip != nil && strings.Contains(t.Server, ":") {
		address = "[" + t.Server + "]"
	}
	return []byte(strings.NewReplacer("@SERVER@", t.Server, "@ADDRESS@", address, "@HANDSHAKE@", strconv.Itoa(t.Handshake),
		"@SECURED@", strconv.Itoa(t.Secured), "@PIN@", t.Pin).Replace(script))
}

// Unit is the systemd unit hostler-agent.service.
func Unit() []byte { return unit }

// SysV is the init script for System V init.
func SysV() []byte { return sysv }

// OpenRC is the init script for OpenRC.
func OpenRC() []byte { return openrc }
