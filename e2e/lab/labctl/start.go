package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hostler/e2e/lab"
)

func baseCommand() *cobra.Command {
	var flavour string
	cmd := &cobra.Command{
		Use:   "base",
		Short: "Make the root that hosts share, unless it is there, and print its path",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cache, err := lab.Cache()
			if err != nil {
				return err
			}
			base, err := lab.Base(cmd.Context(), cache, flavour)
			if err != nil {
				return err
			}
			fmt.Fprintln(os.Stdout, base)
			return nil
		},
	}
	cmd.Flags().StringVar(&flavour, "flavour", lab.Debian, "kind of hosts: "+strings.Join(lab.Flavours, ", "))
	return cmd
}

func startCommand() *cobra.Command {
	o := lab.Options{Detach: true}
	var hosts string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Boot the hosts of a new lab and wait until each one's sshd answers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if count, err := strconv.Atoi(hosts); err == nil {
				if count < 1 {
					return fmt.Errorf("cannot start %d hosts", count)
				}
				o.Count = count
			} else {
				o.Hosts = strings.Split(hosts, ",")
			}
			l, err := lab.Start(cmd.Context(), o)
			if err != nil {
				return err
			}
			return report(os.Stdout, l, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Name, "name", "demo", "name of the lab")
	flags.StringVar(&hosts, "hosts", "4", "how many hosts (node1, node2, …), or their first labels with commas")
	flags.StringVar(&o.Domain, "domain", "lab.test", "domain of the hosts' names")
	flags.IntVar(&o.Aliases, "aliases", 0, "further names per host: node1-a1, node1-a2, …")
	flags.StringSliceVar(&o.KeyTypes, "keys", []string{"ed25519"}, "types of key pairs to make: ed25519, ecdsa, rsa")
	flags.BoolVar(&asJSON, "json", false, "print everything about the lab as JSON")
	flags.StringSliceVar(&o.Flavours, "flavours", []string{lab.Debian},
		"kinds of hosts, of one after the other and again from the first: "+strings.Join(lab.Flavours, ", "))
	return cmd
}

// hostState is a host as the outside sees it now.
type hostState struct {
	*lab.Host
	Up      bool   `json:"up"`
	Console string `json:"console"` // path of the console's log
}

func report(w io.Writer, l *lab.Lab, asJSON bool) error {
	states := make([]hostState, 0, len(l.Hosts))
	for _, h := range l.Hosts {
		states = append(states, hostState{Host: h, Up: h.Up(), Console: h.Console()})
	}
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			*lab.Lab
			Hosts []hostState `json:"hosts"`
		}{l, states})
	}
	var b strings.Builder
	b.WriteString("NAME\tADDRESS\tSTATE\n")
	for _, h := range states {
		state := "off"
		if h.Up {
			state = "on"
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\n", h.Name, h.Address, state)
	}
	fmt.Fprintf(&b, "%s\t%s\tthis side\n", l.Server.Name, l.Server.Address)
	for _, keyType := range slices.Sorted(maps.Keys(l.Keys)) {
		fmt.Fprintf(&b, "key of root, operator and deploy: %s\n", l.Keys[keyType])
	}
	for _, u := range l.Users {
		if u.Password != "" {
			fmt.Fprintf(&b, "password of %s (sudo: %s): %s\n", u.Name, u.Sudo, u.Password)
		}
	}
	fmt.Fprintf(&b, "lab %s: %d hosts booted in %.1f s\n", l.Name, len(l.Hosts), float64(l.BootMS)/1000)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, b.String()); err != nil {
		return err
	}
	return table.Flush()
}
