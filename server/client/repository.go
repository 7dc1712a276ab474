package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Repository is one of packages.
type Repository struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`
	Own      bool      `json:"own"`
	Channel  string    `json:"channel"`
	Channels []Channel `json:"channels"`
}

// Channel points at a snapshot of a repository.
type Channel struct {
	Name     string `json:"name"`
	Snapshot int    `json:"snapshot"`
	Packages int    `json:"packages"`
}

// Package is one that a repository has.
type Package struct {
	Digest   string `json:"digest"`
	File     string `json:"file"`
	Size     int64  `json:"size"`
	Name     string `json:"name"`
	Version  string `json:"version"`
	Arch     string `json:"arch"`
	Summary  string `json:"summary"`
	Requests int64  `json:"requests"`
}

// PackageHosts is how far it is known which hosts have a package.
type PackageHosts struct {
	Told string `json:"told"` // agent, child_agent or untold
}

// PackageHost is a host that has a package.
type PackageHost struct {
	Host  string `json:"host"`
	State string `json:"state"`
}

// Snapshot is a list of packages.
type Snapshot struct {
	Number   int       `json:"number"`
	Created  time.Time `json:"created"`
	By       string    `json:"by"`
	Packages int       `json:"packages"`
	Added    int       `json:"added"`
	Removed  int       `json:"removed"`
	Channels []string  `json:"channels"`
}

// Diff is what changed between two snapshots.
type Diff struct {
	Added   []Package `json:"added"`
	Removed []Package `json:"removed"`
	Changed []struct {
		From Package `json:"from"`
		To   Package `json:"to"`
	} `json:"changed"`
}

// Uploaded is what became of uploaded packages.
type Uploaded struct {
	Repository string `json:"repository"`
	Channel    string `json:"channel"`
	Snapshot   int    `json:"snapshot"`
	Files      []struct {
		File     string `json:"file"`
		State    string `json:"state"` // added, present or refused
		Reason   string `json:"reason"`
		Warnings []struct {
			Message string `json:"message"`
		} `json:"warnings"`
	} `json:"files"`
}

// ChannelSnapshot is the number of the snapshot that a channel points at.
func (c *Client) ChannelSnapshot(ctx context.Context, repository, channel string) (int, error) {
	var r Repository
	if err := c.Get(ctx, "repositories/"+url.PathEscape(repository), &r); err != nil {
		return 0, err
	}
	for _, one := range r.Channels {
		if one.Name == channel {
			return one.Snapshot, nil
		}
	}
	return 0, fmt.Errorf("repository %s has no channel %s", repository, channel)
}

// UploadPackages sends files to a repository, all in one request and none of them in memory; channel may be "". The
// answer is read into out.
func (c *Client) UploadPackages(ctx context.Context, repository, channel string, files []string, fields map[string]string, out any) error {
	path := "repositories/" + url.PathEscape(repository) + "/packages"
	if channel != "" {
		path += "?" + url.Values{"channel": {channel}}.Encode()
	}
	return c.sendFiles(ctx, path, files, fields, out)
}

// ImportSnapshot sends what another server has exported. The answer is read into out.
func (c *Client) ImportSnapshot(ctx context.Context, repository, file string, fields map[string]string, out any) error {
	return c.sendFiles(ctx, "repositories/"+url.PathEscape(repository)+"/import", []string{file}, fields, out)
}

// sendFiles sends a form of fields and files, none of them in memory.
func (c *Client) sendFiles(ctx context.Context, path string, files []string, fields map[string]string, out any) error {
	body, to := io.Pipe()
	form := multipart.NewWriter(to)
	written := make(chan struct{})
	go func() {
		defer close(written)
		err := writeFiles(form, files, fields)
		if err == nil {
			err = form.Close() // only a whole form gets its end: the server would take half of one for what was meant
		}
		_ = to.CloseWithError(err) // it always succeeds
	}()
	defer func() {
		_ = body.Close() // ends the writer, too
		<-written
	}()
	answer, err := c.send(ctx, http.MethodPost, path, form.FormDataContentType(), body)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("cannot read the server's answer: %w", err)
	}
	return nil
}

func writeFiles(form *multipart.Writer, files []string, fields map[string]string) error {
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			return err
		}
	}
	for _, name := range files {
		if err := writeFile(form, name); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(form *multipart.Writer, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	part, err := form.CreateFormFile("file", filepath.Base(name))
	if err != nil {
		return err
	}
	_, err = io.Copy(part, file)
	return err
}

// WatchedFolder is what became of the files that were put into the watched folder.
type WatchedFolder struct {
	Path     string `json:"path"` // "" for none
	Added    int64  `json:"added"`
	Present  int64  `json:"present"`
	Refused  int64  `json:"refused"`
	Problems []struct {
		Path    string `json:"path"`
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"problems"`
}

// Mirror is a channel that is kept as an upstream is.
type Mirror struct {
	ID         int64      `json:"id"`
	Repository string     `json:"repository"`
	Channel    string     `json:"channel"`
	URL        string     `json:"url"`
	Suite      string     `json:"suite"`
	Packages   []string   `json:"packages"`
	Operation  int64      `json:"operation"`
	State      string     `json:"state"`
	RanAt      *time.Time `json:"ran_at"`
	NextAt     *time.Time `json:"next_at"`
}
