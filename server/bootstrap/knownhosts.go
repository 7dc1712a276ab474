package bootstrap

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"hostler/db"
)

// Comparison says how the key that a host showed compares with a file of known_hosts.
type Comparison string

// Comparisons. A code is part of the API.
const (
	KeySame    Comparison = "same"       // the file has this key for the host
	KeyDiffers Comparison = "differs"    // the file has another key of the same kind for it
	KeyOther   Comparison = "other_kind" // the file has keys of other kinds for it alone, which tell nothing of this one
	KeyAbsent  Comparison = "absent"     // the file does not have the host
	KeyRevoked Comparison = "revoked"    // the file says that nobody may use this key any more
)

// HostKey is the key that a host showed to a check.
type HostKey struct {
	Host       string
	Jump       bool // it is the jump host's
	Row        db.SSHHostKey
	Known      bool       // it was trusted before
	Comparison Comparison // with the file that was given; "" without one
}

// HostKeys are the keys that the hosts of a check showed, but of those that somebody took out, and those of the jump hosts,
// each once and first. known may be nil.
func HostKeys(tasks []db.Task, known *KnownHosts) ([]HostKey, error) {
	var jumps, keys []HostKey
	seen := map[string]bool{}
	for i := range tasks {
		if tasks[i].State == db.Skipped {
			continue
		}
		p, err := ParamsOf(&tasks[i])
		if err != nil {
			return nil, err
		}
		f := FoundOf(&tasks[i])
		if j := f.Jump; j != nil && !seen[j.Target+" "+j.Key] {
			seen[j.Target+" "+j.Key] = true
			name, _ := cutTarget(j.Target)
			jumps = append(jumps, HostKey{Host: name, Jump: true, Row: *j, Known: f.JumpKnown, Comparison: known.compare(*j, "")})
		}
		if f.Key.Key != "" {
			keys = append(keys, HostKey{Host: tasks[i].Name, Row: f.Key, Known: f.Known, Comparison: known.compare(f.Key, p.Address)})
		}
	}
	return append(jumps, keys...), nil
}

// cutTarget is a target's name and port.
func cutTarget(target string) (name, port string) {
	i := strings.LastIndexByte(target, ':')
	if i < 0 {
		return target, ""
	}
	return target[:i], target[i+1:]
}

// KnownHosts is what a file of known_hosts says, see sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".
type KnownHosts struct{ check ssh.HostKeyCallback }

// ReadKnownHosts reads such a file. The error names the line that is none.
func ReadKnownHosts(text string) (*KnownHosts, error) {
	// The library, which knows hashed names and patterns, reads files alone.
	dir, err := os.MkdirTemp("", "hostler-known-hosts-")
	if err != nil {
		return nil, fmt.Errorf("cannot read known_hosts: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // there is nothing secret in it
	file := filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("cannot read known_hosts: %w", err)
	}
	check, err := knownhosts.New(file)
	if err != nil {
		_, line, _ := strings.Cut(err.Error(), file+":")
		return nil, fmt.Errorf("line %s", printable(line))
	}
	return &KnownHosts{check}, nil
}

// compare looks the host up by its name, and by the address that it was reached at when the file lacks the name. No file
// says nothing.
func (k *KnownHosts) compare(row db.SSHHostKey, address string) Comparison {
	if k == nil {
		return ""
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(row.Key))
	if err != nil {
		return KeyAbsent
	}
	name, port := cutTarget(row.Target)
	said := k.ask(name, port, key)
	if said == KeyAbsent && address != "" {
		said = k.ask(address, port, key)
	}
	return said
}

func (k *KnownHosts) ask(name, port string, key ssh.PublicKey) Comparison {
	n, _ := strconv.Atoi(port) // of our own making
	err := k.check(net.JoinHostPort(name, port), &net.TCPAddr{IP: net.IPv4zero, Port: n}, key)
	var unknown *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case err == nil:
		return KeySame
	case errors.As(err, &revoked):
		return KeyRevoked
	case !errors.As(err, &unknown) || len(unknown.Want) == 0:
		return KeyAbsent
	}
	for _, want := range unknown.Want {
		if want.Key.Type() == key.Type() {
			return KeyDiffers
		}
	}
	return KeyOther
}
