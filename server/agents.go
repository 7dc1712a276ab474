package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"hostler/agent/wire"
	"hostler/server/client"
)

func listChildren() *cobra.Command {
	var (
		o                    connection
		name, search, status string
	)
	c := &cobra.Command{
		Use:     "list",
		Short:   "List child agents on all hosts",
		Example: "  hostler agents list --status fatal",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return printList(c, &o, "child-agents", map[string]string{"name": name, "search": search, "status": status},
				"HOST\tNAME\tSTATUS\tVERSION\tUPTIME\tRESTARTS\tMEMORY\tCPU\tREASON", func(child *client.Child) string {
					return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d\t%.1f M\t%.1f%%\t%s", child.Host, child.Name, child.Status, printable(child.Version),
						time.Duration(child.Uptime)*time.Second, child.Restarts, float64(child.Memory)/(1<<20), child.CPU, printable(child.Reason))
				})
		},
	}
	o.flags(c)
	c.Flags().StringVar(&name, "name", "", "only child agents of this `name`")
	c.Flags().StringVar(&search, "search", "", "only child agents with this `text` in their name")
	c.Flags().StringVar(&status, "status", "", "only those that are: running, stoped, fatal or killed")
	return c
}

// childRequest is the API's.
type childRequest struct {
	*targets
	Name       string            `json:"name"`
	URL        string            `json:"url,omitempty"`
	Checksum   string            `json:"checksum,omitempty"`
	Version    string            `json:"version,omitempty"`
	Definition string            `json:"definition,omitempty"`
	Envs       map[string]string `json:"envs,omitempty"`
	Limits     *wire.Limits      `json:"limits,omitempty"`
}

// childAction is a command for one action; brings says that it takes a package, configures that it takes settings.
func childAction(action, short string, brings, configures bool) *cobra.Command {
	var (
		o          connection
		t          targets
		in         childRequest
		definition string
		envs       []string
		limits     wire.Limits
	)
	c := &cobra.Command{
		Use:     action + " [flags] NAME",
		Short:   short,
		Example: fmt.Sprintf("  hostler agents %s --hosts 'web[01-20]' BasicAgent", action),
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			in.targets, in.Name = t.list(), args[0]
			if definition != "" {
				text, err := os.ReadFile(definition)
				if err != nil {
					return fmt.Errorf("cannot read the definition: %w", err)
				}
				in.Definition = string(text)
			}
			if in.Envs, err = variables(envs); err != nil {
				return err
			}
			if limits != (wire.Limits{}) {
				in.Limits = &limits
			}
			return begin(c, &o, &t, "child-agents/"+action, &in)
		},
	}
	o.flags(c)
	t.flags(c)
	if brings {
		c.Flags().StringVar(&in.URL, "url", "", "`URL` of the deb, rpm, tar.gz or zip (default what was installed before, or the repository has; see agents catalogue)")
		c.Flags().StringVar(&in.Checksum, "checksum", "", "its `checksum`, SHA256:… ")
		c.Flags().StringVar(&in.Version, "version-of", "", "its `version`")
	}
	if brings || configures {
		c.Flags().StringVar(&definition, "definition", "", "`file` with its definition (see docs/child-agents.md)")
		envFlag(c, &envs)
		limitFlags(c, &limits)
	}
	return c
}

func childFile() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "definition [flags] HOST NAME",
		Short: "Print what a host's file says of a child agent now",
		Long: "Ask a host for the definition of a child agent and print it. Standard error says whether it was changed on the host since it " +
			"was last sent from here.",
		Example: "  hostler agents definition web01 BasicAgent >basic.ini",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			var file client.ChildFile
			query := url.Values{"host": {args[0]}, "name": {args[1]}}
			if err := api.Get(c.Context(), "child-agents/definition?"+query.Encode(), &file); err != nil {
				return refused(c, err)
			}
			if file.Text == "" {
				return errors.New("the host has no file for it that can be shown")
			}
			if file.Edited {
				_, _ = fmt.Fprintf(c.ErrOrStderr(), "%s was changed on the host: it is not what was last sent from here\n", printable(file.File))
			}
			_, err = io.WriteString(c.OutOrStdout(), file.Text)
			return err
		},
	}
	o.flags(c)
	return c
}

func childLog() *cobra.Command {
	var (
		o  connection
		in struct {
			Host   string      `json:"host"`
			Name   string      `json:"name"`
			Stream wire.Stream `json:"stream,omitempty"`
			Bytes  int64       `json:"bytes,omitempty"`
		}
		stderr bool
	)
	c := &cobra.Command{
		Use:     "log [flags] HOST NAME",
		Short:   "Print the end of a child agent's log",
		Example: "  hostler agents log web01 BasicAgent --stderr",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			in.Host, in.Name = args[0], args[1]
			if stderr {
				in.Stream = wire.Stderr
			}
			var started struct {
				JobID string `json:"job_id"`
			}
			if err := api.Post(c.Context(), "child-agents/log", &in, &started); err != nil {
				return refused(c, err)
			}
			j, err := printOutput(c.Context(), c, api, started.JobID, true)
			if err != nil {
				return err
			}
			if j.State != "succeeded" {
				return fmt.Errorf("cannot read the log: %s", printable(j.Message))
			}
			return nil
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&stderr, "stderr", false, "that of standard error")
	c.Flags().Int64Var(&in.Bytes, "bytes", 0, "how much of it (default 64 KiB)")
	return c
}

func upgradeAgents() *cobra.Command {
	var (
		o connection
		t targets
	)
	c := &cobra.Command{
		Use:   "upgrade-agents [flags]",
		Short: "Bring the agents of hosts to this server's version",
		Long: "Replace hostler-agent itself on hosts, in place and without disturbing child agents. An agent whose new version does not " +
			"report takes the old one back.",
		Example: "  hostler upgrade-agents --all --batch 50 --stop-after 1",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return begin(c, &o, &t, "agent-upgrades", t.list())
		},
	}
	o.flags(c)
	t.flags(c)
	return c
}
