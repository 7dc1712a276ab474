package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

// catalogue lists what was installed before.
func catalogue() *cobra.Command {
	var o connection
	var repository bool
	c := &cobra.Command{
		Use:   "catalogue",
		Short: "List the child agents that were installed before, or that the repository has",
		Long: "List the versions of child agents that were installed on some host. \"hostler agents install NAME\" without --url installs " +
			"the last used one of them, or that of --version-of; of a name that is not among them, the archive that the repository has.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if repository {
				return printList(c, &o, "child-archives", nil, "NAME\tVERSION\tARCH\tREPOSITORY\tCHANNELS", func(a *client.ChildArchive) string {
					return fmt.Sprintf("%s\t%s\t%s\t%s\t%s", a.Name, a.Version, a.Arch, a.Repository, strings.Join(a.Channels, ","))
				})
			}
			return printList(c, &o, "child-definitions", nil, "NAME\tVERSION\tUSED\tBY\tURL", func(d *client.ChildDefinition) string {
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%s", d.Name, printable(d.Version), d.UsedAt.Local().Format(time.DateTime), d.UsedBy, printable(d.URL))
			})
		},
	}
	c.Flags().BoolVar(&repository, "repository", false, "list the archives that channels of the repository serve instead")
	o.flags(c)
	return c
}

// forgetDefinition takes a version off the catalogue.
func forgetDefinition() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:     "forget NAME [VERSION]",
		Short:   "Take a version of a child agent off the catalogue; what is installed stays",
		Example: "  hostler agents forget BasicAgent 1.5.6",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			in := map[string]string{"name": args[0]}
			if len(args) > 1 {
				in["version"] = args[1]
			}
			return refused(c, api.Post(c.Context(), "child-definitions/forget", in, nil))
		},
	}
	o.flags(c)
	return c
}
