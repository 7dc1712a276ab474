package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hostler/db"
	"hostler/server/account"
	"hostler/server/config"
)

// beside is a command that reads the database beside a server that may be running.
func beside(c *cobra.Command, do func(ctx context.Context, a *account.Accounts, args []string) error) *cobra.Command {
	return onStore(c, func(ctx context.Context, s *store, args []string) error {
		return s.accounts(func(a *account.Accounts) error { return do(ctx, a, args) })
	})
}

// changing is beside for a command that changes something: it is recorded.
func changing(c *cobra.Command, action string, do func(ctx context.Context, a *account.Accounts, args []string) error) *cobra.Command {
	return onStore(c, func(ctx context.Context, s *store, args []string) error {
		return s.accounts(func(a *account.Accounts) error {
			return s.record(ctx, action, func(ctx context.Context) error { return do(ctx, a, args) })
		})
	})
}

// onStore is a command that works on the database.
func onStore(c *cobra.Command, do func(ctx context.Context, s *store, args []string) error) *cobra.Command {
	var o config.Options
	settings := pflag.NewFlagSet("", pflag.ContinueOnError) // the command's own flags are no settings
	o.StorageFlags(settings)
	c.Flags().AddFlagSet(settings)
	c.RunE = func(c *cobra.Command, args []string) error {
		return withStore(c, &o, settings, func(ctx context.Context, s *store) error { return do(ctx, s, args) })
	}
	return c
}

// onUser is a command about one user, whose name is the first argument.
func onUser(c *cobra.Command, action, done string, do func(ctx context.Context, a *account.Accounts, u *db.User, args []string) error) *cobra.Command {
	return changing(c, action, func(ctx context.Context, a *account.Accounts, args []string) error {
		what := strings.ToLower(c.Short[:1]) + c.Short[1:]
		what, _, _ = strings.Cut(what, ";")
		u, err := a.User(ctx, args[0])
		if errors.Is(err, db.ErrNotFound) {
			return fmt.Errorf("cannot %s: there is no user %q", what, args[0])
		}
		if err != nil {
			return err
		}
		err = do(ctx, a, u, args)
		if errors.Is(err, db.ErrLastAdministrator) {
			return fmt.Errorf("cannot %s: %s is the last administrator; make another one first", what, u.Name)
		}
		if err != nil {
			return fmt.Errorf("cannot %s: %w", what, err)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), done+"\n", u.Name)
		return err
	})
}

func listUsers() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "list", Short: "List who may log in", Args: cobra.NoArgs}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON as the API answers it")
	return beside(c, func(ctx context.Context, a *account.Accounts, _ []string) error {
		people, err := a.Users(ctx)
		if err != nil {
			return err
		}
		return printItems(c, asJSON, "NAME\tROLE\tHOSTS\tSTATE\tSECOND FACTOR\tLAST LOGIN\tCREATED", people, func(p *account.Person) string {
			state := "enabled"
			if p.Disabled {
				state = "disabled"
			}
			factor := "-"
			if p.SecondFactorSince != nil {
				factor = "yes"
			}
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", p.Name, p.Role, hostsOf(p.HostLabels), state, factor, local(p.LastLoginAt), local(&p.CreatedAt))
		})
	})
}

// hostsOf is which hosts somebody may know of, in the words of tables.
func hostsOf(labels string) string {
	if labels == "" {
		return "all"
	}
	return labels
}

// printItems prints a list as a table, or as the API answers it.
func printItems[T any](c *cobra.Command, asJSON bool, heading string, items []T, row func(*T) string) error {
	if asJSON {
		if items == nil {
			items = []T{}
		}
		return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"items": items})
	}
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, heading); err != nil {
		return err
	}
	for i := range items {
		if _, err := fmt.Fprintln(w, row(&items[i])); err != nil {
			return err
		}
	}
	return w.Flush()
}

// local is a time in the words of tables.
func local(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func addUser() *cobra.Command {
	var role, labels string
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user; the password comes from standard input or a prompt",
		Long: "Add somebody who may log in. An administrator does everything, an operator works with hosts, an auditor reads. The " +
			"password is asked for on a terminal and read from standard input otherwise (its first line).",
		Example: "  hostler users add bob --role operator --data /var/lib/hostler\n" +
			"  hostler users add carol --role operator --labels rack=/r7",
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&role, "role", account.RoleOperator, "`role`: administrator, operator or auditor")
	c.Flags().StringVar(&labels, "labels", "", "`labels` of the hosts that the user is limited to, as in rack=/r7 (default: all hosts)")
	return changing(c, "user.create", func(ctx context.Context, a *account.Accounts, args []string) error {
		return createUser(ctx, c, a, args[0], role, labels)
	})
}

