package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

// keyStageAfter says what each stage of a change of signing keys means.
var keyStageAfter = map[string]string{
	"none":    "one key signs, and hosts have it",
	"standby": "the new key is made; nobody knows it yet",
	"trusted": "the old key signs; hosts get both",
	"signing": "the new key signs; hosts have both",
}

func keyCommands() *cobra.Command {
	return group("key", "Change the key that signs repositories and their rpms", keyStatus(), keyHosts(),
		moveKey("advance", "Go to the next stage of the change of signing keys",
			"Go to the next stage of the change from one signing key to another: make the new one (standby), let hosts have both (trusted), let "+
				"the new one sign (signing), drop the old one. It waits for hosts only in that it refuses to leave any behind: see \"hosts\".", true),
		moveKey("back", "Go back to the stage before in the change of signing keys",
			"Go back to the stage before; from standby the new key is discarded. After the old one was dropped there is no way back.", false))
}

func printKeys(c *cobra.Command, r *client.KeyRotation) error {
	lines := []string{fmt.Sprintf("stage %s: %s", r.Stage, keyStageAfter[r.Stage])}
	for _, k := range []*client.SigningKey{&r.Old, r.New} {
		if k == nil {
			continue
		}
		signs := ""
		if k.Signs {
			signs = ", signs"
		}
		lines = append(lines, fmt.Sprintf("%s: %s%s", k.Name, k.Fingerprint, signs))
	}
	if r.New != nil {
		lines = append(lines, fmt.Sprintf("of %d hosts %d do not have the new key; %d of these are lost", r.Hosts.Total, r.Hosts.Lacking, r.Hosts.Lost))
	}
	if r.Channels.Stale > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d channels wait for the signature of the key that signs now", r.Channels.Stale, r.Channels.Total))
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), strings.Join(lines, "\n"))
	return err
}

func keyStatus() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "status",
		Short: "Tell which key signs and how far the change to another is",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return ask(c, &o, "repository-key", func(r *client.KeyRotation) error { return printKeys(c, r) })
		},
	}
	o.flags(c)
	return c
}

func keyHosts() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "hosts",
		Short: "List the hosts that do not have the new key",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return printList(c, &o, "repository-key/hosts", nil, "HOST\tSTATE\tKEYS", func(h *client.HostLacking) string {
				return fmt.Sprintf("%s\t%s\t%s", h.Host, h.State, h.Keys)
			})
		},
	}
	o.flags(c)
	return c
}

// moveKey is a command that changes the stage.
func moveKey(use, short, long string, forces bool) *cobra.Command {
	var o connection
	in := stageChange{}
	c := &cobra.Command{
		Use:     use + " --from STAGE",
		Short:   short,
		Long:    long,
		Example: "  hostler repo key " + use + " --from trusted",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return post(c, &o, "repository-key/"+use, &in, func(r *client.KeyRotation) error { return printKeys(c, r) })
		},
	}
	o.flags(c)
	in.flags(c)
	if forces {
		c.Flags().BoolVar(&in.Force, "force", false, "go on although hosts are left behind")
	}
	return c
}
