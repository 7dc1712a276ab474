package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func removeHosts() *cobra.Command {
	var (
		o  connection
		t  targets
		in struct {
			*targets
			KeepChildren bool `json:"keep_children,omitempty"`
			Gone         bool `json:"gone,omitempty"`
		}
		stop, sure bool
	)
	c := &cobra.Command{
		Use:   "remove [flags] [NAME…]",
		Short: "Remove hosts: uninstall the agent, revoke its certificates, forget the host",
		Long: "Take hosts out of Hostler. Their child agents are stopped, or go on with --keep-children; the agent is uninstalled, its " +
			"certificates are revoked, and the server forgets the host. It comes back only when somebody lets it in anew. A host that does " +
			"not report fails; with --gone nothing is done on it. Hosts that are chosen by anything but their names need --yes.",
		Example: "  hostler hosts remove web07.example\n  hostler hosts remove --gone web08.example\n  hostler hosts remove --yes --state lost --gone",
		RunE: func(c *cobra.Command, args []string) error {
			t.hosts = append(t.hosts, args...)
			in.targets = t.list()
			switch {
			case stop && in.KeepChildren:
				return errors.New("give --stop-children or --keep-children, but not both")
			case len(args) == 0 && !sure:
				return errors.New("name the hosts, or say --yes: what is removed cannot be taken back")
			}
			return begin(c, &o, &t, "host-removals", &in)
		},
	}
	o.flags(c)
	t.flags(c)
	c.Flags().BoolVar(&in.KeepChildren, "keep-children", false, "leave child agents running, with their files, for an agent that comes after")
	c.Flags().BoolVar(&stop, "stop-children", false, "stop child agents (the default)")
	c.Flags().BoolVar(&in.Gone, "gone", false, "the hosts are not there any more: do nothing on them")
	c.Flags().BoolVar(&sure, "yes", false, "remove hosts that are chosen by a list, a state, a search or --all")
	return c
}
