package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

func listSignRules() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "list",
		Short: "List the rules by which hosts without a token are signed at once",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return printList(c, &o, "sign-rules", nil, "ID\tHOST\tNETWORKS\tBY\tSINCE\tNOTE", func(r *client.SignRule) string {
				return fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s", r.ID, r.Host, orAny(r.Networks), r.CreatedBy, r.CreatedAt.Local().Format(time.DateTime), printable(r.Note))
			})
		},
	}
	o.flags(c)
	return c
}

func createSignRule() *cobra.Command {
	var (
		o  connection
		in struct {
			Host     string `json:"host"`
			Networks string `json:"networks,omitempty"`
			Note     string `json:"note,omitempty"`
		}
		anywhere bool
	)
	c := &cobra.Command{
		Use:   "create",
		Short: "Have hosts without a token signed at once",
		Long: "Have hosts without a token signed at once when their name and address match. A host says itself what it is called: a rule " +
			"without --networks lets in every machine that reaches the server and claims such a name, and needs --any-address. " +
			"*.example matches every name below example, not example itself.",
		Example: "  hostler sign-rules create --host '*.dc1.example' --networks 10.1.0.0/16",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if in.Networks == "" && !anywhere {
				return errors.New("without --networks whoever claims such a name is let in: give address ranges, or --any-address if that is meant")
			}
			return post(c, &o, "sign-rules", &in, func(r *client.SignRule) error {
				_, err := fmt.Fprintf(c.OutOrStdout(), "rule %d signs %s from %s\n", r.ID, r.Host, orAny(r.Networks))
				return err
			})
		},
	}
	o.flags(c)
	c.Flags().StringVar(&in.Host, "host", "", "host `name` or pattern")
	c.Flags().StringVar(&in.Networks, "networks", "", "the only address `ranges`, separated by commas")
	c.Flags().BoolVar(&anywhere, "any-address", false, "from any address: whoever claims such a name is let in")
	c.Flags().StringVar(&in.Note, "note", "", "what it is for, in a `text` that lists show")
	return c
}

func removeSignRule() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:     "remove ID...",
		Short:   "Remove rules; hosts that they have signed stay",
		Example: "  hostler sign-rules remove 3",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, id := range args {
				err := post(c, &o, "sign-rules/"+url.PathEscape(id)+"/remove", struct{}{}, func(r *client.SignRule) error {
					_, err := fmt.Fprintf(c.OutOrStdout(), "removed rule %d, %s from %s\n", r.ID, r.Host, orAny(r.Networks))
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
