package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"hostler/db"
	"hostler/server/account"
	"hostler/server/config"
)

func changePassword() *cobra.Command {
	var o config.Options
	c := &cobra.Command{
		Use:   "password NAME",
		Short: "Set an administrator's password anew; all sessions of that person end",
		Long: "Set an administrator's password anew, for example because it was forgotten. The password is asked for on a " +
			"terminal and read from standard input otherwise (its first line). The server may be running meanwhile.",
		Example: "  hostler admin password alice --data /var/lib/hostler",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withAccounts(c, &o, func(ctx context.Context, a *account.Accounts) error {
				password, err := readPassword(c.InOrStdin(), c.ErrOrStderr())
				if err != nil {
					return err
				}
				err = a.SetPassword(ctx, args[0], password)
				if errors.Is(err, db.ErrNotFound) {
					return fmt.Errorf("cannot set the password: there is no administrator %q", args[0])
				}
				if err != nil {
					return fmt.Errorf("cannot set the password: %w", err)
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "the password of %s is changed\n", args[0])
				return err
			})
		},
	}
	o.StorageFlags(c.Flags())
	return c
}
