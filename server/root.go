package main

import "github.com/spf13/cobra"

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "hostler",
		Short:         "Bring a rack of Linux machines under management",
		Long:          "Hostler puts an agent on every host of a list, over SSH or by one command, and shows what they report.",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.SetVersionTemplate("hostler {{.Version}}\n")
	c.AddCommand(
		serveCommand(),
		group("admin", "Manage administrators", createAdmin(), changePassword()),
		group("token", "Manage API tokens", createToken()),
		group("hosts", "Work with lists of hosts", expandHosts()),
	)
	return c
}

// group is a command that only holds others. By itself cobra would answer a mistyped one with help and success.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(commands...)
	return c
}
