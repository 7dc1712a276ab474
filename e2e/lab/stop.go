package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// politeTimeout is how long commands in the lab may take to end after being asked to.
	politeTimeout = 5 * time.Second
	// goneTimeout bounds the kernel's tidying up; it takes milliseconds on an idle machine.
	goneTimeout = 30 * time.Second
)

// Stop ends the lab: first the commands that still run on its server's side, then its hosts, and removes everything
// that belongs to it, keys and hosts' changes included. Stopping a lab that is gone already is no error.
func (l *Lab) Stop(ctx context.Context) error {
	err := l.locked(ctx, func() error { return l.remove(ctx) })
	if err != nil {
		return fmt.Errorf("cannot stop lab %s: %w", l.Name, err)
	}
	return nil
}

// Sweep removes what labs left behind whose processes ended without Stop, for example because they were killed.
func Sweep(ctx context.Context, cache string) error {
	entries, err := os.ReadDir(filepath.Join(cache, "run"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot sweep labs: %w", err)
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		dir := runDir(cache, entry.Name())
		unlock, err := tryLock(lockFile(dir))
		if errors.Is(err, errLocked) {
			continue // somebody is at work on it
		}
		if err != nil {
			return fmt.Errorf("cannot sweep the lab in %s: %w", dir, err)
		}
		err = sweep(ctx, dir)
		unlock()
		if err != nil {
			return fmt.Errorf("cannot sweep the lab in %s: %w", dir, err)
		}
	}
	return nil
}

func sweep(ctx context.Context, dir string) error {
	l, err := load(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return os.RemoveAll(dir) // killed before there was anything but files
	case err != nil:
		return err
	case l.Running():
		return nil
	}
	return l.remove(ctx)
}

// remove takes away whatever there is of the lab, complete or not. The caller holds its lock.
func (l *Lab) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	var errs []error
	if l.Running() {
		errs = append(errs, l.endCommands(ctx))
		// With the holder the kernel ends every process of the lab, and with the last process the namespaces and
		// so the mounts and links go.
		if err := syscall.Kill(l.Holder.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("cannot end the holder: %w", err))
		}
		errs = append(errs, poll(ctx, func() (bool, error) { return !l.Running(), nil }))
	}
	if l.input != nil {
		_ = l.input.Close()
	}
	errs = append(errs, removeGroups(ctx, l.Groups), os.RemoveAll(l.Dir))
	return errors.Join(errs...)
}

// endCommands ends what runs in the lab's network beside the hosts: politely, then by force.
func (l *Lab) endCommands(ctx context.Context) error {
	deadline := time.Now().Add(politeTimeout)
	asked := map[int]bool{}
	return poll(ctx, func() (bool, error) {
		pids, err := l.commands()
		for _, pid := range pids {
			switch {
			case time.Now().After(deadline):
				err = errors.Join(err, ignoreGone(syscall.Kill(pid, syscall.SIGKILL)))
			case !asked[pid]:
				asked[pid] = true
				err = errors.Join(err, ignoreGone(syscall.Kill(pid, syscall.SIGTERM)))
			}
		}
		return len(pids) == 0, err
	})
}

func ignoreGone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// commands returns the processes in the lab's network namespace that belong to no host: neither they nor their
// children are in the lab's PID namespace.
func (l *Lab) commands() ([]int, error) {
	network, err := os.Readlink(l.Holder.namespace("net"))
	if err != nil {
		return nil, err
	}
	inside, err := os.Readlink(l.Holder.namespace("pid"))
	if err != nil {
		return nil, err
	}
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var found []int
	for _, pid := range all {
		p := process{PID: pid}
		if ns, err := os.Readlink(p.namespace("net")); err != nil || ns != network {
			continue // another network, or gone
		}
		if ns, err := os.Readlink(p.namespace("pid_for_children")); err == nil && ns != inside && pid != os.Getpid() {
			found = append(found, pid)
		}
	}
	return found, nil
}
