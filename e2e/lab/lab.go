// Package lab boots real Debian hosts on one machine, for the demo, the tests and the benchmarks.
//
// A lab is a set of systemd-nspawn containers, each with its own systemd, sshd, package manager and address, on a
// bridge in namespaces of the lab's own: nothing of it appears among the machine's links and mounts. One process
// holds these namespaces; when it ends, for whatever reason, the kernel ends every host and removes every mount and
// link. Programs that are to reach the hosts run inside the lab's network through [Lab.Command].
//
// The state is on disk, so any process may open a running lab by its name. The package runs on Linux as root, and
// never touches the machine's network, its /etc/hosts or its services.
package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Lab is a running lab. Its exported fields are what lab.json in its directory holds and what `labctl start --json`
// prints; they do not change while the lab runs.
type Lab struct {
	Name      string            `json:"name"`
	Dir       string            `json:"dir"` // absolute; holds keys, names, hosts' changes and console logs
	Domain    string            `json:"domain"`
	Server    Endpoint          `json:"server"`     // the side of the lab that its commands run on
	Subnet    netip.Prefix      `json:"subnet"`     // of the bridge; each lab is alone with it
	HostsFile string            `json:"hosts_file"` // what commands in the lab see as /etc/hosts
	Keys      map[string]string `json:"keys"`       // private key files by type: ed25519, ecdsa, rsa
	Users     []User            `json:"users"`
	Hosts     []*Host           `json:"hosts"`
	BootMS    int64             `json:"boot_ms"` // from the first host's start to the last one's answer on port 22

	Holder process  `json:"holder"` // keeps the lab's namespaces
	Groups []string `json:"groups"` // control groups with one group per host below each

	input *os.File // the holder ends when this is closed, unless it was told to keep the lab
}

// Endpoint is a name in the lab and its address.
type Endpoint struct {
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
}

// User can log in to every host with the lab's keys and, if it has one, with its password.
type User struct {
	Name     string `json:"name"`
	Password string `json:"password,omitempty"`
	Sudo     string `json:"sudo,omitempty"` // "password" or "nopasswd"
}

// User returns the user of that name; the zero User when there is none.
func (l *Lab) User(name string) User {
	for _, u := range l.Users {
		if u.Name == name {
			return u
		}
	}
	return User{}
}

// Host returns a host by its full name, its first label or one of its aliases.
func (l *Lab) Host(name string) (*Host, error) {
	name = strings.TrimSuffix(strings.ToLower(name), "."+l.Domain)
	for _, h := range l.Hosts {
		if name == h.Label || slices.Contains(h.Aliases, name+"."+l.Domain) {
			return h, nil
		}
	}
	return nil, fmt.Errorf("cannot find host %q in lab %s", name, l.Name)
}

// Running tells whether the lab's hosts can still run.
func (l *Lab) Running() bool { return l.Holder.alive() }

// Cache returns the directory that holds bases and running labs: HOSTLER_LAB_CACHE, or .cache/lab in the project
// that the working directory belongs to.
func Cache() (string, error) {
	if dir := os.Getenv("HOSTLER_LAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("cannot find the lab's cache: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".cache", "lab"), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("cannot find the lab's cache: run in the project or set HOSTLER_LAB_CACHE")
		}
		dir = parent
	}
}

// Open returns the running lab of that name. The error says so when there is none.
func Open(cache, name string) (*Lab, error) {
	l, err := load(runDir(cache, name))
	if errors.Is(err, os.ErrNotExist) || err == nil && !l.Running() {
		return nil, fmt.Errorf("cannot open lab %s: it is not running", name)
	}
	return l, err
}

// List returns the running labs, by name.
func List(cache string) ([]*Lab, error) {
	dirs, err := filepath.Glob(filepath.Join(cache, "run", "*", stateFile))
	if err != nil {
		return nil, fmt.Errorf("cannot list labs: %w", err)
	}
	var labs []*Lab
	for _, path := range dirs {
		if l, err := load(filepath.Dir(path)); err == nil && l.Running() {
			labs = append(labs, l)
		}
	}
	return labs, nil
}

const stateFile = "lab.json"

func runDir(cache, name string) string { return filepath.Join(cache, "run", name) }

func lockFile(dir string) string { return dir + ".lock" }

func load(dir string) (*Lab, error) {
	raw, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	l := &Lab{}
	if err := json.Unmarshal(raw, l); err != nil {
		return nil, fmt.Errorf("cannot read the state of the lab in %s: %w", dir, err)
	}
	for _, h := range l.Hosts {
		h.lab = l
	}
	return l, nil
}

// save writes the state in one step, readable by its owner only because it holds passwords.
func (l *Lab) save() error {
	raw, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(l.Dir, stateFile)
	if err := os.WriteFile(path+".new", append(raw, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// locked runs work while no other process changes the lab.
func (l *Lab) locked(ctx context.Context, work func() error) error {
	unlock, err := lock(ctx, lockFile(l.Dir))
	if err != nil {
		return err
	}
	defer unlock()
	return work()
}
