package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

// stageAfter says what each stage of a change of authorities means.
var stageAfter = map[string]string{
	"none":    "one authority signs and is trusted",
	"standby": "the new authority is made; nobody knows it yet",
	"trusted": "the old authority signs; hosts learn to trust both",
	"signing": "the new authority signs; hosts renew their certificates",
}

func printRotation(c *cobra.Command, r *client.Rotation) error {
	lines := []string{fmt.Sprintf("stage %s: %s", r.Stage, stageAfter[r.Stage])}
	for _, a := range []*client.Authority{&r.Old, r.New} {
		if a == nil {
			continue
		}
		signs := ""
		if a.Signs {
			signs = ", signs"
		}
		lines = append(lines, fmt.Sprintf("%s: pin %s, until %s%s", a.Name, a.Pin, a.NotAfter.Local().Format(time.DateOnly), signs))
	}
	if r.New != nil {
		h := r.Hosts
		lines = append(lines, fmt.Sprintf("of %d hosts %d do not trust the new authority, %d have a certificate of the old one; %d of these are lost",
			h.Total, h.Untrusting, h.Old, h.Lost))
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), strings.Join(lines, "\n"))
	return err
}

func authorityStatus() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "status",
		Short: "Tell which authority signs and how far the change to another is",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return ask(c, &o, "authority", func(r *client.Rotation) error { return printRotation(c, r) })
		},
	}
	o.flags(c)
	return c
}

func authorityHosts() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "hosts",
		Short: "List the hosts that would be lost if the change of authorities went on",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return printList(c, &o, "authority/hosts", nil, "HOST\tSTATE\tTRUSTS THE NEW ONE\tCERTIFIED BY IT", func(h *client.HostBehind) string {
				return fmt.Sprintf("%s\t%s\t%s\t%s", h.Host, h.State, yesNo(h.Trusts), yesNo(h.Certified))
			})
		},
	}
	o.flags(c)
	return c
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// stageChange asks for another stage of a change.
type stageChange struct {
	Stage string `json:"stage"`
	Force bool   `json:"force,omitempty"`
}

func (in *stageChange) flags(c *cobra.Command) {
	c.Flags().StringVar(&in.Stage, "from", "", "the `stage` that the change is in now, as \"status\" tells it: none, standby, trusted or signing")
	_ = c.MarkFlagRequired("from") // it is defined above
}

// moveAuthority is a command that changes the stage.
func moveAuthority(use, short, long string, forces bool) *cobra.Command {
	var o connection
	in := stageChange{}
	c := &cobra.Command{
		Use:     use + " --from STAGE",
		Short:   short,
		Long:    long,
		Example: "  hostler authority " + use + " --from trusted",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return post(c, &o, "authority/"+use, &in, func(r *client.Rotation) error { return printRotation(c, r) })
		},
	}
	o.flags(c)
	in.flags(c)
	if forces {
		c.Flags().BoolVar(&in.Force, "force", false, "go on although hosts are lost by it")
	}
	return c
}

func advanceAuthority() *cobra.Command {
	return moveAuthority("advance", "Go to the next stage of the change of authorities",
		"Go to the next stage of the change from one authority to another: make the new one (standby), have hosts trust both (trusted), let the "+
			"new one sign (signing), drop the old one. It waits for hosts only in that it refuses to lose any: see \"hosts\".", true)
}

func takeBackAuthority() *cobra.Command {
	return moveAuthority("back", "Go back to the stage before in the change of authorities",
		"Go back to the stage before; from standby the new authority is discarded. After the old one was dropped there is no way back.", false)
}

func renewCertificates() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:     "renew [flags] HOST...",
		Short:   "Have hosts renew their certificates now",
		Long:    "Have hosts renew their certificates now. Their agents are told with their next heartbeats; by themselves they renew at two thirds of a certificate's life.",
		Example: "  hostler certs renew web01.example",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in := struct {
				Hosts []string `json:"hosts"`
			}{args}
			return post(c, &o, "certificates/renew", &in, func(reply *struct{ Asked []client.Certificate }) error {
				for i := range reply.Asked {
					if _, err := fmt.Fprintf(c.OutOrStdout(), "%s is told to renew %s\n", reply.Asked[i].Host, reply.Asked[i].Serial); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	o.flags(c)
	return c
}