// createUser makes a user with a password that it reads.
func createUser(ctx context.Context, c *cobra.Command, a *account.Accounts, name, role, labels string) error {
	password, err := readPassword(c.InOrStdin(), c.ErrOrStderr())
	if err != nil {
		return err
	}
	_, err = a.CreateLimitedUser(ctx, operatorName(), name, password, role, labels)
	if errors.Is(err, db.ErrDuplicate) {
		return fmt.Errorf("cannot create %s: the name %q is taken", role, name)
	}
	if err != nil {
		return fmt.Errorf("cannot create %s: %w", role, err)
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s %s may log in now\n", role, name)
	return err
}

func changeRole() *cobra.Command {
	return onUser(&cobra.Command{
		Use: "role NAME ROLE", Short: "Change a user's role; it holds at once", Args: cobra.ExactArgs(2), Example: "  hostler users role bob auditor",
	}, "user.role", "the role of %s is changed", func(ctx context.Context, a *account.Accounts, u *db.User, args []string) error {
		return a.SetRole(ctx, operatorName(), u, args[1])
	})
}

func limitUser() *cobra.Command {
	return onUser(&cobra.Command{
		Use: "limit NAME [LABEL...]", Short: "Limit a user to hosts with some labels; it holds at once", Args: cobra.MinimumNArgs(1),
		Long: "Limit an operator or auditor to the hosts that have all of these labels. The user sees these hosts and what is of them alone; " +
			"operations that concern another host, and all that is of no host, such as packages and trust, are closed. Without labels the limit is taken away.",
		Example: "  hostler users limit bob rack=/r7 service=ecs\n  hostler users limit bob",
	}, "user.limit", "the limit of %s is changed", func(ctx context.Context, a *account.Accounts, u *db.User, args []string) error {
		return a.SetHostLabels(ctx, operatorName(), u, strings.Join(args[1:], ","))
	})
}

func disableUser() *cobra.Command {
	return onUser(&cobra.Command{
		Use: "disable NAME", Short: "Disable a user; sessions end and tokens rest until the user is enabled again", Args: cobra.ExactArgs(1),
	}, "user.disable", "%s may not log in any more", func(ctx context.Context, a *account.Accounts, u *db.User, _ []string) error {
		return a.Disable(ctx, operatorName(), u)
	})
}

func enableUser() *cobra.Command {
	return onUser(&cobra.Command{
		Use: "enable NAME", Short: "Enable a user who was disabled", Args: cobra.ExactArgs(1),
	}, "user.enable", "%s may log in again", func(ctx context.Context, a *account.Accounts, u *db.User, _ []string) error {
		return a.Enable(ctx, operatorName(), u)
	})
}

func removeUser() *cobra.Command {
	return onUser(&cobra.Command{
		Use: "remove NAME", Short: "Remove a user; sessions and tokens end", Args: cobra.ExactArgs(1),
	}, "user.remove", "%s is removed", func(ctx context.Context, a *account.Accounts, u *db.User, _ []string) error {
		return a.Remove(ctx, operatorName(), u)
	})
}

func setPassword() *cobra.Command {
	c := &cobra.Command{
		Use: "password NAME", Short: "Set a user's password anew; all sessions of that person end", Args: cobra.ExactArgs(1),
		Long: "Set a user's password anew, for example because it was forgotten. The password is asked for on a " +
			"terminal and read from standard input otherwise (its first line). The server may be running meanwhile.",
		Example: "  hostler users password alice --data /var/lib/hostler",
	}
	return onUser(c, "user.password", "the password of %s is changed", func(ctx context.Context, a *account.Accounts, u *db.User, _ []string) error {
		password, err := readPassword(c.InOrStdin(), c.ErrOrStderr())
		if err != nil {
			return err
		}
		return a.SetPassword(ctx, operatorName(), u, password)
	})
}

func resetSecondFactor() *cobra.Command {
	return onUser(&cobra.Command{
		Use: "reset-second-factor NAME", Short: "Remove a user's second factor; the password alone is asked for then", Args: cobra.ExactArgs(1),
		Long: "Remove the second factor of somebody who has lost the app and the recovery codes. Make sure who asks for it.",
	}, "second_factor.reset", "%s logs in with the password alone now", func(ctx context.Context, a *account.Accounts, u *db.User, _ []string) error {
		return a.ResetSecondFactor(ctx, operatorName(), u)
	})
}

func requireSecondFactor() *cobra.Command {
	c := &cobra.Command{
		Use: "require-second-factor [nobody|administrators|everybody]", Short: "Say, or tell, who has to have a second factor", Args: cobra.MaximumNArgs(1),
		Long: "Say who has to have a second factor; without an argument, tell it. Whoever has none sets it up at the next page and gets to " +
			"nothing else before.",
		Example: "  hostler users require-second-factor administrators",
	}
	return onStore(c, func(ctx context.Context, s *store, args []string) error {
		return s.accounts(func(a *account.Accounts) error {
			if len(args) > 0 {
				err := s.record(ctx, "second_factor.require", func(ctx context.Context) error { return a.RequireSecondFactor(ctx, operatorName(), args[0]) })
				if err != nil {
					return fmt.Errorf("cannot require a second factor: %w", err)
				}
			}
			rule, err := a.SecondFactorRule(ctx)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "a second factor is required of %s\n", rule)
			return err
		})
	})
}
