package main

import (
	"github.com/spf13/cobra"
)

func mendChecked() *cobra.Command {
	var (
		o  connection
		in struct {
			targets
			Check string `json:"check"`
		}
	)
	c := &cobra.Command{
		Use:   "mend [flags] CHECK",
		Short: "Mend what a check found, and check again",
		Long: "Run the commands that mend what a check found, on those of the hosts on which it found just that, and check these again. \"hostler checks show " +
			"--json\" has the commands, as \"script\". There are none for what only a person can decide.",
		Example: "  hostler checks mend --all swappiness",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in.list()
			in.Check = args[0]
			return begin(c, &o, &in.targets, "host-checks/mend", &in)
		},
	}
	o.flags(c)
	in.choose(c)
	c.Flags().BoolVar(&in.noWait, "no-wait", false, "print the number of the operation and do not wait for it")
	return c
}
