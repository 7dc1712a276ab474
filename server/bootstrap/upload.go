package bootstrap

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/pkg/sftp"

	"hostler/server/operation"
)

// content is one file to copy to a host.
type content struct {
	name string
	body []byte
}

// files is a private directory on a host and what was copied into it.
type files struct {
	conn      *connection
	directory string
	names     []string
	sftp      *sftp.Client // nil when the host has none
	process   *process     // of sftp
}

func (f *files) path(name string) string { return path.Join(f.directory, name) }

// parents are where the private directory may be made.
var parents = []string{"/tmp", "/var/tmp"}

// upload makes a private directory and copies files into it: by SFTP, or through the shell where there is no
// SFTP. leftover, if not "", is a directory of an earlier run, which is removed. The result is not nil once
// there may be something to remove.
func (c *connection) upload(ctx context.Context, leftover string, contents []content) (*files, error) {
	f := &files{conn: c}
	for _, content := range contents {
		f.names = append(f.names, content.name)
	}
	client, process, err := c.startSFTP(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		var lost *operation.Failure
		if errors.As(err, &lost) {
			return nil, err
		}
		return f.throughShell(ctx, leftover, contents)
	}
	f.sftp, f.process = client, process
	err = c.bounded(ctx, process, func() error {
		if leftover != "" {
			f.removeBySFTP(leftover)
		}
		return f.bySFTP(contents)
	})
	if err != nil && ctx.Err() == nil {
		err = fail(codeCopyFailed, err, "host", c.target.address, "error", c.redact(plain(err)))
	}
	if f.directory == "" {
		return nil, err
	}
	return f, err
}

// startSFTP starts the host's SFTP subsystem; an error that is no Failure means that it has none.
func (c *connection) startSFTP(ctx context.Context) (*sftp.Client, *process, error) {
	name := append([]byte{0, 0, 0, 4}, "sftp"...) // a string of RFC 4251 section 5
	p, err := c.open(ctx, "subsystem", name)
	if err != nil {
		return nil, nil, err
	}
	c.wg.Go(func() { _, _ = io.Copy(io.Discard, p.channel.Stderr()) })
	var client *sftp.Client
	err = c.bounded(ctx, p, func() (err error) {
		client, err = sftp.NewClientPipe(p.channel, p.channel, sftp.UseConcurrentWrites(true))
		return err
	})
	if err != nil {
		_ = p.channel.Close()
		return nil, nil, err
	}
	return client, p, nil
}

// bounded runs work that talks over p. When ctx ends first, p is closed, and if even that does not end the
// work, the connection.
func (c *connection) bounded(ctx context.Context, p *process, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	_ = p.channel.Close()
	finished := make(chan struct{})
	go func() { <-done; close(finished) }()
	waitFor(finished, drain)
	select {
	case <-finished:
	default:
		c.abort()
		<-finished
	}
	return context.Cause(ctx)
}

// bySFTP makes the directory and the files.
func (f *files) bySFTP(contents []content) error {
	name := "hostler-" + strings.ToLower(rand.Text())
	var err error
	for _, parent := range parents {
		directory := path.Join(parent, name)
		if err = f.sftp.Mkdir(directory); err == nil {
			f.directory = directory
			break
		}
	}
	if err != nil {
		return err
	}
	// SFTP's mkdir takes no mode. Nobody can have got in before this that O_EXCL would not find.
	if err := f.sftp.Chmod(f.directory, 0o700); err != nil {
		return err
	}
	for _, content := range contents {
		file, err := f.sftp.OpenFile(f.path(content.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL)
		if err != nil {
			return err
		}
		_, err = file.ReadFrom(bytes.NewReader(content.body))
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// throughShell is upload for hosts without SFTP.
func (f *files) throughShell(ctx context.Context, leftover string, contents []content) (*files, error) {
	const makeDirectory = `[ -z "$1" ] || rm -rf -- "$1"; umask 077; ` +
		`mktemp -d /tmp/hostler-XXXXXXXXXX || mktemp -d /var/tmp/hostler-XXXXXXXXXX`
	said, err := f.shell(ctx, nil, makeDirectory, leftover)
	if err != nil {
		return nil, err
	}
	if !isPrivate(said) {
		return nil, fail(codeCopyFailed, nil, "host", f.conn.target.address, "error", "mktemp printed "+printable(f.conn.redact(said)))
	}
	f.directory = said
	for _, content := range contents {
		if _, err := f.shell(ctx, content.body, `umask 077; cat >"$1"`, f.path(content.name)); err != nil {
			return f, err
		}
	}
	return f, nil
}

// isPrivate tells a directory that an upload makes from anything else that a host may print: what is taken
// for one is removed with all that is in it.
func isPrivate(directory string) bool {
	parent, name := path.Split(directory)
	return slices.Contains(parents, path.Clean(parent)) && strings.HasPrefix(name, "hostler-")
}

// shell runs a line of shell and returns the last line of its output.
func (f *files) shell(ctx context.Context, input []byte, line string, args ...string) (last string, err error) {
	var said string
	o, err := f.conn.command(ctx, command{
		argv: append([]string{"sh", "-c", line, "sh"}, args...), stdin: input,
		line: func(text string, errors bool) {
			if errors {
				said = printable(f.conn.redact(text))
			} else {
				last = text
			}
		},
	})
	if err == nil && (o.status != 0 || !o.started) {
		err = fail(codeCopyFailed, nil, "host", f.conn.target.address, "error", said)
	}
	return last, err
}

// remove takes the directory off the host.
func (f *files) remove(ctx context.Context) error {
	if f.directory == "" {
		return nil
	}
	if f.sftp != nil {
		gone := false
		err := f.conn.bounded(ctx, f.process, func() error {
			gone = f.removeBySFTP(f.directory)
			return nil
		})
		if err == nil && gone {
			return nil
		}
	}
	_, err := f.shell(ctx, nil, `rm -rf -- "$1"`, f.directory)
	return err
}

// removeBySFTP removes the files that this server copies and their directory; false when something is left.
func (f *files) removeBySFTP(directory string) bool {
	for _, name := range f.names {
		_ = f.sftp.Remove(path.Join(directory, name))
	}
	return f.sftp.RemoveDirectory(directory) == nil
}
