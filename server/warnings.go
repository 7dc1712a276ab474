package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

func acceptWarnings() *cobra.Command {
	var reason string
	c := settleWarnings("accept", "accepted", &reason)
	c.Short = "Let what a check warns of stay"
	c.Long = "Say that what a check warns of may stay on hosts. It is shown as accepted then, and counts as a warning no more. What the check " +
		"finds otherwise later, and what fails, is told all the same. Who accepted it, when and why is in the report and in the audit log. " +
		"Prints on how many hosts there was such a warning."
	c.Example = "  hostler checks accept --all --reason 'the databases want it so' swappiness\n  hostler checks accept --hosts 'db[1-3]' huge_pages"
	c.Flags().StringVar(&reason, "reason", "", "`why` it may stay")
	return c
}

func unacceptWarnings() *cobra.Command {
	c := settleWarnings("unaccept", "taken back", new(string))
	c.Short = "Take back that what a check warns of may stay"
	c.Long = "Take back that what a check warns of was accepted on hosts; it is a warning again. Prints on how many hosts it was accepted."
	c.Example = "  hostler checks unaccept --all swappiness"
	return c
}

// settleWarnings makes the command that asks the API's path of its name about a check's warnings on hosts.
func settleWarnings(name, done string, reason *string) *cobra.Command {
	var (
		o  connection
		in struct {
			targets
			Check  string `json:"check"`
			Reason string `json:"reason,omitempty"`
		}
	)
	c := &cobra.Command{
		Use:  name + " [flags] CHECK",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in.list()
			in.Check, in.Reason = args[0], *reason
			api, err := o.open()
			if err != nil {
				return err
			}
			var out struct {
				Count int `json:"count"`
			}
			if err := api.Post(c.Context(), "host-checks/"+name, &in, &out); err != nil {
				return refused(c, err)
			}
			if o.json {
				return json.NewEncoder(c.OutOrStdout()).Encode(out)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s on %d hosts\n", done, out.Count)
			return err
		},
	}
	o.flags(c)
	in.choose(c)
	return c
}
