package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

func repositoryCommands() *cobra.Command {
	return group("repo", "Manage the repositories that hosts install from",
		listRepositories(), createRepository(), removeRepository(), addPackages(), listPackages(), packageHosts(), dropPackages(),
		listSnapshots(), diffSnapshots(), promoteChannel(), rollBackChannel(), exportSnapshot(), importSnapshot(), watchedFolder(), mirrorCommands(), keyCommands())
}

// repositoryPath is where the API has a repository, or something of it.
func repositoryPath(name string, below ...string) string {
	return strings.Join(append([]string{"repositories", url.PathEscape(name)}, below...), "/")
}

func listRepositories() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "list",
		Short: "List repositories and where their channels point",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return printList(c, &o, "repositories", nil, "REPOSITORY\tKIND\tCHANNELS", func(r *client.Repository) string {
				channels := make([]string, len(r.Channels))
				for i, ch := range r.Channels {
					channels[i] = fmt.Sprintf("%s=%d (%d packages)", ch.Name, ch.Snapshot, ch.Packages)
				}
				return fmt.Sprintf("%s\t%s\t%s", r.Name, r.Kind, strings.Join(channels, ", "))
			})
		},
	}
	o.flags(c)
	return c
}

func watchedFolder() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "folder",
		Short: "Tell what became of the files in the server's watched folder",
		Long: "Tell what became of the files that were put into the folder that the server watches (its setting watch-folder), into " +
			"REPOSITORY/CHANNEL below it: how many were taken since the server started, and what is not taken, and why.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return ask(c, &o, "watched-folder", func(f *client.WatchedFolder) error {
				if f.Path == "" {
					_, err := fmt.Fprintln(c.OutOrStdout(), "the server watches no folder")
					return err
				}
				lines := []string{fmt.Sprintf("%s: %d added, %d present already, %d refused", f.Path, f.Added, f.Present, f.Refused)}
				for _, p := range f.Problems {
					lines = append(lines, fmt.Sprintf("%s is not taken: %s", p.Path, p.Message))
				}
				_, err := fmt.Fprintln(c.OutOrStdout(), strings.Join(lines, "\n"))
				return err
			})
		},
	}
	o.flags(c)
	return c
}

func createRepository() *cobra.Command {
	var (
		o  connection
		in struct {
			Name          string   `json:"name"`
			Kind          string   `json:"kind"`
			Architectures []string `json:"architectures,omitempty"`
			Channels      []string `json:"channels,omitempty"`
			Description   string   `json:"description,omitempty"`
		}
	)
	c := &cobra.Command{
		Use:     "create NAME",
		Short:   "Make a repository; its channels are empty at first",
		Example: "  hostler repo create tools --kind apt --channel dev,test,production",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in.Name = args[0]
			return change(c, &o, "repositories", &in, func() string { return "made " + in.Name })
		},
	}
	o.flags(c)
	fs := c.Flags()
	fs.StringVar(&in.Kind, "kind", "", "`kind` of repository: apt, yum or archive")
	fs.StringSliceVar(&in.Architectures, "arch", nil, "`architectures` that it is for, as its package manager calls them (default those of amd64 and arm64)")
	fs.StringSliceVar(&in.Channels, "channel", nil, "`channels`; uploads go to the first (default stable)")
	fs.StringVar(&in.Description, "description", "", "one `line` that says what it is for")
	return c
}

func removeRepository() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a repository with all its snapshots and channels",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			if err := api.Post(c.Context(), repositoryPath(args[0], "remove"), nil, nil); err != nil {
				return refused(c, err)
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "removed "+args[0])
			return err
		},
	}
	o.flags(c)
	return c
}

// change posts a request and prints either the answer as JSON or a sentence.
func change(c *cobra.Command, o *connection, path string, in any, said func() string) error {
	api, err := o.open()
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := api.Post(c.Context(), path, in, &answer); err != nil {
		return refused(c, err)
	}
	text := string(answer)
	if !o.json {
		text = said()
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), text)
	return err
}

