package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"hostler/db"
	"hostler/server/account"
	"hostler/server/app"
	"hostler/server/audit"
	"hostler/server/config"
	"hostler/server/event"
)

func createAdmin() *cobra.Command {
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an administrator; the password comes from standard input or a prompt",
		Long: "Make an administrator. The password is asked for on a terminal and read from standard input otherwise " +
			"(its first line). The server may be running meanwhile.",
		Example: "  hostler admin create alice --data /var/lib/hostler",
		Args:    cobra.ExactArgs(1),
	}
	return changing(c, "user.create", func(ctx context.Context, a *account.Accounts, args []string) error {
		return createUser(ctx, c, a, args[0], account.RoleAdministrator, "")
	})
}

// operatorName is who runs this command, as it is recorded.
func operatorName() string {
	if u, err := user.Current(); err == nil {
		return account.CommandLine + u.Username
	}
	return account.CommandLine + strconv.Itoa(os.Getuid())
}

// store is what a command works on beside a server that may be running.
type store struct {
	db   *db.DB
	data string // the data directory
	log  *slog.Logger
}

// withStore opens the database that the settings name.
func withStore(c *cobra.Command, o *config.Options, settings *pflag.FlagSet, do func(context.Context, *store) error) (err error) {
	if err := o.Complete(settings, os.LookupEnv); err != nil {
		return err
	}
	log, err := newLog(c.ErrOrStderr(), config.Options{LogLevel: "warn", LogFormat: "text"})
	if err != nil {
		return err
	}
	d, err := db.Open(c.Context(), o.DB)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := app.Prepare(c.Context(), d, o.Data); err != nil {
		return err
	}
	return do(c.Context(), &store{d, o.Data, log})
}

// accounts opens the store's accounts.
func (s *store) accounts(do func(*account.Accounts) error) error {
	bus, err := event.OpenBus("", s.log)
	if err != nil {
		return err
	}
	defer bus.Close()
	return do(account.New(s.db, event.NewLog(s.db, bus, s.log), s.log, db.Now))
}

// record does something and writes down that it was done, or tried.
func (s *store) record(ctx context.Context, action string, do func(context.Context) error) error {
	log, err := audit.Open(ctx, s.db, audit.Options{Data: s.data, Log: s.log, Now: db.Now})
	if err != nil {
		return err // before anything is changed
	}
	e := db.AuditEntry{Actor: operatorName(), Action: action, Result: db.AuditDone}
	failed := do(audit.With(ctx, &e))
	if failed != nil {
		e.Result, e.Code = db.AuditFailed, "invalid"
	}
	if err := log.Write(ctx, e); err != nil {
		failed = errors.Join(failed, fmt.Errorf("what was done is not in the audit log: %w", err))
	}
	return failed
}

func readPassword(in io.Reader, prompt io.Writer) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("cannot read the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	first, err := askPassword(f, prompt, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := askPassword(f, prompt, "Again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("cannot set the password: the two entries differ")
	}
	return first, nil
}

func askPassword(f *os.File, prompt io.Writer, text string) (string, error) {
	if _, err := fmt.Fprint(prompt, text); err != nil {
		return "", err
	}
	b, err := term.ReadPassword(int(f.Fd()))
	_, _ = fmt.Fprintln(prompt)
	if err != nil {
		return "", fmt.Errorf("cannot read the password: %w", err)
	}
	return string(b), nil
}
