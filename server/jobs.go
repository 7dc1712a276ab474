package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hostler/agent/wire"
	"hostler/server/client"
)

// awaitEach is how often a single job is looked at.
const awaitEach = 100 * time.Millisecond

func listJobs() *cobra.Command {
	var (
		o                 connection
		state, action     string
		operation, hostID int64
		limit             int
	)
	c := &cobra.Command{
		Use:     "list",
		Short:   "List jobs, newest first",
		Example: "  hostler jobs list --state lost",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, value := range map[string]string{"state": state, "action": action} {
				if value != "" {
					query.Set(name, value)
				}
			}
			for name, value := range map[string]int64{"operation": operation, "host": hostID} {
				if value != 0 {
					query.Set(name, strconv.FormatInt(value, 10))
				}
			}
			path := "jobs?" + query.Encode()
			if o.json {
				return refused(c, printJSON(c.Context(), api, path, c.OutOrStdout()))
			}
			var jobs struct{ Items []client.Job }
			if err := api.Get(c.Context(), path, &jobs); err != nil {
				return refused(c, err)
			}
			return printJobs(c, jobs.Items)
		},
	}
	o.flags(c)
	fs := c.Flags()
	fs.StringVar(&state, "state", "", "only jobs in this `state`: queued, running, succeeded, failed, lost, …")
	fs.StringVar(&action, "action", "", "only jobs of this `action`: exec, push, install, …")
	fs.Int64Var(&operation, "operation", 0, "only jobs of this operation")
	fs.Int64Var(&hostID, "host", 0, "only jobs of the host with this number")
	fs.IntVar(&limit, "limit", 50, "how many at most")
	return c
}

func printJobs(c *cobra.Command, jobs []client.Job) error {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, "JOB\tHOST\tACTION\tSTATE\tCREATED\tTOOK\tMESSAGE"); err != nil {
		return err
	}
	for i := range jobs {
		j := &jobs[i]
		took := ""
		if j.Elapsed > 0 {
			took = fmt.Sprintf("%.1f s", float64(j.Elapsed)/1000)
		}
		what := j.Action
		if j.Detail != "" {
			what += " " + j.Detail
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", j.ID, j.Host, printable(what), j.State,
			j.CreatedAt.Local().Format(time.DateTime), took, printable(j.Message)); err != nil {
			return err
		}
	}
	return w.Flush()
}

func showJob() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "show JOB",
		Short: "Show a job as JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			return refused(c, printJSON(c.Context(), api, "jobs/"+url.PathEscape(args[0]), c.OutOrStdout()))
		},
	}
	o.flags(c)
	return c
}

func jobOutput() *cobra.Command {
	var (
		o         connection
		following bool
	)
	c := &cobra.Command{
		Use:   "output JOB",
		Short: "Print what a job has written",
		Long:  "Print what a job has written: its standard output to standard output, its standard error to standard error.",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			j, err := printOutput(c.Context(), c, api, args[0], following)
			if err != nil {
				return refused(c, err)
			}
			if following && j.State != "succeeded" {
				return exitError(1)
			}
			return nil
		},
	}
	o.flags(c)
	c.Flags().BoolVarP(&following, "follow", "f", false, "go on until the job has ended; exits with 1 when it did not succeed")
	return c
}

// printOutput prints a job's output, and goes on until its end if that is wanted.
func printOutput(ctx context.Context, c *cobra.Command, api *client.Client, id string, following bool) (*client.Job, error) {
	var out, errs int64
	for {
		j, err := api.Job(ctx, id)
		if err != nil {
			return nil, err
		}
		var err1, err2 error
		out, err1 = api.Output(ctx, id, wire.Stdout, out, c.OutOrStdout())
		errs, err2 = api.Output(ctx, id, wire.Stderr, errs, c.ErrOrStderr())
		if err := errors.Join(err1, err2); err != nil || !following || j.Ended() {
			return j, err
		}
		select {
		case <-time.After(awaitEach):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func cancelJob() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "cancel JOB",
		Short: "End a job, or keep it from beginning",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			var j client.Job
			if err := api.Post(c.Context(), "jobs/"+url.PathEscape(args[0])+"/cancel", nil, &j); err != nil {
				return refused(c, err)
			}
			text := "canceled"
			if !j.Ended() {
				text = "told to end"
			} else if j.State != "canceled" {
				text = "has ended already: " + j.State
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), text)
			return err
		},
	}
	o.flags(c)
	return c
}
