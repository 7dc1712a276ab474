package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

func runChecks() *cobra.Command {
	var (
		o  connection
		in struct {
			targets
			NoNames bool `json:"no_names,omitempty"`
		}
		strict bool
	)
	c := &cobra.Command{
		Use:   "run [flags]",
		Short: "Have agents check their hosts and print what they found",
		Long: "Have the agents look their hosts over: disks, memory, clocks, names, firewalls and more. Nothing is changed on a host. " +
			"Prints what is not well, why it matters and how to mend it. Exits with 1 when a host could not be checked or a check failed; " +
			"with --strict, also on warnings.",
		Example: "  hostler checks run --hosts 'node[01-40].dc1.example'\n  hostler checks run --all --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			in.list()
			api, err := o.open()
			if err != nil {
				return err
			}
			id, err := api.Start(c.Context(), "host-checks", &in)
			if err != nil {
				return refused(c, err)
			}
			if in.noWait {
				_, err := fmt.Fprintln(c.OutOrStdout(), id)
				return err
			}
			ended, err := watch(c, api, &o, id)
			if err != nil {
				return err
			}
			ctx := context.WithoutCancel(c.Context())
			query := url.Values{"operation": {strconv.FormatInt(id, 10)}}
			bad, err := printChecks(ctx, c, api, &o, query, strict)
			if err == nil && (bad || ended.State != "done") {
				err = exitError(1)
			}
			return err
		},
	}
	o.flags(c)
	in.flags(c)
	c.Flags().BoolVar(&in.NoNames, "no-names", false, "do not have each host resolve the names of all others")
	c.Flags().BoolVar(&strict, "strict", false, "exit with 1 on warnings, too")
	return c
}

func showChecks() *cobra.Command {
	var (
		o                    connection
		operation            int64
		state, check, search string
		html                 string
	)
	c := &cobra.Command{
		Use:     "show [flags]",
		Short:   "Print what the last checks found",
		Long:    "Print what the last check of each host found, the worst first. Checks nothing anew.",
		Example: "  hostler checks show --state fail\n  hostler checks show --check clock\n  hostler checks show --html report.html",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			query := url.Values{}
			for name, value := range map[string]string{"state": state, "check": check, "search": search} {
				if value != "" {
					query.Set(name, value)
				}
			}
			if operation != 0 {
				query.Set("operation", strconv.FormatInt(operation, 10))
			}
			if html != "" {
				query.Set("format", "html")
				return saveReport(c, api, html, query)
			}
			_, err = printChecks(c.Context(), c, api, &o, query, false)
			return refused(c, err)
		},
	}
	o.flags(c)
	fs := c.Flags()
	fs.Int64Var(&operation, "operation", 0, "of the hosts of this operation only")
	fs.StringVar(&state, "state", "", "hosts in this `state` only: fail, warn, pass, unchecked")
	fs.StringVar(&check, "check", "", "hosts on which this `check` found something only")
	fs.StringVar(&search, "search", "", "only hosts with this `text` in their name, address or system")
	fs.StringVar(&html, "html", "", "save the report as an HTML `file` instead")
	return c
}

// saveReport downloads the report into a file.
func saveReport(c *cobra.Command, api *client.Client, path string, query url.Values) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	_, err = api.Download(c.Context(), "host-checks/report?"+query.Encode(), f)
	if closed := f.Close(); err == nil && closed != nil {
		err = fmt.Errorf("cannot write the report: %w", closed)
	}
	return refused(c, err)
}

// printChecks prints what was found on hosts; bad says that a check failed or, when strict, warned.
func printChecks(ctx context.Context, c *cobra.Command, api *client.Client, o *connection, query url.Values, strict bool) (bad bool, err error) {
	var report client.HostChecks
	if err := api.Get(ctx, "host-checks/report?"+query.Encode(), &report); err != nil {
		return false, err
	}
	bad = report.Counts["fail"] > 0 || strict && report.Counts["warn"] > 0
	if o.json {
		return bad, printJSON(ctx, api, "host-checks/report?"+query.Encode(), c.OutOrStdout())
	}
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, "HOST\tSTATE\tCHECK\tFOUND\tTO MEND"); err != nil {
		return bad, err
	}
	for i := range report.Items {
		if err := printVerdicts(w, &report.Items[i]); err != nil {
			return bad, err
		}
	}
	if err := w.Flush(); err != nil {
		return bad, err
	}
	var sums []string
	for _, state := range []string{"fail", "warn", "pass", "unchecked"} {
		sums = append(sums, fmt.Sprintf("%d %s", report.Counts[state], state))
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), strings.Join(sums, ", "))
	return bad, err
}

// printVerdicts prints a line for each thing that is not well with a host, or one that says that all is.
func printVerdicts(w io.Writer, h *client.HostCheck) error {
	told := false
	for _, v := range h.Verdicts {
		if v.State == "pass" {
			continue
		}
		told = true
		found := v.Found
		if a := v.Accepted; a != nil {
			found += " (accepted by " + a.By
			if a.Reason != "" {
				found += ": " + a.Reason
			}
			found += ")"
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", h.Host, v.State, v.Check, printable(found), printable(v.Mend)); err != nil {
			return err
		}
	}
	if told {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s\t%s\t-\t-\t-\n", h.Host, h.State)
	return err
}
