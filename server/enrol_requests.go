package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

func listWaiting() *cobra.Command {
	var (
		o             connection
		state, search string
	)
	c := &cobra.Command{
		Use:     "waiting",
		Short:   "List hosts that wait for somebody to sign their certificate",
		Long:    "List hosts that wait for somebody to sign their certificate. Compare the fingerprint with what \"hostler-agent status\" says on the host.",
		Example: "  hostler certs waiting --search web",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return printList(c, &o, "enrol-requests", map[string]string{"state": state, "search": search},
				"ID\tHOST\tSTATE\tCONFLICT\tADDRESS\tSINCE\tOS\tFINGERPRINT", func(r *client.EnrolRequest) string {
					return fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s", r.ID, r.Host, r.State, orDash(cmp.Or(r.Conflict, r.Refusal)), r.Address,
						r.CreatedAt.Local().Format(time.DateTime), orDash(printable(r.OS)), r.Fingerprint)
				})
		},
	}
	o.flags(c)
	c.Flags().StringVar(&state, "state", "", "those in this `state`: waiting, signed or refused (default waiting)")
	c.Flags().StringVar(&search, "search", "", "only hosts whose name begins with this `text`")
	return c
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// decide is a command that decides on hosts that wait.
func decide(use, short, long, done string) *cobra.Command {
	var (
		o  connection
		in struct {
			IDs   []int64  `json:"ids,omitempty"`
			Hosts []string `json:"hosts,omitempty"`
			All   bool     `json:"all,omitempty"`
			AsNew bool     `json:"as_new,omitempty"`
		}
	)
	c := &cobra.Command{
		Use:     use + " [flags] [HOST]...",
		Short:   short,
		Long:    long,
		Example: fmt.Sprintf("  hostler certs %s web01.example\n  hostler certs %s --id 12\n  hostler certs %s --all", use, use, use),
		RunE: func(c *cobra.Command, args []string) error {
			if in.Hosts = args; len(args)+len(in.IDs) == 0 && !in.All {
				return errors.New("give a host, --id or --all")
			}
			return post(c, &o, "enrol-requests/"+use, &in, func(reply *struct{ Decided, Waiting int }) error {
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s %d, %d still wait\n", done, reply.Decided, reply.Waiting)
				return err
			})
		},
	}
	o.flags(c)
	c.Flags().Int64SliceVar(&in.IDs, "id", nil, "`number` of one request; may be given more than once")
	c.Flags().BoolVar(&in.All, "all", false, "all that have no conflict")
	if use == "sign" {
		c.Flags().BoolVar(&in.AsNew, "as-new", false, "beside the host that has the name, and not in its place")
	}
	return c
}

func signWaiting() *cobra.Command {
	return decide("sign", "Sign the certificates of hosts that wait",
		"Sign the certificates of hosts that wait; their agents fetch them within a minute. With --all those are left whose name another "+
			"host has, and those that were turned away: sign such a one by its name or number when you know that it is the right one.", "signed")
}

func refuseWaiting() *cobra.Command {
	return decide("refuse", "Refuse hosts that wait",
		"Refuse hosts that wait. Their keys get no certificate; a host asks anew after \"hostler-agent reset\".", "refused")
}

func cleanCertificates() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:     "clean [flags] HOST...",
		Short:   "Revoke the certificates of hosts and forget their requests, so that they may ask anew",
		Example: "  hostler certs clean web01.example",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in := struct {
				Hosts []string `json:"hosts"`
			}{args}
			return post(c, &o, "certificates/clean", &in, func(reply *struct {
				Revoked  []client.Certificate
				Requests int
			},
			) error {
				_, err := fmt.Fprintf(c.OutOrStdout(), "revoked %d certificates, forgot %d requests\n", len(reply.Revoked), reply.Requests)
				return err
			})
		},
	}
	o.flags(c)
	return c
}
