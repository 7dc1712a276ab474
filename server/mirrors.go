package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

func mirrorCommands() *cobra.Command {
	return group("mirror", "Keep channels as upstreams are", listMirrors(), createMirror(), changeMirror(), runMirror(), removeMirror())
}

// mirrorRequest is what the API takes for a mirror.
type mirrorRequest struct {
	Channel       string   `json:"channel,omitempty"`
	URL           string   `json:"url"`
	Suite         string   `json:"suite,omitempty"`
	Components    []string `json:"components,omitempty"`
	Architectures []string `json:"architectures,omitempty"`
	Trust         string   `json:"trust,omitempty"`
	Keys          string   `json:"keys,omitempty"`
	Expired       bool     `json:"expired,omitempty"`
	Packages      []string `json:"packages,omitempty"`
	Exclude       []string `json:"exclude,omitempty"`
	Newest        int      `json:"newest,omitempty"`
	Alone         bool     `json:"alone,omitempty"`
	Recommended   bool     `json:"recommended,omitempty"`
	OnDemand      bool     `json:"on_demand,omitempty"`
	Schedule      string   `json:"schedule,omitempty"`
	Proxy         string   `json:"proxy,omitempty"`
	Bandwidth     int64    `json:"bandwidth,omitempty"`
}

// flags defines what a mirror is of, and returns what reads the files that flags name.
func (in *mirrorRequest) flags(c *cobra.Command) (complete func() error) {
	var keyFiles []string
	fs := c.Flags()
	fs.StringVar(&in.URL, "url", "", "the upstream's `address`")
	fs.StringVar(&in.Suite, "suite", "", "`suite` of an apt repository, the name below dists/")
	fs.StringSliceVar(&in.Components, "components", nil, "the only `components` of an apt repository, separated by commas (default all)")
	fs.StringSliceVar(&in.Architectures, "arch", nil, "the only `architectures`, separated by commas (default those of the repository)")
	fs.StringVar(&in.Trust, "trust", "index", "`what` vouches for the upstream: the signature of its index, that of each of its packages (rpms only), or nothing")
	fs.StringSliceVar(&keyFiles, "key", nil, "`file` with the upstream's public key, as text; may be given several times")
	fs.BoolVar(&in.Expired, "expired", false, "take an index that says that its time is over")
	fs.StringSliceVar(&in.Packages, "package", nil, "only packages of this `name`, a pattern maybe with a version, and what they need; may be given several times")
	fs.StringSliceVar(&in.Exclude, "exclude", nil, "never packages of this `name`; may be given several times")
	fs.IntVar(&in.Newest, "newest", 1, "`number` of versions of each package; 0 for all")
	fs.BoolVar(&in.Alone, "alone", false, "without what the packages need")
	fs.BoolVar(&in.Recommended, "recommended", false, "also what the packages recommend")
	fs.BoolVar(&in.OnDemand, "on-demand", false, "list packages at once, and fetch each when somebody asks for it first (debs only)")
	fs.StringVar(&in.Schedule, "schedule", "", "`when` it runs: cron's five fields in UTC, or @daily (default only when somebody starts it)")
	fs.StringVar(&in.Proxy, "proxy", "", "`address` of a proxy")
	fs.Int64Var(&in.Bandwidth, "bandwidth", 0, "most `bytes` a second (default as fast as it goes)")
	return func() error {
		for _, name := range keyFiles {
			data, err := os.ReadFile(name)
			if err != nil {
				return fmt.Errorf("cannot read the upstream's key: %w", err)
			}
			in.Keys += string(data) + "\n"
		}
		return nil
	}
}

func listMirrors() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "list REPOSITORY",
		Short: "List a repository's mirrors with their last runs",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return printList(c, &o, repositoryPath(args[0], "mirrors"), nil, "ID\tCHANNEL\tUPSTREAM\tWANTED\tLAST RUN\tOPERATION\tNEXT RUN", func(m *client.Mirror) string {
				wanted := "all"
				if len(m.Packages) > 0 {
					wanted = strings.Join(m.Packages, ", ")
				}
				return fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s\t%s", m.ID, m.Channel, strings.TrimSpace(m.URL+" "+m.Suite), wanted, orNever(m.RanAt, m.State), orNone(m.Operation), orNever(m.NextAt, ""))
			})
		},
	}
	o.flags(c)
	return c
}

func orNever(at *time.Time, state string) string {
	if at == nil {
		return "never"
	}
	return strings.TrimSpace(state + " " + at.Local().Format(time.DateTime))
}

func orNone(operation int64) string {
	if operation == 0 {
		return "-"
	}
	return strconv.FormatInt(operation, 10)
}

func createMirror() *cobra.Command {
	var (
		o  connection
		in mirrorRequest
	)
	c := &cobra.Command{
		Use:   "create REPOSITORY",
		Short: "Keep a channel as an upstream is",
		Long: "Keep a channel of a repository as an upstream is: all of it, or the packages that are named with everything that they need. " +
			"The channel is to be the mirror's own: what people upload to it goes with the next run.",
		Example: "  hostler repo mirror create debian --channel upstream --url https://deb.debian.org/debian --suite bookworm --components main \\\n" +
			"    --key /usr/share/keyrings/debian.asc --package nginx --package 'python3-*' --schedule '30 2 * * *'",
		Args: cobra.ExactArgs(1),
	}
	complete := in.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := complete(); err != nil {
			return err
		}
		return post(c, &o, repositoryPath(args[0], "mirrors"), &in, func(m *client.Mirror) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "mirror %d keeps %s/%s as %s is\n", m.ID, m.Repository, m.Channel, m.URL)
			return err
		})
	}
	o.flags(c)
	c.Flags().StringVar(&in.Channel, "channel", "", "`channel` that it keeps (default the repository's first)")
	return c
}

func changeMirror() *cobra.Command {
	var (
		o  connection
		in mirrorRequest
	)
	c := &cobra.Command{
		Use:   "change REPOSITORY ID",
		Short: "Give a mirror another definition; what is not given is as for a new one",
		Args:  cobra.ExactArgs(2),
	}
	complete := in.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := complete(); err != nil {
			return err
		}
		return post(c, &o, repositoryPath(args[0], "mirrors", args[1]), &in, func(m *client.Mirror) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "changed mirror %d\n", m.ID)
			return err
		})
	}
	o.flags(c)
	return c
}

func runMirror() *cobra.Command {
	var (
		o connection
		t targets
	)
	c := &cobra.Command{
		Use:   "run REPOSITORY ID",
		Short: "Run a mirror now, and wait for its end",
		Args:  cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return begin(c, &o, &t, repositoryPath(args[0], "mirrors", args[1], "run"), struct{}{})
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&t.noWait, "no-wait", false, "print the number of the operation and do not wait for it")
	return c
}

func removeMirror() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "remove REPOSITORY ID...",
		Short: "Remove mirrors; what they have brought stays",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var failed error
			for _, id := range args[1:] {
				failed = errors.Join(failed, post(c, &o, repositoryPath(args[0], "mirrors", id, "remove"), struct{}{}, func(m *client.Mirror) error {
					_, err := fmt.Fprintf(c.OutOrStdout(), "removed mirror %d of %s/%s\n", m.ID, m.Repository, m.Channel)
					return err
				}))
			}
			return failed
		},
	}
	o.flags(c)
	return c
}
