package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func namesakes() *cobra.Command {
	var o connection
	type host struct {
		AgentSN string `json:"agentsn"`
		Address string `json:"address"`
		State   string `json:"state"`
	}
	type pair struct {
		Name, Story      string
		Former, Newcomer host
	}
	c := &cobra.Command{
		Use:   "namesakes [keep|refuse SERIAL]",
		Short: "List hosts that share a name, keep them, or turn one of them away",
		Long: "Tokens may bring a second host under a name that one has. List such pairs with the serial numbers of their agents; keep both, by " +
			"the newcomer's serial number, which takes them off the list until another one comes; or refuse one, whose certificates are revoked.",
		Example: "  hostler hosts namesakes\n  hostler hosts namesakes keep 1b4e28ba-2fa1-4d2f-883f-0016d3cca427",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			paths := map[string]string{"keep": "namesakes/keep", "refuse": "namesakes/turn-away"}
			switch {
			case len(args) == 0:
				return printList(c, &o, "namesakes", nil, "NAME\tFORMER\tADDRESS\tSTATE\tNEWCOMER\tADDRESS\tSTATE\tSTORY", func(p *pair) string {
					return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", p.Name, p.Former.AgentSN, p.Former.Address, p.Former.State,
						p.Newcomer.AgentSN, p.Newcomer.Address, p.Newcomer.State, p.Story)
				})
			case len(args) == 1 || paths[args[0]] == "":
				return errors.New("say keep or refuse, and a serial number")
			}
			return post(c, &o, paths[args[0]], &host{AgentSN: args[1]}, func(*struct{}) error { return nil })
		},
	}
	o.flags(c)
	return c
}
