package task

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hostler/agent/command"
	"hostler/agent/wire"
)

// owner is whom a command or a file belongs to.
type owner struct {
	account *user.User
	rights  *command.User // nil: the agent's own
}

// lookUp finds a user and a group, by name or number. Without a user it is the agent's own, without a group the
// user's. An unknown one is an error, and never root instead.
func lookUp(userName, groupName string) (*owner, error) {
	account, err := findUser(userName)
	if err != nil {
		return nil, failed(wire.ErrCodeUser, "there is no user %q: %w", userName, err)
	}
	o := &owner{account: account}
	if userName == "" && groupName == "" {
		return o, nil
	}
	uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
	groups, err := groupsOf(account)
	if err := errors.Join(errUID, errGID, err); err != nil {
		return nil, failed(wire.ErrCodeUser, "cannot use the user %q: %w", userName, err)
	}
	if groupName != "" {
		if gid, err = findGroup(groupName); err != nil {
			return nil, failed(wire.ErrCodeUser, "there is no group %q: %w", groupName, err)
		}
	}
	if !slices.Contains(groups, uint32(gid)) {
		groups = append(groups, uint32(gid))
	}
	o.rights = &command.User{UID: uint32(uid), GID: uint32(gid), Groups: groups}
	return o, nil
}

func findUser(name string) (*user.User, error) {
	if name == "" {
		account, err := user.Current()
		if err != nil { // an agent without an entry in passwd is root all the same, or nobody
			account = &user.User{Uid: strconv.Itoa(os.Getuid()), Gid: strconv.Itoa(os.Getgid()), Username: "root", HomeDir: "/"}
		}
		return account, nil
	}
	account, err := user.Lookup(name)
	if err != nil && numeric.MatchString(name) {
		return user.LookupId(name)
	}
	return account, err
}

var numeric = regexp.MustCompile(`^[0-9]+$`)

func findGroup(name string) (uint64, error) {
	group, err := user.LookupGroup(name)
	if err != nil && numeric.MatchString(name) {
		group, err = user.LookupGroupId(name)
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(group.Gid, 10, 32)
}

func groupsOf(account *user.User) ([]uint32, error) {
	ids, err := account.GroupIds()
	if err != nil {
		return nil, err
	}
	var groups []uint32
	for _, id := range ids {
		gid, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, err
		}
		groups = append(groups, uint32(gid))
	}
	return groups, nil
}

// directory is the user's home, or the root where that is missing.
func (o *owner) directory() string {
	if info, err := os.Stat(o.account.HomeDir); err == nil && info.IsDir() {
		return o.account.HomeDir
	}
	return "/"
}

// environment is a clean one with the job's variables. The document writes a PATH with semicolons; no directory
// that programs are in has one in its name.
func (o *owner) environment(envs map[string]string) []string {
	all := map[string]string{
		"PATH": cleanPath, "HOME": o.account.HomeDir, "USER": o.account.Username, "LOGNAME": o.account.Username,
		"SHELL": "/bin/sh", "LANG": "C.UTF-8",
	}
	for name, value := range envs {
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

var envPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func checkEnvs(envs map[string]string) error {
	for name, value := range envs {
		if !envPattern.MatchString(name) {
			return badJob("%.40q is no name of an environment variable", name)
		}
		if strings.ContainsRune(value, 0) {
			return badJob("the environment variable %s holds a NUL byte", name)
		}
	}
	return nil
}

// String names the owner in errors.
func (o *owner) String() string { return fmt.Sprintf("%s (%s)", o.account.Username, o.account.Uid) }
