package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"hostler/internal/seal"
	"hostler/server/app"
	"hostler/server/config"
)

func rotateMasterKey() *cobra.Command {
	var o config.Options
	c := &cobra.Command{
		Use:   "rotate-master-key",
		Short: "Seal what the server keeps secret with a new master key",
		Long: "Seal what the server keeps secret with a new master key. The server must be stopped. A key file is replaced by a new one. " +
			"Where the environment or a systemd credential gives the key, " + seal.EnvNewKey + " gives the new one, which takes the place of the " +
			"old one there afterwards. What is cut short is finished by the next start, or by this command again.",
		Example: "  hostler admin rotate-master-key --data /var/lib/hostler\n" +
			"  HOSTLER_MASTER_KEY=… HOSTLER_NEW_MASTER_KEY=$(openssl rand -base64 32) hostler admin rotate-master-key",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.Complete(c.Flags(), os.LookupEnv); err != nil {
				return err
			}
			old, fresh, err := app.ChangeMasterKey(o)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "the master key is now %s, from %s; it was %s\n", fresh.ID(), fresh.Origin(), old.ID())
			return err
		},
	}
	o.StorageFlags(c.Flags())
	o.MasterKeyFlag(c.Flags())
	return c
}
