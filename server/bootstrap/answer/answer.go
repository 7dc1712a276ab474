// Package answer reads and writes answer files: what a person answers the wizard, as YAML, to be kept, reviewed and
// replayed. A file names where secrets are read from and never holds one; a secret in it is refused. What is wrong is
// told with its line and column, everything at once. It reads no other file and contacts nothing.
package answer

import (
	_ "embed" // for Template
	"strings"

	"hostler/server/bootstrap"
)

// Version is that of the format.
const Version = 1

// MaxBytes bounds a file. Lists of hosts are the only long thing in it.
const MaxBytes = 1 << 20

// The ways to put the agent on hosts.
const (
	MethodSSH    = "ssh"
	MethodManual = "manual"
)

// File is what an answer file says. Zero values were not given.
type File struct {
	Cluster     string
	Method      string // MethodSSH unless given
	Hosts       string // as hostlist.Read takes it
	Parallel    int    // hosts at a time
	Many        bool   // more than hostlist.MaxHosts are meant
	SSH         Login
	Credentials map[string]*Login // further sets, by the names that hosts ask for them with
	Versions    bootstrap.Sources // where hosts get the agent from; empty for the server itself
}

// Login is how to log in on hosts.
type Login struct {
	User   string
	Port   int
	Become bootstrap.Become
	Secrets
	Jump *Jump
}

// Jump is the host through which the others are reached.
type Jump struct {
	Host string
	User string
	Port int
	Secrets
}

// Secrets are where secrets are read from by whoever replays the file.
type Secrets struct{ PrivateKey, Passphrase, Password, SudoPassword Source }

// Source is where one secret is read from: a file, or a variable of the environment.
type Source struct{ File, Env string }

//go:embed template.yaml
var template string

// Template is a file to begin with, with every key and what it means.
func Template() string { return template }

// credentials are a login's without its secrets, with a password in their place that is none.
func (l *Login) credentials() *bootstrap.Credentials {
	c := &bootstrap.Credentials{User: l.User, Port: l.Port, Become: l.Become, Password: []byte(placeholder)}
	if j := l.Jump; j != nil {
		c.Jump = &bootstrap.Jump{Address: j.Host, Login: &bootstrap.Credentials{User: j.User, Port: j.Port}}
	}
	return c
}

const placeholder = "given when the file is replayed"

// secretNames are the names under which a secret would be looked for.
var secretNames = []string{"private_key", "passphrase", "password", "sudo_password"}

// holdsKey says whether a text is, or has in it, a private key.
func holdsKey(text string) bool { return strings.Contains(text, "PRIVATE KEY") }
