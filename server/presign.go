package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func presignCertificates() *cobra.Command {
	var (
		o      connection
		output string
	)
	c := &cobra.Command{
		Use:   "presign [flags] HOST...",
		Short: "Make keys and certificates for hosts beforehand, in one archive",
		Long: "Make keys and certificates for hosts beforehand, in one archive (tar.gz) with a directory for each host: identity.pem goes to " +
			"/var/lib/hostler-agent, agent.ini and ca.pem to /etc/hostler-agent. The server keeps no copy of the keys: whoever has the archive is " +
			"these hosts.",
		Example: "  hostler certs presign 'web[01-20].example' --output bundle.tar.gz",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			api, err := o.open()
			if err != nil {
				return err
			}
			// The file is there before the keys are: a full disk or a wrong path must not cost them.
			f, err := os.OpenFile(output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return fmt.Errorf("cannot write the bundle: %w", err)
			}
			defer func() {
				err = errors.Join(err, f.Close())
				if err != nil {
					_ = os.Remove(output) // it is empty or of no use
				}
			}()
			in := map[string]string{"hosts": strings.Join(args, "\n")}
			if err := api.Fetch(c.Context(), "bundles", in, f); err != nil {
				return refused(c, err)
			}
			if err := f.Sync(); err != nil {
				return fmt.Errorf("cannot write the bundle: %w", err)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s has the keys; nobody else has\n", output)
			return err
		},
	}
	o.flags(c)
	c.Flags().StringVar(&output, "output", "hostler-bundle.tar.gz", "`file` for the archive; it must not exist")
	return c
}
