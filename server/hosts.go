package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"hostler/server/bootstrap/hostlist"
)

func expandHosts() *cobra.Command {
	return &cobra.Command{
		Use:   "expand TEXT…",
		Short: "Print the host names that a list with patterns stands for",
		Long: "Print one lower-cased name per line. Separators are line ends, blanks and commas; # starts a comment; " +
			"node[01-40].example stands for forty names. Problems go to standard error, with exit status 2.",
		Example: "  hostler hosts expand 'node[1-4].lab.test, db[a,b].lab.test'",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			hosts, problems := hostlist.Expand(strings.Join(args, "\n"))
			for _, p := range problems {
				if _, err := fmt.Fprintf(c.ErrOrStderr(), "line %d: %s\n", p.Line, p.Message); err != nil {
					return err
				}
			}
			out := bufio.NewWriter(c.OutOrStdout())
			for _, h := range hosts {
				if _, err := fmt.Fprintln(out, h.Name); err != nil {
					return err
				}
			}
			if err := out.Flush(); err != nil {
				return err
			}
			if len(problems) > 0 {
				return exitError(2)
			}
			return nil
		},
	}
}
