package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"hostler/server/bootstrap/hostlist"
)

func expandHosts() *cobra.Command {
	var long bool
	c := &cobra.Command{
		Use:   "expand TEXT…",
		Short: "Print the host names that a list with patterns stands for",
		Long: "Print one lower-cased name per line. Separators are line ends, blanks and commas; # starts a comment; " +
			"node[01-40].example stands for forty names, n[1-9/2] for five, 10.0.0.0/24 for the addresses of a network. " +
			"A line may also say user@, :port and labels such as rack=/r7. Problems go to standard error, with exit status 2.",
		Example: "  hostler hosts expand 'node[1-4].lab.test, db[a,b].lab.test'",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return printHosts(c, hostlist.Read(strings.Join(args, "\n")), long)
		},
	}
	c.Flags().BoolVar(&long, "long", false, "print users, ports, addresses and labels, too")
	return c
}

func printHosts(c *cobra.Command, list hostlist.List, long bool) error {
	if err := printProblems(c, list.Problems); err != nil {
		return err
	}
	out := bufio.NewWriter(c.OutOrStdout())
	for _, h := range list.Hosts {
		line := h.Name
		if long {
			line = h.String()
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if len(list.Problems) > 0 {
		return exitError(2)
	}
	return nil
}

func printProblems(c *cobra.Command, problems []hostlist.Problem) error {
	for _, p := range problems {
		if _, err := fmt.Fprintf(c.ErrOrStderr(), "line %d: %s\n", p.Line, p.Message); err != nil {
			return err
		}
	}
	return nil
}

func importHosts() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Turn another program's list of hosts into one of ours",
		Long: "Read a CSV table with titles, an Ansible inventory (INI or YAML), /etc/hosts or ssh_config, from a file or, " +
			"with -, from standard input, and print it as a list of hosts. What it is is found out unless --format says it. " +
			"What was left out goes to standard error.",
		Example: "  hostler hosts import inventory.ini",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if format != "" && !slices.Contains(hostlist.Formats, hostlist.Format(format)) {
				return fmt.Errorf("there is no format %q; there are %v", format, hostlist.Formats)
			}
			text, err := readAll(c, args[0])
			if err != nil {
				return err
			}
			made := hostlist.Import(string(text), hostlist.Format(format))
			if err := printProblems(c, made.Notes); err != nil {
				return err
			}
			_, err = io.WriteString(c.OutOrStdout(), made.Text)
			return err
		},
	}
	c.Flags().StringVar(&format, "format", "", "`format` of the file: list, csv, ansible, ansible_yaml, hosts or ssh_config")
	return c
}

// readAll reads a file, or standard input when it is called "-".
func readAll(c *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(c.InOrStdin())
	}
	return os.ReadFile(name)
}
