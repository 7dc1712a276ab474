package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

const (
	// ownSettings is where an agent on this machine says by what name it goes.
	ownSettings = "/etc/hostler-agent/agent.ini"
	// publishWithin bounds the wait for the packages of a server that has just been started.
	publishWithin = 2 * time.Minute
	// reportWithin bounds the wait for the first heartbeat of an agent that runs.
	reportWithin = 2 * time.Minute
	// endWithin is how long a setup that is told to end has for that.
	endWithin = 10 * time.Second
)

// hereHost is this machine as the server knows it.
type hereHost struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	State   string `json:"state"`
	Version string `json:"agent_version"`
}

// installHere puts an agent on this machine: with a token for one host, by the archive that hosts without a network are set up
// with. A machine that reports already is left alone.
func installHere(c *cobra.Command, o *connection) error {
	if os.Geteuid() != 0 {
		return errors.New("cannot put an agent on this machine: that takes root; run it with sudo -E")
	}
	api, err := o.open()
	if err != nil {
		return err
	}
	ctx, began := c.Context(), time.Now()
	if there, err := knownHere(ctx, api); err != nil {
		return err
	} else if there != nil && there.State != "lost" {
		done := &installed{Install: client.Install{Hosts: 1, Known: 1, Managed: []string{there.Name}}, Host: there}
		return tellInstalled(c, o, done, &client.Operation{})
	}
	var token client.EnrolToken
	if err := api.Post(ctx, "enrol-tokens", map[string]any{"note": "install --all-in-one"}, &token); err != nil {
		return refused(c, err)
	}
	if err := setUpHere(ctx, api, token.ID, c.ErrOrStderr()); err != nil {
		end := fmt.Sprintf("enrol-tokens/%d/end", token.ID)
		return errors.Join(err, api.Post(context.WithoutCancel(ctx), end, nil, nil))
	}
	host, err := awaitHere(ctx, api)
	if err != nil {
		return err
	}
	now := time.Now()
	done := &installed{Install: client.Install{Hosts: 1, Managed: []string{}}, Host: host}
	return tellInstalled(c, o, done, &client.Operation{Tasks: []client.Task{
		{Name: host.Name, State: "done", StartedAt: &began, FinishedAt: &now, Note: "agent " + host.Version},
	}})
}

// setUpHere fetches a token's archive and runs what it holds; said hears how that goes.
func setUpHere(ctx context.Context, api *client.Client, token int64, said io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "hostler-install-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	archive, err := os.Create(filepath.Join(dir, "archive.tar"))
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }() // it goes with its directory
	if err := fetchHere(ctx, api, token, archive); err != nil {
		return fmt.Errorf("cannot fetch the agent from the server: %w", err)
	}
	if err := unpackHere(archive, dir); err != nil {
		return fmt.Errorf("cannot unpack what the server sent: %w", err)
	}
	setup := exec.CommandContext(ctx, "sh", filepath.Join(dir, "install.sh"))
	setup.Stdout, setup.Stderr = said, said
	setup.Cancel = func() error { return setup.Process.Signal(syscall.SIGTERM) } // it cleans up
	setup.WaitDelay = endWithin
	if err := setup.Run(); err != nil {
		return fmt.Errorf("cannot set this machine up: %w", err)
	}
	return nil
}

// fetchHere writes a token's archive. A server that has just been started publishes the packages in it first.
func fetchHere(ctx context.Context, api *client.Client, token int64, to io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	again := time.NewTicker(followEach)
	defer again.Stop()
	for {
		_, err := api.Download(ctx, fmt.Sprintf("enrol-tokens/%d/archive", token), to)
		var refusal *client.Refusal
		if !errors.As(err, &refusal) || refusal.Cause.Code != "no_packages" {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}

// unpackHere puts the files of an archive into a directory. In the archive they lie in one of its own.
func unpackHere(archive io.ReadSeeker, dir string) error {
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only a handle
	entries := tar.NewReader(archive)
	for {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		file, err := root.OpenFile(path.Base(entry.Name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, fs.FileMode(entry.Mode)&0o700)
		if err != nil {
			return err
		}
		_, err = io.CopyN(file, entries, entry.Size)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
}

// awaitHere waits for this machine's first heartbeat.
func awaitHere(ctx context.Context, api *client.Client) (*hereHost, error) {
	ctx, cancel := context.WithTimeout(ctx, reportWithin)
	defer cancel()
	look := time.NewTicker(followEach)
	defer look.Stop()
	for {
		host, err := knownHere(ctx, api)
		if err == nil && host != nil && host.State == "healthy" {
			return host, nil
		}
		if err != nil && ctx.Err() == nil {
			return nil, err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("the agent is installed and has not reported in %v: see its log, with journalctl -u hostler-agent", reportWithin)
		}
	}
}

// knownHere is this machine among the server's hosts, by the name that its agent goes by; nil when it has none, or is none of them.
func knownHere(ctx context.Context, api *client.Client) (*hereHost, error) {
	name, err := ownName()
	if err != nil || name == "" {
		return nil, err
	}
	for host, err := range client.All[hereHost](ctx, api, "hosts", url.Values{"search": {name}}) {
		if err != nil {
			return nil, err
		}
		if host.Name == name {
			return host, nil
		}
	}
	return nil, nil
}

// ownName is the name that the agent on this machine goes by, "" when there is none.
func ownName() (string, error) {
	text, err := os.ReadFile(ownSettings)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read how the agent on this machine is set up: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, "="); strings.TrimSpace(key) == "hostname" {
			return strings.ToLower(strings.TrimSpace(value)), nil
		}
	}
	return "", nil
}
