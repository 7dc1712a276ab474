// Package owner finds the users and groups that processes and files of the agent's jobs and child agents are to have.
//
// An unknown one is an error, and never root instead.
package owner

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Owner is whom a process or a file belongs to.
type Owner struct {
	Name   string
	Home   string
	UID    uint32
	GID    uint32
	Groups []uint32 // supplementary ones, GID among them
	Own    bool     // neither a user nor a group was named: the agent's own
}

// Find finds a user and a group, by name or number. Without a user it is the agent's own, without a group the user's.
func Find(userName, groupName string) (*Owner, error) {
	account, local, err := findUser(userName)
	if err != nil {
		return nil, fmt.Errorf("there is no user %q: %w", userName, err)
	}
	uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		return nil, fmt.Errorf("cannot use the user %q: %w", userName, err)
	}
	o := &Owner{Name: account.Username, Home: account.HomeDir, UID: uint32(uid), GID: uint32(gid), Own: userName == "" && groupName == ""}
	if o.Own {
		return o, nil
	}
	if o.Groups, err = groupsOf(account, local); err != nil {
		return nil, fmt.Errorf("cannot use the user %q: %w", userName, err)
	}
	if groupName != "" {
		if o.GID, err = findGroup(groupName); err != nil {
			return nil, fmt.Errorf("there is no group %q: %w", groupName, err)
		}
	}
	if !slices.Contains(o.Groups, o.GID) {
		o.Groups = append(o.Groups, o.GID)
	}
	return o, nil
}

// findUser finds a user in the files, and otherwise in the host's other sources.
func findUser(name string) (account *user.User, local bool, err error) {
	if name == "" {
		account, err := user.Current()
		if err != nil { // an agent without an entry in passwd is root all the same, or nobody
			account = &user.User{Uid: strconv.Itoa(os.Getuid()), Gid: strconv.Itoa(os.Getgid()), Username: "root", HomeDir: "/"}
		}
		return account, true, nil
	}
	account, err = user.Lookup(name)
	if err != nil && isNumber(name) {
		account, err = user.LookupId(name)
	}
	if err == nil {
		return account, true, nil
	}
	account, other := directoryUser(name)
	if errors.Is(other, errUnknown) {
		return nil, false, err
	}
	return account, false, other
}

func findGroup(name string) (uint32, error) {
	group, err := user.LookupGroup(name)
	if err != nil && isNumber(name) {
		group, err = user.LookupGroupId(name)
	}
	var id string
	if err == nil {
		id = group.Gid
	} else {
		var other error
		if id, other = directoryGroup(name); other == nil {
			err = nil
		} else if !errors.Is(other, errUnknown) {
			err = other
		}
	}
	if err != nil {
		return 0, err
	}
	gid, err := strconv.ParseUint(id, 10, 32)
	return uint32(gid), err
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// groupsOf are all groups that a user is in; of one that is not local also those that the host's other sources have.
func groupsOf(account *user.User, local bool) ([]uint32, error) {
	ids, err := account.GroupIds()
	if err == nil && !local {
		var more []string
		more, err = directoryGroups(account)
		ids = append(ids, more...)
	}
	if err != nil {
		return nil, err
	}
	var groups []uint32
	for _, id := range ids {
		gid, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(groups, uint32(gid)) {
			groups = append(groups, uint32(gid))
		}
	}
	return groups, nil
}

// Credential is what a process of the owner is started with; nil for the agent's own.
func (o *Owner) Credential() *syscall.Credential {
	if o.Own {
		return nil
	}
	return &syscall.Credential{Uid: o.UID, Gid: o.GID, Groups: o.Groups}
}

// Directory is the owner's home, or the root where that is missing.
func (o *Owner) Directory() string {
	if info, err := os.Stat(o.Home); err == nil && info.IsDir() {
		return o.Home
	}
	return "/"
}

// CleanPath is the PATH of an environment that says nothing else.
const CleanPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Environment is a clean one with the given variables. The BootAgent document writes a PATH with semicolons; no directory
// that programs are in has one in its name.
func (o *Owner) Environment(variables map[string]string) []string {
	all := map[string]string{
		"PATH": CleanPath, "HOME": o.Home, "USER": o.Name, "LOGNAME": o.Name, "SHELL": "/bin/sh", "LANG": "C.UTF-8",
	}
	for name, value := range variables {
		if name == "PATH" {
			value = strings.ReplaceAll(value, ";", ":")
		}
		all[name] = value
	}
	var list []string
	for name, value := range all {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// CheckVariables refuses what no environment can hold.
func CheckVariables(variables map[string]string) error {
	for name, value := range variables {
		if !isName(name) {
			return fmt.Errorf("%.40q is no name of an environment variable", name)
		}
		if strings.ContainsRune(value, 0) {
			return fmt.Errorf("the environment variable %s holds a NUL byte", name)
		}
	}
	return nil
}

func isName(text string) bool {
	for i, c := range []byte(text) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}
