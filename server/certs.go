package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

func listCertificates() *cobra.Command {
	var (
		o             connection
		state, search string
	)
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the certificates of hosts",
		Example: "  hostler certs list --state valid --search web",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return printList(c, &o, "certificates", map[string]string{"state": state, "search": search},
				"HOST\tSTATE\tUNTIL\tSERIAL\tFINGERPRINT", func(r *client.Certificate) string {
					return fmt.Sprintf("%s\t%s\t%s\t%s\t%s", r.Host, r.State, r.NotAfter.Local().Format(time.DateTime), r.Serial, r.Fingerprint)
				})
		},
	}
	o.flags(c)
	c.Flags().StringVar(&state, "state", "", "only those in this `state`: valid, revoked or expired")
	c.Flags().StringVar(&search, "search", "", "only those of hosts whose name begins with this `text`")
	return c
}

func revokeCertificates() *cobra.Command {
	var (
		o  connection
		in struct {
			Serials []string `json:"serials,omitempty"`
			Hosts   []string `json:"hosts,omitempty"`
		}
	)
	c := &cobra.Command{
		Use:   "revoke [flags] [HOST]...",
		Short: "Revoke certificates, and cut the connections that use them",
		Long: "Revoke every certificate of the given hosts, or single ones by --serial. They are refused at once. A host comes back only " +
			"by being bootstrapped again or with a new token.",
		Example: "  hostler certs revoke web01.example\n  hostler certs revoke --serial 8f3a…",
		RunE: func(c *cobra.Command, args []string) error {
			if in.Hosts = args; len(args)+len(in.Serials) == 0 {
				return errors.New("give a host or --serial")
			}
			return post(c, &o, "certificates/revoke", &in, func(reply *struct{ Revoked []client.Certificate }) (err error) {
				for i := range reply.Revoked {
					if _, err := fmt.Fprintf(c.OutOrStdout(), "revoked %s of %s\n", reply.Revoked[i].Serial, reply.Revoked[i].Host); err != nil {
						return err
					}
				}
				if len(reply.Revoked) == 0 {
					_, err = fmt.Fprintln(c.ErrOrStderr(), "nothing to revoke: no certificate of these is valid")
				}
				return err
			})
		},
	}
	o.flags(c)
	c.Flags().StringArrayVar(&in.Serials, "serial", nil, "`number` of one certificate in hex; may be given more than once")
	return c
}
