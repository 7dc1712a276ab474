package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"hostler/server/app"
	"hostler/server/config"
)

func serveCommand() *cobra.Command {
	var o config.Options
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server: pages and API on --listen, enrolment and packages on --handshake, heartbeats on --secured.\n\n" +
			"Every flag can also be given in the environment (HOSTLER_LISTEN for --listen) or in a YAML file (--config). " +
			"A database's password belongs in one of these: arguments can be read by everybody on the machine.",
		Example: "  hostler serve --data /var/lib/hostler --listen :8080 --advertise hostler.example\n" +
			"  HOSTLER_DB=mysql://hostler:secret@db.example/hostler hostler serve",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := errors.Join(o.Complete(c.Flags(), os.LookupEnv), o.Validate()); err != nil {
				return err
			}
			log, err := newLog(c.ErrOrStderr(), o)
			if err != nil {
				return err
			}
			return serve(c.Context(), o, log, c.OutOrStdout())
		},
	}
	o.Flags(c.Flags())
	return c
}

func serve(ctx context.Context, o config.Options, log *slog.Logger, out io.Writer) (err error) {
	a, err := app.Start(ctx, o, version, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop(context.WithoutCancel(ctx))) }()
	link, err := a.SetUpURL(ctx)
	if err != nil {
		return err
	}
	if link != "" {
		_, err = fmt.Fprintf(out, "Make the first administrator: %s\n", link)
	} else {
		_, err = fmt.Fprintf(out, "Hostler is at %s\n", a.URL())
	}
	if err != nil {
		return err
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	for {
		select {
		case err := <-a.Failed():
			return err
		case <-reload:
			a.Reload()
		case <-ctx.Done():
			log.Info("stopping")
			return nil
		}
	}
}

func newLog(w io.Writer, o config.Options) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.LogLevel)); err != nil {
		return nil, fmt.Errorf("cannot use log-level %q: want debug, info, warn or error", o.LogLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	switch o.LogFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("cannot use log-format %q: want text or json", o.LogFormat)
}
