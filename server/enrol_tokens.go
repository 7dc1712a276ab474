package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

func listEnrolTokens() *cobra.Command {
	var (
		o     connection
		state string
	)
	c := &cobra.Command{
		Use:     "list",
		Short:   "List enrolment tokens, newest first",
		Example: "  hostler enrol-tokens list --state open",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return printList(c, &o, "enrol-tokens", map[string]string{"state": state},
				"ID\tSTATE\tHOST\tNETWORKS\tUSED\tUNTIL\tBY\tNOTE", func(t *client.EnrolToken) string {
					return fmt.Sprintf("%d\t%s\t%s\t%s\t%d/%d\t%s\t%s\t%s", t.ID, t.State, orAny(t.Host), orAny(t.Networks), t.Uses-t.UsesLeft, t.Uses,
						t.ExpiresAt.Local().Format(time.DateTime), t.CreatedBy, printable(t.Note))
				})
		},
	}
	o.flags(c)
	c.Flags().StringVar(&state, "state", "", "only those in this `state`: open, used, expired or ended")
	return c
}

func orAny(scope string) string {
	if scope == "" {
		return "any"
	}
	return scope
}

func createEnrolToken() *cobra.Command {
	var (
		o  connection
		in struct {
			Host     string `json:"host,omitempty"`
			Networks string `json:"networks,omitempty"`
			Uses     int    `json:"uses,omitempty"`
			Lifetime int    `json:"lifetime,omitempty"`
			Cluster  string `json:"cluster,omitempty"`
			Tags     string `json:"tags,omitempty"`
			Note     string `json:"note,omitempty"`
		}
		lifetime time.Duration
	)
	c := &cobra.Command{
		Use:   "create",
		Short: "Make a token that admits hosts, and print it once",
		Long: "Make a token that admits hosts. It goes to standard output, what it is good for to standard error. A star in --host stands for " +
			"any characters up to a dot; *.example matches every name below example, not example itself.",
		Example: "  hostler enrol-tokens create --host 'web*.dc1.example' --networks 10.1.0.0/16 --uses 20 --lifetime 1h",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if lifetime%time.Second != 0 {
				return errors.New("--lifetime must be whole seconds")
			}
			in.Lifetime = int(lifetime / time.Second)
			return post(c, &o, "enrol-tokens", &in, func(t *client.EnrolToken) error {
				if _, err := fmt.Fprintln(c.OutOrStdout(), t.Token); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.ErrOrStderr(), "token %d admits %d: %s from %s, until %s\n", t.ID, t.Uses, orAny(t.Host), orAny(t.Networks),
					t.ExpiresAt.Local().Format(time.DateTime))
				return err
			})
		},
	}
	o.flags(c)
	c.Flags().StringVar(&in.Host, "host", "", "the only host `name` that it admits, or a pattern (default any)")
	c.Flags().StringVar(&in.Networks, "networks", "", "the only address `ranges` that it admits from, separated by commas (default any)")
	c.Flags().IntVar(&in.Uses, "uses", 1, "`number` of hosts that it admits")
	c.Flags().DurationVar(&lifetime, "lifetime", 15*time.Minute, "`time` that it lives")
	c.Flags().StringVar(&in.Cluster, "cluster", "", "`name` of the cluster that its hosts belong to")
	c.Flags().StringVar(&in.Tags, "tags", "", "`tags` of its hosts, as service=web,rack=12")
	c.Flags().StringVar(&in.Note, "note", "", "what it is for, in a `text` that lists show")
	return c
}

func carryEnrolToken() *cobra.Command {
	var (
		o      connection
		output string
	)
	c := &cobra.Command{
		Use:   "archive ID",
		Short: "Write all that a host needs to enrol with a token to one file, to carry over",
		Long: "Write all that a host needs to enrol with a token to one file, for hosts that download nothing: the agent's packages, the CA " +
			"certificate, the settings and the token. There run: tar -xf FILE && sh hostler-agent-ID/install.sh. Whoever has the file has the token. " +
			"The server that made the token knows it as long as it runs and the token is good.",
		Example: "  hostler enrol-tokens archive 31 --output rack12.tar",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return download(c, &o, "enrol-tokens/"+url.PathEscape(args[0])+"/archive", output)
		},
	}
	o.flags(c)
	c.Flags().StringVarP(&output, "output", "o", "", "`file` to write, which must not be there")
	_ = c.MarkFlagRequired("output") // it is defined above
	return c
}

func endEnrolToken() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:     "end ID...",
		Short:   "End tokens before their time; hosts that they have admitted stay",
		Example: "  hostler enrol-tokens end 31",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, id := range args {
				err := post(c, &o, "enrol-tokens/"+url.PathEscape(id)+"/end", struct{}{}, func(t *client.EnrolToken) error {
					_, err := fmt.Fprintf(c.OutOrStdout(), "token %d: %s\n", t.ID, t.State)
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	o.flags(c)
	return c
}
