package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"

	"github.com/spf13/cobra"
)

func exportSnapshot() *cobra.Command {
	var (
		o                      connection
		channel, since, output string
		snapshot               int
	)
	c := &cobra.Command{
		Use:   "export NAME",
		Short: "Write a snapshot to one signed file, for a server that no network reaches",
		Long: "Write a snapshot to one signed file, for a server that no network reaches: that of a channel, or one by its number. With " +
			"--since, packages are left out that an earlier snapshot has, given by its number or by the file that it was exported to.",
		Example: "  hostler repo export debian --channel production --output debian.hostler-repo\n" +
			"  hostler repo export debian --channel production --since debian.hostler-repo --output debian-2.hostler-repo",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			query := url.Values{}
			if channel != "" {
				query.Set("channel", channel)
			}
			if snapshot != 0 {
				query.Set("snapshot", strconv.Itoa(snapshot))
			}
			if since != "" {
				number, err := exportedSnapshot(since, args[0])
				if err != nil {
					return err
				}
				query.Set("since", strconv.Itoa(number))
			}
			return download(c, &o, repositoryPath(args[0], "export?")+query.Encode(), output)
		},
	}
	o.flags(c)
	fs := c.Flags()
	fs.StringVar(&channel, "channel", "", "`channel` whose snapshot it is (default the repository's first)")
	fs.IntVar(&snapshot, "snapshot", 0, "`number` of a snapshot instead")
	fs.StringVar(&since, "since", "", "`number` or file of an earlier export, whose packages are left out")
	fs.StringVarP(&output, "output", "o", "", "`file` to write, which must not be there")
	_ = c.MarkFlagRequired("output") // it is defined above
	return c
}

// download writes an answer to a new file; nothing stays of one that is not whole.
func download(c *cobra.Command, o *connection, path, output string) (err error) {
	api, err := o.open()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write the file: %w", err)
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(output)
		}
	}()
	if _, err := api.Download(c.Context(), path, file); err != nil {
		return refused(c, err)
	}
	stat, err := file.Stat()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "wrote %s, %d bytes\n", output, stat.Size())
	return err
}

// exportedSnapshot is a snapshot's number, given as that or as a file that it was exported to.
func exportedSnapshot(text, repository string) (int, error) {
	if number, err := strconv.Atoi(text); err == nil {
		return number, nil
	}
	file, err := os.Open(text)
	if err != nil {
		return 0, fmt.Errorf("cannot read the earlier export: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	var manifest struct {
		Repository string `json:"repository"`
		Snapshot   int    `json:"snapshot"`
	}
	entries := tar.NewReader(file)
	header, err := entries.Next()
	if err == nil && header.Name == "manifest.json" {
		const most = 256 << 20 // bytes; what a server takes
		err = json.NewDecoder(io.LimitReader(entries, most)).Decode(&manifest)
	}
	switch {
	case err != nil || manifest.Snapshot == 0:
		return 0, fmt.Errorf("%s is no export", text)
	case manifest.Repository != repository:
		return 0, fmt.Errorf("%s is of the repository %s", text, manifest.Repository)
	}
	return manifest.Snapshot, nil
}

func importSnapshot() *cobra.Command {
	var (
		o                   connection
		repository, channel string
		key                 string
	)
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Make a channel have what another server has exported",
		Long: "Make a channel have what another server has exported. All of the file is held against its signature and checksums before " +
			"anything is changed. The key is that of the exporting server: its page Snapshots shows it.",
		Example: "  hostler repo import debian.hostler-repo --repo debian --key 3c6f0a9be27a1f6d2f4f7c55d8e1a9b04c7d2e11",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			if _, err := os.Stat(args[0]); err != nil {
				return fmt.Errorf("cannot read the file: %w", err)
			}
			var answer json.RawMessage
			if err := api.ImportSnapshot(c.Context(), repository, args[0], map[string]string{"channel": channel, "key": key}, &answer); err != nil {
				return refused(c, err)
			}
			type imported struct {
				Repository string `json:"repository"`
				Channel    string `json:"channel"`
				Snapshot   int    `json:"snapshot"`
				Packages   int    `json:"packages"`
				Brought    int    `json:"brought"`
			}
			return printAnswer(c, &o, answer, func(i *imported) error {
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s, channel %s: snapshot %d has %d packages, %d of them from the file\n", i.Repository, i.Channel, i.Snapshot, i.Packages, i.Brought)
				return err
			})
		},
	}
	o.flags(c)
	fs := c.Flags()
	fs.StringVar(&repository, "repo", "", "`repository` that it is for")
	fs.StringVar(&channel, "channel", "", "`channel` that it is for (default the repository's first)")
	fs.StringVar(&key, "key", "", "`fingerprint` of the key that must have signed it (default that of the server itself)")
	_ = c.MarkFlagRequired("repo") // it is defined above
	return c
}
