package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hostler/db"
	"hostler/server/account"
)

func createToken() *cobra.Command {
	var (
		role    string
		labels  string
		expires time.Duration
	)
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a bearer token for the API and print it once",
		Long: "Make a bearer token for the API and print it once. It can do what its role allows: an administrator everything, an " +
			"operator work with hosts, an auditor read.",
		Example: "  hostler token create dashboard --role auditor --expires 2160h\n" +
			"  curl -H \"Authorization: Bearer $(hostler token create ci)\" http://127.0.0.1:8080/api/v1/hosts",
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&role, "role", account.RoleAdministrator, "`role`: administrator, operator or auditor")
	c.Flags().StringVar(&labels, "labels", "", "`labels` of the hosts that it is limited to, as in rack=/r7 (default: all hosts)")
	c.Flags().DurationVar(&expires, "expires", 0, "`time` after which it ends by itself, as in 2160h (default: it does not)")
	return changing(c, "token.create", func(ctx context.Context, a *account.Accounts, args []string) error {
		_, secret, err := a.CreateToken(ctx, account.TokenSpec{Name: args[0], Role: role, Labels: labels, Lifetime: expires, By: operatorName()})
		if errors.Is(err, db.ErrDuplicate) {
			return fmt.Errorf("cannot create token: the name %q is taken", args[0])
		}
		if err != nil {
			return fmt.Errorf("cannot create token: %w", err)
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), secret)
		return err
	})
}

func listTokens() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "list", Short: "List API tokens", Args: cobra.NoArgs}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON as the API answers it")
	return beside(c, func(ctx context.Context, a *account.Accounts, _ []string) error {
		tokens, err := a.Tokens(ctx)
		if err != nil {
			return err
		}
		return printItems(c, asJSON, "NAME\tROLE\tHOSTS\tOWNER\tLAST USE\tEXPIRES\tCREATED BY", tokens, func(p *account.Program) string {
			owner := p.Owner
			if owner == "" {
				owner = "-"
			}
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", p.Name, p.Role, hostsOf(p.HostLabels), owner, local(p.LastUsedAt), local(p.ExpiresAt), p.CreatedBy)
		})
	})
}

func endToken() *cobra.Command {
	c := &cobra.Command{Use: "end NAME", Short: "End an API token at once", Args: cobra.ExactArgs(1)}
	return changing(c, "token.end", func(ctx context.Context, a *account.Accounts, args []string) error {
		t, err := a.Token(ctx, args[0])
		if errors.Is(err, db.ErrNotFound) {
			return fmt.Errorf("cannot end the token: there is no token %q", args[0])
		}
		if err == nil {
			err = a.EndToken(ctx, operatorName(), t)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "token %s is ended\n", t.Name)
		return err
	})
}