func addPackages() *cobra.Command {
	var (
		o                              connection
		repository, channel, ver, arch string
	)
	c := &cobra.Command{
		Use:   "add [flags] FILE...",
		Short: "Upload packages, and publish them together",
		Long: "Upload debs, rpms or archives to a repository. Each is looked through; rpms are signed with the server's key. A file that " +
			"cannot be taken is told, and the others go on. Without --repo they go to the server's own repositories, which every host has: " +
			"debs to apt, rpms to yum, archives to static. Exits with 1 when a file was refused.",
		Example: "  hostler repo add --repo tools --channel dev build/*.deb",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, name := range args {
				if stat, err := os.Stat(name); err != nil {
					return fmt.Errorf("cannot read the file: %w", err)
				} else if !stat.Mode().IsRegular() {
					return fmt.Errorf("cannot read the file: %s is no file", name)
				}
			}
			api, err := o.open()
			if err != nil {
				return err
			}
			fields := map[string]string{}
			for name, value := range map[string]string{"version": ver, "arch": arch} {
				if value != "" {
					fields[name] = value
				}
			}
			var failed error
			for _, one := range byRepository(repository, args) {
				var answer json.RawMessage
				if err := api.UploadPackages(c.Context(), one.repository, channel, one.files, fields, &answer); err != nil {
					return refused(c, err)
				}
				if err := printUploaded(c, &o, answer); errors.As(err, new(exitError)) {
					failed = err
				} else if err != nil {
					return err
				}
			}
			return failed
		},
	}
	o.flags(c)
	fs := c.Flags()
	fs.StringVar(&repository, "repo", "", "`repository` to put them into (default the server's own for their kind)")
	fs.StringVar(&channel, "channel", "", "`channel` to publish them in (default the repository's first)")
	fs.StringVar(&ver, "version", "", "`version` of archives whose names do not tell it")
	fs.StringVar(&arch, "arch", "", "`architecture` of archives whose names do not tell it")
	return c
}

type batch struct {
	repository string
	files      []string
}

// byRepository sorts files to the repository that was named, or to the server's own of their kind.
func byRepository(named string, files []string) []batch {
	var all []batch
	for _, file := range files {
		to := named
		if to == "" {
			switch filepath.Ext(file) {
			case ".deb":
				to = "apt"
			case ".rpm":
				to = "yum"
			default:
				to = "static"
			}
		}
		at := slices.IndexFunc(all, func(b batch) bool { return b.repository == to })
		if at < 0 {
			at, all = len(all), append(all, batch{repository: to})
		}
		all[at].files = append(all[at].files, file)
	}
	return all
}

// printUploaded tells what became of each file; exitError when one was refused.
func printUploaded(c *cobra.Command, o *connection, answer json.RawMessage) error {
	var up client.Uploaded
	if err := json.Unmarshal(answer, &up); err != nil {
		return fmt.Errorf("cannot read the server's answer: %w", err)
	}
	failed := false
	for i := range up.Files {
		f := &up.Files[i]
		failed = failed || f.State == "refused"
		if o.json {
			continue
		}
		text := printable(f.File) + ": " + f.State
		if f.Reason != "" {
			text += ": " + printable(f.Reason)
		}
		for _, warning := range f.Warnings {
			text += "\n  warning: " + printable(warning.Message)
		}
		if _, err := fmt.Fprintln(c.OutOrStdout(), text); err != nil {
			return err
		}
	}
	text := string(answer)
	if !o.json {
		text = fmt.Sprintf("%s, channel %s: snapshot %d", up.Repository, up.Channel, up.Snapshot)
	}
	if _, err := fmt.Fprintln(c.OutOrStdout(), text); err != nil {
		return err
	}
	if failed {
		return exitError(1)
	}
	return nil
}

func listPackages() *cobra.Command {
	var (
		o               connection
		channel, search string
		snapshot        int
	)
	c := &cobra.Command{
		Use:     "packages NAME",
		Short:   "List the packages of a channel or a snapshot",
		Example: "  hostler repo packages tools --channel production --search nginx",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			filters := map[string]string{"channel": channel, "search": search}
			if snapshot != 0 {
				filters["snapshot"] = strconv.Itoa(snapshot)
			}
			return printList(c, &o, repositoryPath(args[0], "packages"), filters, "PACKAGE\tVERSION\tARCH\tSIZE\tREQUESTS\tDIGEST", func(p *client.Package) string {
				return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%s", p.Name, p.Version, p.Arch, p.Size, p.Requests, p.Digest)
			})
		},
	}
	o.flags(c)
	fs := c.Flags()
	fs.StringVar(&channel, "channel", "", "`channel` to look into (default the repository's first)")
	fs.IntVar(&snapshot, "snapshot", 0, "`number` of a snapshot to look into instead")
	fs.StringVar(&search, "search", "", "only those with this `text` in name or summary")
	return c
}

func packageHosts() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "hosts NAME DIGEST",
		Short: "List the hosts that have a package of a repository",
		Long: "List the hosts that have a package of a repository, as far as hosts tell: they report their agent and their child agents. Exits with " +
			"1 for other debs and rpms, of which nobody tells.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			path := repositoryPath(args[0], "packages", args[1], "hosts")
			api, err := o.open()
			if err != nil {
				return err
			}
			var about client.PackageHosts
			if err := api.Get(c.Context(), path+"?limit=1", &about); err != nil {
				return refused(c, err)
			}
			if about.Told == "untold" {
				return errors.New("cannot tell who has it: hosts report their agent and their child agents, and it is neither")
			}
			return printList(c, &o, path, nil, "HOST\tSTATE", func(h *client.PackageHost) string {
				return fmt.Sprintf("%s\t%s", h.Host, h.State)
			})
		},
	}
	o.flags(c)
	return c
}

