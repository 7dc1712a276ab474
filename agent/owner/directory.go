package owner

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"os/user"
	"strings"
	"time"
)

// The agent is linked statically, so it reads the files in /etc and knows nothing of the host's other sources of accounts:
// LDAP, SSSD, NIS. getent does, because it belongs to the host's C library.

// getentMost bounds one question: a directory server may be away.
const getentMost = 10 * time.Second

// ErrAway is in the chain of errors that say nothing of a user or a group: who knows them did not answer, and may do so later.
var ErrAway = errors.New("the host's source of users and groups does not answer")

// errUnknown means that getent knows no such entry either.
var errUnknown = errors.New("neither the files nor the host's other sources have it")

// getent asks the host's sources for an entry; the fields are those of the file of the same name.
func getent(database, key string) ([]string, error) {
	if strings.HasPrefix(key, "-") || strings.ContainsAny(key, ":\n\x00") {
		return nil, errUnknown // an option, or no name
	}
	ctx, cancel := context.WithTimeout(context.Background(), getentMost)
	defer cancel()
	out, err := exec.CommandContext(ctx, "getent", database, key).Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: getent %s had %v", ErrAway, database, getentMost)
	case errors.As(err, &exit) && exit.ExitCode() == 2, errors.Is(err, exec.ErrNotFound):
		return nil, errUnknown
	case err != nil:
		return nil, fmt.Errorf("%w: cannot ask getent for %s: %w", ErrAway, database, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.Split(line, ":"), nil
}

// directoryUser finds a user, by name or number, that the files do not have.
func directoryUser(key string) (*user.User, error) {
	f, err := getent("passwd", key)
	if err != nil {
		return nil, err
	}
	if len(f) != 7 {
		return nil, fmt.Errorf("getent told %d fields of a user, not 7", len(f))
	}
	return &user.User{Username: f[0], Uid: f[2], Gid: f[3], Name: f[4], HomeDir: f[5]}, nil
}

// directoryGroup finds the number of a group, by its name or number, that the files do not have.
func directoryGroup(key string) (string, error) {
	f, err := getent("group", key)
	if err != nil {
		return "", err
	}
	if len(f) != 4 {
		return "", fmt.Errorf("getent told %d fields of a group, not 4", len(f))
	}
	return f[2], nil
}

// directoryGroups are the numbers of all groups that a user is in. C libraries without such a question know only the
// user's own.
func directoryGroups(account *user.User) ([]string, error) {
	f, err := getent("initgroups", account.Username)
	if errors.Is(err, errUnknown) {
		return []string{account.Gid}, nil
	}
	if err != nil {
		return nil, err
	}
	// "name   100 101": the name may be all there is.
	words := strings.Fields(f[0])
	return append([]string{account.Gid}, words[min(1, len(words)):]...), nil
}
