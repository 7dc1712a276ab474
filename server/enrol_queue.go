package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func enrolQueue() *cobra.Command {
	var o connection
	type queue struct {
		Open bool `json:"open"`
	}
	c := &cobra.Command{
		Use:   "queue [open|closed]",
		Short: "Say, or tell, whether hosts without a token may wait for approval",
		Long: "Say whether hosts without a token may wait for approval; without an argument, tell it. While the queue is closed such hosts are " +
			"refused, unless a rule or the program signs them. Those that wait already stay.",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"open", "closed"},
		RunE: func(c *cobra.Command, args []string) error {
			tell := func(q *queue) error {
				state := "closed"
				if q.Open {
					state = "open"
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "the queue is %s\n", state)
				return err
			}
			if len(args) == 1 {
				return post(c, &o, "enrol-queue", &queue{args[0] == "open"}, tell)
			}
			return ask(c, &o, "enrol-queue", tell)
		},
	}
	o.flags(c)
	return c
}