func dropPackages() *cobra.Command {
	var (
		o  connection
		in struct {
			Channel  string   `json:"channel,omitempty"`
			Packages []string `json:"packages"`
		}
	)
	c := &cobra.Command{
		Use:   "drop NAME DIGEST...",
		Short: "Take packages out of a channel; earlier snapshots keep them",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			in.Packages = args[1:]
			return change(c, &o, repositoryPath(args[0], "drop"), &in, func() string { return fmt.Sprintf("dropped %d", len(in.Packages)) })
		},
	}
	o.flags(c)
	c.Flags().StringVar(&in.Channel, "channel", "", "`channel` to take them out of (default the repository's first)")
	return c
}

func listSnapshots() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "snapshots NAME",
		Short: "List a repository's snapshots, newest first",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return printList(c, &o, repositoryPath(args[0], "snapshots"), nil, "SNAPSHOT\tCREATED\tBY\tPACKAGES\tADDED\tREMOVED\tCHANNELS", func(s *client.Snapshot) string {
				return fmt.Sprintf("%d\t%s\t%s\t%d\t%d\t%d\t%s", s.Number, s.Created.Local().Format(time.DateTime), s.By, s.Packages, s.Added, s.Removed, strings.Join(s.Channels, ", "))
			})
		},
	}
	o.flags(c)
	return c
}

func diffSnapshots() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "diff NAME FROM TO",
		Short: "Show what changed from one snapshot to another",
		Args:  cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			path := repositoryPath(args[0], "diff?") + url.Values{"from": {args[1]}, "to": {args[2]}}.Encode()
			if o.json {
				return refused(c, printJSON(c.Context(), api, path, c.OutOrStdout()))
			}
			var d client.Diff
			if err := api.Get(c.Context(), path, &d); err != nil {
				return refused(c, err)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			var errs []error
			line := func(sign string, p *client.Package, version string) {
				_, err := fmt.Fprintf(w, "%s %s\t%s\t%s\n", sign, p.Name, version, p.Arch)
				errs = append(errs, err)
			}
			for i := range d.Added {
				line("+", &d.Added[i], d.Added[i].Version)
			}
			for i := range d.Changed {
				line("~", &d.Changed[i].To, d.Changed[i].From.Version+" -> "+d.Changed[i].To.Version)
			}
			for i := range d.Removed {
				line("-", &d.Removed[i], d.Removed[i].Version)
			}
			return errors.Join(append(errs, w.Flush())...)
		},
	}
	o.flags(c)
	return c
}

func promoteChannel() *cobra.Command {
	var (
		o  connection
		in struct {
			Channel  string `json:"channel"`
			Snapshot int    `json:"snapshot,omitempty"`
			From     string `json:"from,omitempty"`
			Create   bool   `json:"create,omitempty"`
		}
	)
	c := &cobra.Command{
		Use:     "promote NAME CHANNEL",
		Short:   "Let a channel point at another channel's snapshot, or at one by its number",
		Example: "  hostler repo promote tools production --from test",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if (in.From == "") == (in.Snapshot == 0) {
				return errors.New("give either --from or --snapshot")
			}
			in.Channel = args[1]
			return change(c, &o, repositoryPath(args[0], "promote"), &in, func() string { return "promoted " + in.Channel })
		},
	}
	o.flags(c)
	c.Flags().StringVar(&in.From, "from", "", "`channel` whose snapshot it is to have")
	c.Flags().IntVar(&in.Snapshot, "snapshot", 0, "`number` of the snapshot that it is to have")
	c.Flags().BoolVar(&in.Create, "create", false, "make the channel if there is none of the name")
	return c
}

func rollBackChannel() *cobra.Command {
	var (
		o  connection
		in struct {
			Channel  string `json:"channel"`
			Snapshot int    `json:"snapshot"`
		}
	)
	c := &cobra.Command{
		Use:   "rollback NAME CHANNEL",
		Short: "Let a channel point at the snapshot that it had before",
		Long: "Let a channel point at the snapshot that it had before. Where somebody changes the channel at the same moment, nothing is " +
			"done: of two that roll back one goes back one step, not both two.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			in.Channel = args[1]
			if in.Snapshot == 0 {
				api, err := o.open()
				if err != nil {
					return err
				}
				if in.Snapshot, err = api.ChannelSnapshot(c.Context(), args[0], in.Channel); err != nil {
					return refused(c, err)
				}
			}
			return change(c, &o, repositoryPath(args[0], "rollback"), &in, func() string { return "rolled back " + in.Channel })
		},
	}
	o.flags(c)
	c.Flags().IntVar(&in.Snapshot, "snapshot", 0, "`number` of the snapshot to go back from (default the one that the channel has)")
	return c
}
